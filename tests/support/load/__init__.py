"""An old application (version 1) as other people run it: a load for a live database, and what it saw.

`fill` makes a v1 database of a given size. `V1Load` runs the application as a process of its own. Its `Report`
has every failure, the latencies per window, and a ledger of every acknowledged write that `verify` looks up.
"""

from tests.support.load.control import V1Load
from tests.support.load.fill import fill
from tests.support.load.ledger import Ledger, verify
from tests.support.load.report import Failure, Report, Window

__all__ = ["Failure", "Ledger", "Report", "V1Load", "Window", "fill", "verify"]
