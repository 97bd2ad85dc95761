"""Symbols of the Hong Kong market."""

import re

from src.errors import InvalidInput

_SHARE = re.compile(r"0*([1-9][0-9]{0,4})(?:\.HK)?", re.ASCII)
_INDEX = re.compile(r"\^[A-Z0-9]{1,9}", re.ASCII)


def normalise_symbol(text: str) -> str:
    """`700`, `00700`, `700.hk` and `0700.HK` are `0700.HK`; five digits stay five (`80700.HK`); `^HSI` is an index.

    Raises InvalidInput for anything else.
    """
    if not isinstance(text, str):
        raise InvalidInput(f"{text!r} is not a symbol: write it as text, like 0700.HK or ^HSI.")
    symbol = text.strip().upper()
    share = _SHARE.fullmatch(symbol)
    if share is not None and len(symbol) <= 16:
        return f"{share[1]:0>4}.HK"
    if _INDEX.fullmatch(symbol) is not None:
        return symbol
    shown = text if len(text) <= 30 else f"{text[:30]}…"
    raise InvalidInput(
        f"{shown!r} is not a Hong Kong symbol: write 1 to 5 digits, with or without .HK (700 or 0700.HK), "
        "or ^ and letters for an index (^HSI)."
    )


def spellings(text: str) -> tuple[str, ...]:
    """The symbols that `text` may stand for in a database, most likely first: normalised, and as written.

    Older databases may hold symbols that were never normalised. Raises InvalidInput for an empty text.
    """
    written = text.strip() if isinstance(text, str) else ""
    try:
        normal = normalise_symbol(text)
    except InvalidInput:
        if not 0 < len(written) <= 10:
            raise
        return (written,)
    return (normal,) if normal == written else (normal, written)


def is_index(symbol: str) -> bool:
    """Whether it is an index, such as ^HSI: it has prices, and cannot be held."""
    return symbol.startswith("^")


def same_exposure(symbol: str) -> str:
    """The HKD counter of an RMB counter (`80700.HK` is `0700.HK` in RMB); any other symbol as it is."""
    code = symbol.removesuffix(".HK")
    if symbol.endswith(".HK") and len(code) == 5 and code.startswith("8") and code[1:] != "0000":
        return f"{code[1:]}.HK"
    return symbol
