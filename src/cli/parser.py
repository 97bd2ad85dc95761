"""The command line of run_migration.py: what may be typed, and what it means."""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import NoReturn

from src.backup.retention import MOST, RetentionRule
from src.errors import InvalidInput
from src.journal.activity import ActivityFilter
from src.journal.model import Keep, Phase
from src.migration.model import Options
from src.schema.versions import SchemaVersion

PHASES = ("phase1", "phase2", "rollback")
ENGINE = (*PHASES, "plan", "resume")
USES_BACKUPS = (*ENGINE, "backup", "backups", "verify", "restore", "delete", "prune")
ASKING = (*PHASES, "resume", "restore", "delete", "prune", "remove-sample")

COMMANDS = {
    "init": "put the v1 or v3 schema into an empty database",
    "check": "schema version, features, recommendations, health of every component",
    "plan": "show what a phase would do: steps, locks, sizes, who is in the way; changes nothing",
    "phase1": "v1 to v2: several portfolios, while v1 clients go on working",
    "phase2": "v2 to v3: the complete schema, without v1 clients",
    "rollback": "back: from v3 to v2, from v2 to v1; nothing is lost",
    "pause": "ask the run that is under way to stop at its next safe point; resume goes on",
    "resume": "go on with a run that was paused or killed",
    "backup": "make a backup, and verify it by restoring it elsewhere",
    "backups": "list the backups",
    "verify": "restore a backup into a scratch database and compare it, table by table",
    "restore": "put a backup in the place of the database",
    "delete": "delete a backup; never the only verified one",
    "prune": "delete backups that are old, and shown before; the newest verified ones stay",
    "history": "who did what, when, with what outcome: runs, and what admins did",
    "remove-sample": "remove the sample data",
}

EPILOG = """\
The database is the one in DATABASE_URL (environment or .env), else the embedded one. Better set DATABASE_URL than
type --database-url: what is typed stays in the shell's history, and shows for a moment in the process list.

exit codes: 0 done, or nothing to do; 1 failed (and says whether undone or paused, and what to type next);
2 usage; 3 prerequisites not met, nothing touched; 4 another run is in progress.
"""


DEFAULTS, ANYTHING = Options(), ActivityFilter()


class UsageError(Exception):
    """The command line makes no sense. Its text is the sentence for the user."""


class RollbackTarget(StrEnum):
    """The version that a rollback goes back to."""

    V1 = "v1"
    V2 = "v2"


@dataclass(frozen=True)
class Arguments:
    """What was typed."""

    command: str
    database_url: str | None = None
    json: bool = False
    yes: bool = False
    phase: str | None = None
    to: RollbackTarget | None = None
    schema: str | None = None
    sample: bool = False
    sql: bool = False
    backup: str | None = None
    run: int | None = None
    if_older_than: timedelta | None = None
    rule: RetentionRule | None = None
    wanted: ActivityFilter = ANYTHING
    options: Options = DEFAULTS

    def target(self, version: str | None) -> Phase:
        """The phase that is meant, on a database whose schema has `version` ("1.0", "2.0", "3.0" or None)."""
        name = self.phase or self.command
        if name != "rollback":
            return Phase(name)
        if self.to is RollbackTarget.V1:
            return Phase.ROLLBACK_V1
        if self.to is RollbackTarget.V2 or version == SchemaVersion.V3:
            return Phase.ROLLBACK_V2
        return Phase.ROLLBACK_V1


@dataclass(frozen=True)
class _Option:
    """An option, and the commands that it belongs to (empty: all)."""

    flag: str
    commands: tuple[str, ...]
    help: str
    metavar: str | None = None
    choices: tuple[str, ...] | None = None
    action: str = "store"

    @property
    def dest(self) -> str:
        return self.flag.strip("-").replace("-", "_")


