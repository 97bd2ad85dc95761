"""Documents and comments name files and functions that exist."""

import ast
import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import pytest

from src.config import PROJECT_ROOT

FOLDERS = ("src", "tests", "docs", "migrations", "pages", "bench")
PATH = re.compile(rf"(?<![\w/.<-])(?:{'|'.join(FOLDERS)})/[\w./-]*[\w/]")
LINK = re.compile(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)")
MODULE = re.compile(r"-m (src\.[\w.]+|bench\b[\w.]*)")
# "| `src/ui/reads/queries.py` | `valuation` |": a row of a journey, with the function that it names.
ROW = re.compile(r"(?m)^\| `(src/[\w/]+\.py)` \| `([\w.]+)` \|")
TEXTS = ("*.md", "*.py", "*.sql", "*.toml", "*.yaml", "*.service", "*.timer", "*.conf", "*.css")
# Names of that commit, not of this one.
ELSEWHERE = ("tests/field/make_dumps.py", "tests/field/make_interfaces.py", "tests/documents/test_documents.py")


def texts() -> Iterator[Path]:
    yield from (PROJECT_ROOT / name for name in ("Makefile", ".env.example"))
    for pattern in TEXTS:
        yield from PROJECT_ROOT.glob(pattern)
        for folder in FOLDERS:
            yield from (PROJECT_ROOT / folder).rglob(pattern)


def shown(path: Path) -> str:
    return str(path.relative_to(PROJECT_ROOT))


def prose(path: Path) -> str:
    """Of a program the comments and docstrings: a path within its strings may be one that it makes."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".py":
        return text
    found = [line.split("#", 1)[1] for line in text.splitlines() if line.lstrip().startswith("#") or "  # " in line]
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            found.append(ast.get_docstring(node) or "")
    return "\n".join(found)


@lru_cache
def names_in(module: str) -> frozenset[str]:
    """Functions and classes of a module, methods as Class.method."""
    found: set[str] = set()
    for node in ast.parse((PROJECT_ROOT / module).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        if isinstance(node, ast.ClassDef):
            found.update(f"{node.name}.{inner.name}" for inner in node.body if isinstance(inner, ast.FunctionDef))
    return frozenset(found)


def test_every_path_that_is_named_exists() -> None:
    missing = [
        f"{shown(path)}: {named}"
        for path in texts()
        if shown(path) not in ELSEWHERE
        for named in PATH.findall(prose(path))
        if "NAME" not in named and "NNN" not in named and not (PROJECT_ROOT / named.rstrip("/.")).exists()
    ]
    assert not missing


def test_every_link_of_a_document_leads_somewhere() -> None:
    documents = [*PROJECT_ROOT.glob("*.md"), *(PROJECT_ROOT / "docs").rglob("*.md")]
    missing = [
        f"{shown(path)}: {target}"
        for path in documents
        for target in LINK.findall(path.read_text(encoding="utf-8"))
        if not (path.parent / target).exists()
    ]
    assert documents
    assert not missing


def test_every_module_that_is_to_be_run_exists() -> None:
    missing = []
    for path in texts():
        for module in MODULE.findall(path.read_text(encoding="utf-8")) if shown(path) not in ELSEWHERE else ():
            place = PROJECT_ROOT / module.rstrip(".").replace(".", "/")
            if not place.with_suffix(".py").exists() and not (place / "__main__.py").exists():
                missing.append(f"{shown(path)}: {module}")
    assert not missing


def test_the_journeys_name_functions_that_exist() -> None:
    rows = ROW.findall((PROJECT_ROOT / "docs" / "architecture.md").read_text(encoding="utf-8"))
    assert len(rows) > 20
    assert not [f"{module}: {name}" for module, name in rows if name not in names_in(module)]


@pytest.mark.parametrize("package", sorted(path.parent.name for path in (PROJECT_ROOT / "src").glob("*/__init__.py")))
def test_every_package_is_in_the_architecture(package: str) -> None:
    assert f"`src/{package}/`" in (PROJECT_ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")


# Headings that mean what the word means in any sentence.
EVERYDAY = {
    "", "address", "after", "afterwards", "before", "by", "change", "database", "figure", "from", "hkd", "last change",
    "made", "now", "row", "rows", "rows of", "schema", "size", "table", "then", "to drop it", "took", "verified",
    "what", "when", "why not",
}  # fmt: skip


def headings() -> set[str]:
    """Column headings, labels of figures and names of views, as they stand in the pages' modules."""
    found: set[str] = set()
    for path in (PROJECT_ROOT / "src" / "ui").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or getattr(node.func, "id", "") not in ("Column", "Figure", "_Figure"):
                continue
            if node.args and isinstance(node.args[0], ast.Constant) and isinstance(node.args[0].value, str):
                found.add(node.args[0].value.lower().removesuffix(", hkd"))
    return found


def constants(node: ast.AST) -> set[str]:
    """Texts that an argument may be: itself, either branch of a condition, keys of a dictionary, parts of a tuple."""
    if isinstance(node, ast.IfExp):
        return constants(node.body) | constants(node.orelse)
    if isinstance(node, ast.Dict):
        return {text for key in node.keys if key is not None for text in constants(key)}
    if isinstance(node, ast.Tuple):
        return {text for part in node.elts for text in constants(part)}
    return {node.value.lower()} if isinstance(node, ast.Constant) and isinstance(node.value, str) else set()


def named_parts() -> set[str]:
    """Pages, their parts, their views, and what opens on a press, by the names that the pages show."""
    found: set[str] = set()
    for path in (PROJECT_ROOT / "src" / "ui").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") in ("VIEWS", "PANELS"):
                found |= constants(node.value)
            elif isinstance(node, ast.Call) and getattr(getattr(node.func, "value", None), "id", "") == "st":
                if getattr(node.func, "attr", "") in ("title", "subheader", "popover") and node.args:
                    found |= constants(node.args[0])
                elif getattr(node.func, "attr", "") == "Page":
                    found |= {text for one in node.keywords if one.arg == "title" for text in constants(one.value)}
    return found


def terms() -> set[str]:
    rows = re.findall(r"(?m)^\| ([^|]+?) \|", (PROJECT_ROOT / "docs" / "glossary.md").read_text(encoding="utf-8"))
    return {term.lower() for row in rows for term in (row, *row.split(", "))}


def test_every_heading_of_the_pages_is_in_the_glossary() -> None:
    shown_there, known = headings(), terms()
    plurals = {term + "s" for term in known}
    assert len(shown_there) > 60
    assert not shown_there - known - plurals - EVERYDAY


def test_every_page_part_and_view_is_in_the_glossary() -> None:
    shown_there, known = named_parts(), terms()
    assert {"system status", "last run", "history", "verify", "settings"} <= shown_there
    assert not shown_there - known - {term + "s" for term in known} - EVERYDAY


def test_a_word_stands_in_the_glossary_once() -> None:
    rows = re.findall(r"(?m)^\| ([^|]+?) \|", (PROJECT_ROOT / "docs" / "glossary.md").read_text(encoding="utf-8"))
    words = [word for word in rows if word not in ("Word", "---")]
    assert len(words) == len(set(words))
