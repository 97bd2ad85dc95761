"""Local accounts: `auth/accounts.json` in HK_STRATEGY_HOME, read anew whenever somebody has written it."""

import json
import re
import secrets
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from src.auth import files
from src.auth.passwords import DEFAULT_COST, Cost, Hash, hash_from_text, hash_password, nobodys_hash
from src.errors import ConfigurationError, InvalidInput

NAME = re.compile(r"[a-z0-9][a-z0-9._@+-]{0,63}")


class Role(StrEnum):
    TRADER = "trader"
    ADMIN = "admin"


class LastAdmin(InvalidInput):
    """Without this account nobody could administer."""


@dataclass(frozen=True)
class Account:
    """`generation` is another one after every change of password and after removal: older sessions end with it."""

    name: str
    role: Role
    password: Hash
    generation: str


def folder_of(home: Path) -> Path:
    """Where accounts, sessions and their key are kept, 0700."""
    return files.private_folder(home / "auth")


def clean_name(text: str) -> str:
    """An account's name: case does not matter. Raises InvalidInput."""
    name = text.strip().lower()
    if not NAME.fullmatch(name):
        raise InvalidInput(
            f"{text!r} cannot be a name: letters, digits and . _ - @ + only, at most 64; nothing was changed."
        )
    return name


class Accounts:
    """All accounts. Safe for several threads and processes."""

    def __init__(self, home: Path, cost: Cost = DEFAULT_COST) -> None:
        self.path = folder_of(home) / "accounts.json"
        self._cost = cost
        self._nobody = nobodys_hash(cost)
        self._lock = threading.Lock()
        self._seen: tuple[int, int, int] | None = None
        self._known: dict[str, Account] = {}

    def all(self) -> tuple[Account, ...]:
        """By name. Raises ConfigurationError when the file is damaged."""
        return tuple(sorted(self._read().values(), key=lambda account: account.name))

    def get(self, name: str) -> Account | None:
        return self._read().get(name.strip().lower())

    def check(self, name: str, password: str) -> Account | None:
        """The account, if that is its password. Takes as long for a name that is not there."""
        account = self.get(name)
        kept = self._nobody if account is None else account.password
        return account if kept.matches(password) and account is not None else None

    def add(self, name: str, role: Role, password: str) -> Account:
        """Raises InvalidInput when the name is taken or makes no sense, or the password is too short."""
        name = clean_name(name)
        account = Account(name, role, hash_password(password, self._cost), secrets.token_hex(8))
        with self._writing() as known:
            if name in known:
                raise InvalidInput(f"There is an account {name} already: `passwd {name}` changes its password.")
            known[name] = account
        return account

    def change_password(self, name: str, password: str) -> Account:
        """Ends all sessions of the account. Raises InvalidInput when there is none of that name."""
        kept = hash_password(password, self._cost)
        with self._writing() as known:
            account = replace(_of(known, name), password=kept, generation=secrets.token_hex(8))
            known[account.name] = account
        return account

    def remove(self, name: str, *, force: bool = False) -> Account:
        """Ends all its sessions. Raises LastAdmin for the last admin, unless `force`."""
        with self._writing() as known:
            account = _of(known, name)
            admins = [one for one in known.values() if one.role is Role.ADMIN]
            if admins == [account] and not force:
                raise LastAdmin(f"{account.name} is the last admin; nothing was changed. Add another one first.")
            del known[account.name]
        return account

    def _read(self) -> dict[str, Account]:
        with self._lock:
            seen = files.signature(self.path)
            if seen != self._seen:
                self._known = _parse(self.path, files.read(self.path))
                self._seen = seen
            return self._known

    @contextmanager
    def _writing(self) -> Iterator[dict[str, Account]]:
        """The accounts as they are, held against other writers; written back unless an error comes up."""
        with files.locked(self.path.with_suffix(".lock")):
            known = _parse(self.path, files.read(self.path))
            yield known
            files.write(self.path, _format(known.values()))


def _of(known: dict[str, Account], name: str) -> Account:
    account = known.get(name.strip().lower())
    if account is None:
        names = ", ".join(sorted(known)) or "none at all"
        raise InvalidInput(f"There is no account {name!r}; there are: {names}. Nothing was changed.")
    return account


def _format(accounts: Iterable[Account]) -> str:
    rows = [
        {"name": one.name, "role": one.role, "password": one.password.to_text(), "generation": one.generation}
        for one in accounts
    ]
    return json.dumps({"accounts": rows}, indent=1) + "\n"


def _parse(path: Path, text: str | None) -> dict[str, Account]:
    if text is None:
        return {}
    try:
        return {
            row["name"]: Account(row["name"], Role(row["role"]), hash_from_text(row["password"]), row["generation"])
            for row in json.loads(text)["accounts"]
        }
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigurationError(
            f"{path} is damaged, so nobody is let in. Restore it, or move it away and add the accounts again, "
            "with `python -m src.accounts`."
        ) from error