OPTIONS = (
    _Option("--database-url", (), "the database; wins over DATABASE_URL for everything", metavar="URL"),
    _Option("--json", (), "one JSON object per line, the last one the outcome", action="store_true"),
    _Option("--yes", ASKING, "ask nothing", action="store_true"),
    _Option("--no-backup", (*PHASES, "plan", "resume"), "do without the verified backup", action="store_true"),
    _Option("--backup-dir", USES_BACKUPS, "where backups are kept", metavar="FOLDER"),
    _Option(
        "--legacy-role",
        ENGINE,
        "a role that v1 clients connect as (repeat for several); default: found in the database",
        metavar="ROLE",
        action="append",
    ),
    _Option(
        "--max-lock-ms", ENGINE, "the longest that clients may wait behind a lock attempt; default 100", metavar="MS"
    ),
    _Option("--force", ("phase2", "plan", "resume"), "phase 2 although v1 clients are connected", action="store_true"),
    _Option(
        "--to",
        ("rollback", "plan"),
        "the version to go back to; default: one back",
        choices=tuple(target.value for target in RollbackTarget),
    ),
    _Option(
        "--keep",
        ("rollback", "plan"),
        "back to v1, merge all portfolios, or keep DEFAULT's positions only (all are archived first)",
        choices=("merge", "default"),
    ),
    _Option("--keep", ("prune",), "how many of the newest verified backups stay; default 1", metavar="N"),
    _Option("--days", ("prune",), "those of the last so many days stay too; default 0", metavar="D"),
    _Option(
        "--if-older-than",
        ("backup",),
        "do nothing while the newest verified backup of this database is younger: 30m, 24h, 7d",
        metavar="AGE",
    ),
    _Option(
        "--archived",
        ("phase1", "plan"),
        "portfolios archived by an earlier rollback: restore them (default) or leave them in the archive",
        choices=("restore", "leave"),
    ),
    _Option("--kind", ("history",), "run, action, or the name of one, such as restore", metavar="KIND"),
    _Option("--who", ("history",), "what this person did", metavar="NAME"),
    _Option("--outcome", ("history",), "what ended so: done, failed, refused, paused, …", metavar="OUTCOME"),
    _Option("--since", ("history",), "what began since then: 24h, 7d, or a day such as 2026-11-24", metavar="WHEN"),
    _Option("--schema", ("init",), "the schema of the new database", choices=("v1", "v3")),
    _Option("--sql", ("plan",), "with the SQL of each step", action="store_true"),
    _Option("--sample", ("init",), "with the usual sample data, marked as such", action="store_true"),
)


