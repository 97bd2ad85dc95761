"""Numbers as brokers write them. What could mean two numbers is refused, never guessed.

`1,234.50`, `1.234,50`, `1 234,50`, `(1,200)`, `1,200-`, `HK$38.50`, `１２３`. `1,234` alone is a thousand and more in
one notation and a little over one in the other: the notation of the whole file decides, or the user.
"""

import re
from collections.abc import Iterable
from decimal import Decimal
from enum import StrEnum

from src.errors import InvalidInput

# What stands in a cell for "there is none".
NOTHING = frozenset({"", "-", "--", "—", "n/a", "#n/a", "na", "nil", "null", "none", "無", "无"})
LONGEST = 40


class Notation(StrEnum):
    """How a file writes its numbers: which mark groups the thousands, and which comes before the decimals."""

    POINT = "1,234.50"
    COMMA = "1.234,50"


# Full-width forms to their ASCII twins, and the many spaces and dashes to one of each.
_PLAIN: dict[int, int | str] = {0xFF01 + n: 0x21 + n for n in range(0x5E)}
_PLAIN |= dict.fromkeys(map(ord, "\u00a0\u2007\u2009\u202f\u3000"), " ")
_PLAIN |= dict.fromkeys(map(ord, "\u2010\u2011\u2012\u2013\u2212"), "-")
_CURRENCY = re.compile(r"(?:HK\$|HKD|\$|港元|港幣|港币)", re.IGNORECASE)
_FOREIGN = re.compile(r"(US\$|USD|RMB|CNY|CNH|EUR|GBP|JPY|[¥€£]|人民幣|人民币|美元)", re.IGNORECASE)
_SCIENTIFIC = re.compile(r"[0-9.,]+E[+-]?[0-9]+", re.IGNORECASE | re.ASCII)
_DIGITS = r"(?:[0-9]*|[1-9][0-9]{{0,2}}(?:{group}[0-9]{{3}})+|[1-9][0-9]{{0,2}}(?: [0-9]{{3}})+)(?:{decimal}[0-9]+)?"
_FORM = {
    Notation.POINT: re.compile(_DIGITS.format(group=",", decimal=r"\."), re.ASCII),
    Notation.COMMA: re.compile(_DIGITS.format(group=r"\.", decimal=","), re.ASCII),
}


def plain(text: str) -> str:
    """Full-width characters as their ASCII twins, every kind of space as one, trimmed."""
    return text.translate(_PLAIN).strip()


def is_nothing(text: str) -> bool:
    """Whether a cell says that there is no value: empty, a dash, n/a."""
    return plain(text).casefold() in NOTHING


def readings(text: str) -> dict[Notation, Decimal]:
    """What the text means in each notation in which it is a number at all. Raises InvalidInput when in none."""
    body, negative = _unsigned(text)
    found: dict[Notation, Decimal] = {}
    for notation, pattern in _FORM.items():
        if body and pattern.fullmatch(body):
            decimal_mark, group_mark = (".", ",") if notation is Notation.POINT else (",", ".")
            number = Decimal(body.replace(" ", "").replace(group_mark, "").replace(decimal_mark, "."))
            found[notation] = number.copy_negate() if negative and number else number
    if not found:
        raise InvalidInput(f"{_shown(text)} is not a number.")
    return found


def parse(text: str, notation: Notation | None = None, *, must_be_whole: bool = False) -> Decimal:
    """The number that the text means in `notation`, or in the only one in which it is one (a whole one if it must be).

    Raises InvalidInput for what is no number, and for what could be two where the notation is not known.
    """
    found = readings(text)
    if notation is not None:
        if notation not in found:
            raise InvalidInput(f"{_shown(text)} is not a number where numbers are written like {notation}.")
        return found[notation]
    values = list(found.values())
    if must_be_whole:
        values = [value for value in values if value == value.to_integral_value()] or values
    if any(value != values[0] for value in values):
        both = " or ".join(f"{value.normalize():f}" for value in values)
        raise InvalidInput(f"{_shown(text)} may mean {both}: say how the file writes its numbers.")
    return values[0]


def infer(texts: Iterable[str], whole: Iterable[str] = (), hint: Notation | None = None) -> Notation | None:
    """The notation in which all of a file's numbers make sense; None where nothing, or not all, points to one.

    `whole`: texts that must be whole numbers, so that `1,200` (1.2 in the other notation) can only be 1200. `hint`:
    what the file's form suggests; it decides where no number does, and a number against it leaves it undecided.
    """
    votes = set() if hint is None else {hint}
    for text in texts:
        votes |= _vote(text, must_be_whole=False)
    for text in whole:
        votes |= _vote(text, must_be_whole=True)
    return votes.pop() if len(votes) == 1 else None


def _vote(text: str, *, must_be_whole: bool) -> set[Notation]:
    if is_nothing(text):
        return set()
    try:
        found = readings(text)
    except InvalidInput:
        return set()
    possible = {n for n, value in found.items() if not must_be_whole or value == value.to_integral_value()}
    return possible if len(possible) == 1 else set()


def _unsigned(text: str) -> tuple[str, bool]:
    """The digits and their marks, and whether the number is below 0."""
    body = plain(text)
    if len(body) > LONGEST:
        raise InvalidInput(f"{_shown(text)} is too long for a number.")
    foreign = _FOREIGN.search(body)
    if foreign:
        raise InvalidInput(f"{_shown(text)} is in {foreign[1]}; only HKD can be imported.")
    if _SCIENTIFIC.fullmatch(body.lstrip("+-")):
        raise InvalidInput(f"{_shown(text)} is in scientific notation and may have lost digits: write it in full.")
    body = _without_currency(body)
    signs = ""
    if body.startswith("(") and body.endswith(")"):
        signs, body = "-", _without_currency(body[1:-1].strip())
    for mark in "+-":
        if body.startswith(mark):
            signs, body = signs + mark, body[1:].strip()
        elif body.endswith(mark):
            signs, body = signs + mark, body[:-1].strip()
    if len(signs) > 1:
        raise InvalidInput(f"{_shown(text)} has two signs.")
    return _without_currency(body), signs == "-"


def _without_currency(body: str) -> str:
    start = _CURRENCY.match(body)
    if start:
        return body[start.end() :].strip()
    end = re.search(f"{_CURRENCY.pattern}$", body, re.IGNORECASE)
    return body[: end.start()].strip() if end else body


def _shown(text: str) -> str:
    return repr(text if len(text) <= LONGEST else f"{text[:LONGEST]}…")
