"""Bytes as text. UTF-8, UTF-16, Big5 (with Hong Kong's characters) and GB18030; what is no text is refused."""

import codecs

from src.errors import InvalidInput
from src.transfer.headers import known

# Shown name → what Python may call it, in the order in which they are tried.
_CODECS = {
    "UTF-8": ("utf-8",),
    "UTF-16": ("utf-16",),
    "Big5": ("big5hkscs", "cp950"),
    "GB18030": ("gb18030",),
}
NAMES = tuple(_CODECS)
_MARKS = (
    (codecs.BOM_UTF8, "UTF-8"),
    (codecs.BOM_UTF32_LE, "UTF-32"),
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)
_KINDS = (
    (b"PK\x03\x04", "a spreadsheet workbook or an archive"),
    (b"\xd0\xcf\x11\xe0", "an Excel workbook"),
    (b"%PDF", "a PDF"),
    (b"\x89PNG", "a picture"),
    (b"\xff\xd8\xff", "a picture"),
    (b"\x1f\x8b", "compressed"),
)
_SAVE_AS = "Save it as CSV in its program first, best as “CSV UTF-8”."
# The characters in common use, as each encoding's first block of them has it: lead bytes, and which trail bytes.
_COMMON_BIG5 = (range(0xA4, 0xC7), (*range(0x40, 0x7F), *range(0xA1, 0xFF)))
_COMMON_GB = (range(0xB0, 0xD8), tuple(range(0xA1, 0xFF)))
_TEXT_CONTROLS = frozenset("\t\n\r\f")


def decode(data: bytes, encoding: str | None = None) -> tuple[str, str]:
    """The text, without a byte order mark, and the name of its encoding. Raises InvalidInput when there is none."""
    for start, kind in _KINDS:
        if data.startswith(start):
            raise InvalidInput(f"This is {kind}, not a text file. {_SAVE_AS}")
    if encoding is not None:
        if encoding not in _CODECS:
            raise InvalidInput(f"{encoding!r} is not an encoding that can be read; there are {', '.join(NAMES)}.")
        return _as(data, encoding), encoding
    marked = next((name for mark, name in _MARKS if data.startswith(mark)), None)
    if marked == "UTF-32":
        raise InvalidInput(f"The file is written in UTF-32. {_SAVE_AS}")
    if marked is not None:
        return _as(data, marked), marked
    if b"\x00" in data:
        raise InvalidInput(f"This is not a text file. {_SAVE_AS}")
    for name in ("UTF-8", *_likelier(data)):
        text = _tried(data, name)
        if text is not None and (name == "UTF-8" or _is_text(text)):
            return text, name
    raise InvalidInput(f"This is not a text file in {', '.join(NAMES)}. {_SAVE_AS}")


def _as(data: bytes, name: str) -> str:
    text = _tried(data, name)
    if text is None or "\x00" in text:
        raise InvalidInput(f"The file is not written in {name}: choose another encoding. {_SAVE_AS}")
    return text


def _tried(data: bytes, name: str) -> str | None:
    for codec in _CODECS[name]:
        try:
            return data.decode(codec).removeprefix("\ufeff")
        except UnicodeDecodeError:
            continue
    return None


def _is_text(text: str) -> bool:
    return not any((char < " " and char not in _TEXT_CONTROLS) or "\x7f" <= char < "\xa0" for char in text)


def _likelier(data: bytes) -> list[str]:
    """Big5 and GB18030, the likelier first: by the headers that are known in it, then by how common its characters are.

    Many a text can be read in both, and is nonsense in one.
    """

    def score(name: str) -> tuple[int, float]:
        text = _tried(data, name)
        if text is None:
            return (-1, 0.0)
        lines = [line.replace(";", ",").replace("\t", ",").split(",") for line in text[:20_000].splitlines()[:40]]
        block = _COMMON_BIG5 if name == "Big5" else _COMMON_GB
        return (max((len(known(line)) for line in lines), default=0), _common(data[:50_000], *block))

    return sorted(("Big5", "GB18030"), key=score, reverse=True)


def _common(data: bytes, leads: range, trails: tuple[int, ...]) -> float:
    """The share of two-byte characters that are in common use."""
    pairs = common = at = 0
    trail_bytes = frozenset(trails)
    while at < len(data) - 1:
        if data[at] < 0x80:
            at += 1
            continue
        pairs += 1
        common += data[at] in leads and data[at + 1] in trail_bytes
        at += 2
    return common / pairs if pairs else 0.0
