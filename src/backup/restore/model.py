"""The values of a restore: the live database, and the outcome."""

import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from src.backup.dump_tools import Tools
from src.backup.fingerprint import OWN_SCHEMA, TableFingerprint
from src.backup.manifest import Backup
from src.backup.scratch import DatabaseFacts
from src.errors import BackupError


class RestoreWay(StrEnum):
    """`SWAP`: restored beside the present database, whose name it then takes. `IN_PLACE`: into the present one."""

    SWAP = "swap"
    IN_PLACE = "in place"


@dataclass(frozen=True)
class Live:
    """The database that is to be replaced. `may_swap`: the role may create databases, and rename this one."""

    database: str
    role: str
    superuser: bool
    may_swap: bool
    owner: str
    has_history: bool
    owns_public: bool
    server_major: int
    facts: DatabaseFacts


@dataclass(frozen=True)
class RestoreOutcome:
    """How a restore ended. `how`: "swapped" or "in place".

    `old_database`: what the database as it was before is called now (None: it was replaced in place, and
    `safety_backup` names its backup). `tables`: what was restored and found equal. `history_kept`: the live database's
    history was carried over.
    """

    database: str
    backup: str
    how: str
    schema_version: str | None
    tables: Mapping[str, TableFingerprint]
    history_kept: bool
    old_database: str | None = None
    safety_backup: str | None = None
    notes: tuple[str, ...] = ()
    seconds: float = 0.0


def write_contents_list(
    backup: Backup,
    tools: Tools,
    path: Path,
    *,
    skip_own_schema: bool,
    skip_public: bool,
    installed: tuple[str, ...] = (),
) -> None:
    """The dump's table of contents, without what must not be restored, as a file for pg_restore --use-list.

    Left out: comments of extensions (creating the extension brings them, and only its owner may set them),
    extensions that are `installed`, the project's own schema, rights on the schema public.
    """
    done = subprocess.run(
        [tools.program("pg_restore"), "--list", str(backup.data)], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise BackupError(f"The backup {backup.name} cannot be read: {done.stderr.strip()}")
    left_out = [r"COMMENT - EXTENSION "]
    left_out += [rf"EXTENSION - {re.escape(name)} " for name in installed]
    if skip_own_schema:
        left_out += [rf"[A-Z][A-Z ]* {OWN_SCHEMA} ", rf"SCHEMA - {OWN_SCHEMA} "]
        left_out += [rf"(ACL|COMMENT) - SCHEMA {OWN_SCHEMA} "]
    if skip_public:
        left_out += [r"SCHEMA - public ", r"(ACL|COMMENT) - SCHEMA public "]
    unwanted = re.compile(r"^\d+; \d+ \d+ (" + "|".join(left_out) + ")")
    kept = [line for line in done.stdout.splitlines() if not unwanted.match(line)]
    path.write_text("\n".join(kept) + "\n", encoding="utf-8")