class UsageParser(argparse.ArgumentParser):
    """Raises UsageError where argparse would end the process."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message[:1].upper()}{message[1:]}. Type `{self.prog} --help` for what there is.")


def build_parser() -> argparse.ArgumentParser:
    """Options are accepted before the command as well as after it."""
    parser = UsageParser(
        prog="python run_migration.py",
        description="Migrates the live database of HK Strategy, and back.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    for option in {option.flag: option for option in OPTIONS}.values():
        # What it may be depends on the command, which is not known yet where several have a flag of that name.
        several = sum(other.flag == option.flag for other in OPTIONS) > 1
        _add(parser, replace(option, choices=None) if several else option, "before", hidden=bool(option.commands))
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, text in COMMANDS.items():
        sub = commands.add_parser(name, help=text, description=f"{text[:1].upper()}{text[1:]}.", allow_abbrev=False)
        if name == "plan":
            sub.add_argument("phase", choices=PHASES)
        if name in ("verify", "restore", "delete"):
            sub.add_argument("backup", metavar="BACKUP", help="its name, as `backups` lists it")
        if name == "history":
            sub.add_argument("run", metavar="RUN", nargs="?", help="a run's number, to see its proof and SQL checksums")
        for option in OPTIONS:
            if not option.commands or name in option.commands:
                _add(sub, option, "after", hidden=False)
    return parser


def _add(parser: argparse.ArgumentParser, option: _Option, place: str, *, hidden: bool) -> None:
    """Each place has a name of its own, since argparse lets the sub-command forget what stood before it."""
    text = argparse.SUPPRESS if hidden else option.help
    dest = f"{place}_{option.dest}"
    if option.action == "store_true":
        parser.add_argument(option.flag, dest=dest, action="store_true", default=argparse.SUPPRESS, help=text)
    else:
        parser.add_argument(
            option.flag,
            dest=dest,
            action=option.action,
            default=argparse.SUPPRESS,
            metavar=option.metavar,
            choices=option.choices,
            help=text,
        )


def parse(argv: Sequence[str]) -> Arguments:
    """Raises UsageError with a sentence for the user; SystemExit(0) after --help."""
    parsed = vars(build_parser().parse_args(argv))
    command = str(parsed["command"])
    given = _given(command, parsed)
    phase = parsed.get("phase")
    _check_plan_options(command, phase, given)
    return Arguments(
        command=command,
        database_url=_database_url(given),
        json=bool(given.get("json")),
        yes=bool(given.get("yes")),
        phase=None if phase is None else str(phase),
        to=RollbackTarget(str(given["to"])) if "to" in given else None,
        schema=_schema(command, given),
        sample=bool(given.get("sample")),
        sql=bool(given.get("sql")),
        backup=None if parsed.get("backup") is None else str(parsed["backup"]),
        run=_run_number(parsed.get("run")),
        if_older_than=_age("--if-older-than", _text(given, "if_older_than")),
        wanted=_wanted(parsed.get("run"), given),
        rule=_rule(given) if command == "prune" else None,
        options=_options(given),
    )


def _given(command: str, parsed: Mapping[str, object]) -> dict[str, object]:
    """The options that were typed, by name. Raises UsageError for one that the command has no use for."""
    given: dict[str, object] = {}
    for flag in dict.fromkeys(option.flag for option in OPTIONS):
        same = [option for option in OPTIONS if option.flag == flag]
        values = [parsed[key] for key in (f"before_{same[0].dest}", f"after_{same[0].dest}") if key in parsed]
        if not values:
            continue
        mine = next((option for option in same if not option.commands or command in option.commands), None)
        if mine is None:
            owners = ", ".join(owner for option in same for owner in option.commands)
            raise UsageError(f"{flag} has no meaning for `{command}`; it belongs to {owners}.")
        if mine.action == "append":
            given[mine.dest] = [v for part in values if isinstance(part, list) for v in part]
        else:
            given[mine.dest] = values[-1]
        if mine.choices and values[-1] not in mine.choices:
            raise UsageError(f"{flag} is {values[-1]!r}; it must be {' or '.join(mine.choices)}.")
    return given


def _check_plan_options(command: str, phase: object, given: dict[str, object]) -> None:
    if command != "plan":
        return
    for dest, owner in (("to", "rollback"), ("keep", "rollback"), ("archived", "phase1"), ("force", "phase2")):
        if dest in given and phase != owner:
            raise UsageError(f"--{dest} has no meaning for `plan {phase}`; it belongs to {owner}.")


def _options(given: dict[str, object]) -> Options:
    roles = given.get("legacy_role", [])
    folder = _text(given, "backup_dir")
    if folder == "":
        raise UsageError("--backup-dir is empty. Name a folder.")
    return Options(
        backup=not given.get("no_backup"),
        backup_dir=None if folder is None else Path(folder).expanduser().resolve(),
        legacy_roles=tuple(str(role) for role in roles) if isinstance(roles, list) else (),
        max_lock_ms=_max_lock_ms(given),
        force=bool(given.get("force")),
        keep=Keep.DEFAULT if _text(given, "keep") == Keep.DEFAULT else Keep.MERGE,
        restore_archive=_text(given, "archived") != "leave",
    )


def _run_number(text: object) -> int | None:
    if text is None:
        return None
    if not str(text).isdecimal():
        raise UsageError(f"{text!r} is not the number of a run. `history` lists them.")
    return int(str(text))


def _wanted(run: object, given: dict[str, object]) -> ActivityFilter:
    kind, who, outcome, since = (_text(given, name) for name in ("kind", "who", "outcome", "since"))
    if run is not None and (kind or who or outcome or since):
        raise UsageError("One run is shown as a whole: leave its number, or the filter, out.")
    return ActivityFilter(kind, who, outcome, _moment(since))


def _moment(text: str | None) -> datetime | None:
    """A day begins at midnight, here; an age is counted back from now."""
    if text is None:
        return None
    try:
        return datetime.fromisoformat(text).astimezone()
    except ValueError:
        age = _age("--since", text)
        return None if age is None else datetime.now(UTC) - age


def _age(flag: str, text: str | None) -> timedelta | None:
    if text is None:
        return None
    units = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}
    number, unit = text[:-1], text[-1:]
    if unit not in units or not number.isdecimal() or not 0 < int(number) <= MOST:
        raise UsageError(f"{flag} is {text!r}; write it as 30m, 24h or 7d.")
    return int(number) * units[unit]


def _rule(given: dict[str, object]) -> RetentionRule:
    if "keep" not in given and "days" not in given:
        raise UsageError("`prune` needs --keep N, --days D, or both: which backups shall stay?")
    numbers = []
    for name, default in (("keep", "1"), ("days", "0")):
        text = _text(given, name) or default
        if not text.isdecimal():
            raise UsageError(f"--{name} is {text!r}; it must be a number.")
        numbers.append(int(text))
    try:
        return RetentionRule(*numbers)
    except InvalidInput as error:
        raise UsageError(str(error)) from None


def _max_lock_ms(given: dict[str, object]) -> int:
    text = _text(given, "max_lock_ms")
    if text is None:
        return DEFAULTS.max_lock_ms
    if not text.isdecimal() or not 1 <= int(text) <= 60_000:
        raise UsageError(f"--max-lock-ms is {text!r}; it must be a number of milliseconds from 1 to 60000.")
    return int(text)


def _database_url(given: dict[str, object]) -> str | None:
    url = _text(given, "database_url")
    if url == "":
        raise UsageError("--database-url is empty. Write postgresql://user:password@host:5432/database.")
    return url


def _schema(command: str, given: dict[str, object]) -> str | None:
    schema = _text(given, "schema")
    if command == "init" and schema is None:
        raise UsageError("`init` needs --schema v1 or --schema v3.")
    return schema


def _text(given: dict[str, object], name: str) -> str | None:
    value = given.get(name)
    return None if value is None else str(value)
