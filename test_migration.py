"""Diagnostics of the configured database: `python test_migration.py [--database-url URL] [--json]`.

Works on v1, v2 and v3, and leaves no trace. Exit code 0: all passed; 1: some failed; 2: usage.
"""

import sys

from src.bootstrap import prepare


def main() -> int:
    # Imported only now: `prepare` may have had to find the Python that has the packages.
    from src.cli.diagnostics import run_diagnostics
    from src.embedded.api import cache_url, database_url

    return run_diagnostics(sys.argv[1:], database_url, cache_url)


if __name__ == "__main__":
    prepare(__file__)
    sys.exit(main())
