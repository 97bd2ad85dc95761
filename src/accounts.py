"""Local accounts of the dashboard: `python -m src.accounts add|passwd|remove|list`. Works while the dashboard runs."""

import argparse
import getpass
import sys
from collections.abc import Sequence

from src.auth.passwords import MIN_LENGTH
from src.auth.store import Accounts, LastAdmin, Role, clean_name
from src.config import Settings, load_settings
from src.embedded.api import running_url
from src.errors import HKStrategyError, InvalidInput
from src.journal import audit
from src.journal.model import AuditOutcome
from src.journal.runs import actor


def read_password(name: str) -> str:
    """Asked twice on a terminal; the first line of standard input in a pipe. Never an argument."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    first = getpass.getpass(f"Password for {name} (at least {MIN_LENGTH} characters): ")
    if getpass.getpass("The same again: ") != first:
        raise InvalidInput("The two are not the same; nothing was changed.")
    return first


def run(arguments: argparse.Namespace, accounts: Accounts) -> str:
    """Do what was asked; the text says what was done."""
    if arguments.command == "list":
        rows = [f"{account.name:<24} {account.role}" for account in accounts.all()]
        return "\n".join(rows) or "There is no account. Add one: python -m src.accounts add NAME --role admin"
    name = clean_name(arguments.name)
    if arguments.command == "add":
        if accounts.get(name) is not None:
            raise InvalidInput(f"There is an account {name} already: `passwd {name}` changes its password.")
        account = accounts.add(name, Role(arguments.role), read_password(name))
        return f"Added {account.name}, {account.role}."
    if arguments.command == "passwd":
        if accounts.get(name) is None:
            raise InvalidInput(f"There is no account {name!r}; nothing was changed.")
        accounts.change_password(name, read_password(name))
        return f"The password of {name} is changed; all sessions of {name} have ended."
    accounts.remove(name, force=arguments.force)
    return f"Removed {name}; all sessions of {name} have ended."


def record_action(arguments: argparse.Namespace, settings: Settings) -> None:
    """What was done to an account, in the audit. A database that is away is no reason to keep somebody in."""
    url = running_url(settings)
    if arguments.command == "list" or url is None:
        return
    address = "a terminal" if sys.stdin.isatty() else "a script"
    detail = {"name": clean_name(arguments.name)}
    if arguments.command == "add":
        detail["role"] = arguments.role
    action = f"account {arguments.command}"
    try:
        audit.record(
            url, audit.AuditEntry(actor(None).person, "command line", address, action, AuditOutcome.DONE, detail)
        )
    except HKStrategyError as error:
        sys.stderr.write(f"{error} It is done all the same.\n")


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog="python -m src.accounts",
        description="Accounts of the dashboard. Passwords are asked for, never given here.",
    )
    commands = top.add_subparsers(dest="command", required=True)
    add = commands.add_parser("add", help="add an account")
    add.add_argument("name")
    add.add_argument("--role", choices=[role.value for role in Role], default=Role.TRADER.value)
    commands.add_parser("passwd", help="set an account's password").add_argument("name")
    remove = commands.add_parser("remove", help="remove an account")
    remove.add_argument("name")
    remove.add_argument("--force", action="store_true", help="even the last admin")
    commands.add_parser("list", help="list the accounts")
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Exit code 0: done; 1: refused, and nothing was changed; 2: usage."""
    arguments = parser().parse_args(argv)
    try:
        settings = load_settings()
        said = run(arguments, Accounts(settings.home))
    except LastAdmin as error:
        sys.stderr.write(f"{error} Or insist with --force.\n")
        return 1
    except HKStrategyError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except (KeyboardInterrupt, EOFError):
        sys.stderr.write("\nNothing was changed.\n")
        return 1
    sys.stdout.write(f"{said}\n")
    record_action(arguments, settings)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
