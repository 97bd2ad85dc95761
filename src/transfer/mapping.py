"""Which column of a file is which field: guessed from its headers, corrected by the user, checked before use."""

from collections.abc import Mapping, Sequence

from src.errors import InvalidInput
from src.transfer.headers import Field, meaning

NEEDED = (Field.SYMBOL, Field.QUANTITY)
LABELS = {
    Field.SYMBOL: "Symbol",
    Field.QUANTITY: "Quantity",
    Field.AVG_COST: "Average cost",
    Field.COMPANY_NAME: "Company name",
    Field.SECTOR: "Sector",
    Field.PRICE: "Price",
    Field.PRICE_AS_OF: "Price as of",
}


def guess(columns: Sequence[str]) -> dict[int, Field]:
    """Column index → field, of the headers that are known. Of two for the same field, the surer one."""
    best: dict[Field, tuple[int, int]] = {}
    for at, name in enumerate(columns):
        found = meaning(name)
        if found is not None:
            rank, field = found
            best[field] = min(best.get(field, (rank, at)), (rank, at))
    return {at: field for field, (_, at) in sorted(best.items(), key=lambda one: one[1][1])}


def check(mapping: Mapping[int, Field], columns: Sequence[str]) -> dict[Field, int]:
    """Field → column index. Raises InvalidInput for two columns of one field, and where a needed field has none."""
    found: dict[Field, int] = {}
    for at, field in sorted(mapping.items()):
        if not 0 <= at < len(columns):
            raise InvalidInput(f"The file has no column {at + 1}; it has {len(columns)}.")
        if field in found:
            raise InvalidInput(
                f"{columns[found[field]]!r} and {columns[at]!r} are both said to be {LABELS[field].lower()}: "
                "choose one of them, and leave the other out."
            )
        found[field] = at
    missing = [LABELS[field].lower() for field in NEEDED if field not in found]
    if missing:
        raise InvalidInput(f"Say which column is the {' and which is the '.join(missing)}.")
    return found
