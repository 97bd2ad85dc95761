"""Passwords: what is kept of them, and how one is compared with it."""

import base64
import hashlib
import hmac
import os
from dataclasses import dataclass

from src.errors import InvalidInput

MIN_LENGTH = 10
MAX_LENGTH = 1000  # a megabyte of password would only keep the processor busy


@dataclass(frozen=True)
class Cost:
    """scrypt's parameters. The default (RFC 7914; one of OWASP's equivalents) takes 32 MB and some 0.3 s."""

    n: int = 2**15
    r: int = 8
    p: int = 3


DEFAULT_COST = Cost()


@dataclass(frozen=True)
class Hash:
    """What is kept of a password. `repr` leaves it out."""

    cost: Cost
    salt: bytes
    digest: bytes

    def __repr__(self) -> str:
        return "Hash(…)"

    def matches(self, password: str) -> bool:
        return hmac.compare_digest(_scrypt(password, self.salt, self.cost), self.digest)

    def to_text(self) -> str:
        salt, digest = (base64.b64encode(part).decode() for part in (self.salt, self.digest))
        return f"scrypt${self.cost.n}${self.cost.r}${self.cost.p}${salt}${digest}"


def hash_from_text(text: str) -> Hash:
    """The inverse of `Hash.to_text`. Raises ValueError for anything else."""
    kind, n, r, p, salt, digest = text.split("$")
    if kind != "scrypt":
        raise ValueError(f"{kind} is not known")
    return Hash(Cost(int(n), int(r), int(p)), base64.b64decode(salt), base64.b64decode(digest))


def hash_password(password: str, cost: Cost = DEFAULT_COST) -> Hash:
    """With a salt of its own. Raises InvalidInput for a password that is too short."""
    if len(password) < MIN_LENGTH:
        raise InvalidInput(f"A password needs at least {MIN_LENGTH} characters; nothing was changed.")
    if len(password) > MAX_LENGTH:
        raise InvalidInput(f"A password has at most {MAX_LENGTH} characters; nothing was changed.")
    salt = os.urandom(16)
    return Hash(cost, salt, _scrypt(password, salt, cost))


def nobodys_hash(cost: Cost = DEFAULT_COST) -> Hash:
    """Matches no password, and takes as long to say so: names that exist cannot be distinguished by the time."""
    return Hash(cost, os.urandom(16), os.urandom(32))


def _scrypt(password: str, salt: bytes, cost: Cost) -> bytes:
    memory = 128 * cost.r * (cost.n + cost.p + 2) + 2**20
    text = password.encode("utf-8", "surrogatepass")
    return hashlib.scrypt(text, salt=salt, n=cost.n, r=cost.r, p=cost.p, maxmem=memory, dklen=32)
