"""The docstring of each package of src ends with who imports it, and that is so."""

import ast
from collections.abc import Iterator
from functools import lru_cache
from importlib import import_module
from pathlib import Path

import grimp
import pytest

from src.config import PROJECT_ROOT
from src.text import listed

PACKAGES = sorted(
    ".".join(path.parent.relative_to(PROJECT_ROOT).parts) for path in (PROJECT_ROOT / "src").glob("*/**/__init__.py")
)


@lru_cache
def graph() -> grimp.ImportGraph:
    return grimp.build_graph("src")


def scripts() -> Iterator[tuple[str, Path]]:
    """What is outside src and imports it, with the name that docstrings give it. Tests and bench are not counted."""
    yield from ((path.name, path) for path in PROJECT_ROOT.glob("*.py"))
    yield from (("pages/", path) for path in (PROJECT_ROOT / "pages").glob("*.py"))


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def as_seen_from(package: str, importer: str) -> str:
    """`importer` without `src`, as far as its first part that `package` does not share."""
    own, parts = package.split("."), importer.split(".")
    shared = next(count for count, part in enumerate(parts) if count >= len(own) or part != own[count])
    return ".".join(parts[1 : shared + 1])


def importers(package: str) -> set[str]:
    inside = {package, *graph().find_descendants(package)}
    importing = {importer for module in inside for importer in graph().find_modules_that_directly_import(module)}
    found = {as_seen_from(package, importer) for importer in importing - inside}
    return found | {
        name for name, path in scripts() if any(f"{module}.".startswith(f"{package}.") for module in imported(path))
    }


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_says_who_imports_it(package: str) -> None:
    docstring = " ".join((import_module(package).__doc__ or "").split())
    what, _, who = docstring.rpartition("Imported by ")
    assert what.strip(), "it says what lives there"
    assert f"Imported by {who}" == f"Imported by {listed(sorted(importers(package)), limit=99)}."
