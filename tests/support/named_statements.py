"""Every statement that stands under a heading in a folder sql/ of src, by the name that `query` knows it by."""

import re

from src.config import PROJECT_ROOT
from src.postgres.queries import query

SOURCES = PROJECT_ROOT / "src"
HEADING = re.compile(r"^-- == (\w+):", re.MULTILINE)


def named_statements() -> dict[str, str]:
    """Name → text, as `query` gives it."""
    names = []
    for path in sorted(SOURCES.rglob("sql/*.sql")):
        package = ".".join(path.parent.parent.relative_to(SOURCES).parts)
        keys = HEADING.findall(path.read_text(encoding="utf-8"))
        assert len(set(keys)) == len(keys), f"{path}: a name stands there twice"
        names += [f"{package}.{path.stem}.{key}" for key in keys]
    return {name: query(name) for name in names}
