"""What is written for people is shown, and never taken apart to find out what is the matter."""

import ast
from collections.abc import Iterator

from src.config import PROJECT_ROOT

TEXTS = {"advice", "message", "note", "reason", "subject", "text", "title", "warning"}
CUTS = {"endswith", "partition", "removeprefix", "removesuffix", "rpartition", "split", "startswith"}
PATTERNS = {"findall", "fullmatch", "match", "search"}
# libpq, asked to, writes the SQLSTATE below its text; psycopg2 has no other way to it where no session came about.
NO_PROSE = {"src/postgres/connect_errors.py"}


def _is_prose(node: ast.expr) -> bool:
    """`one.message`, or `str(error)`."""
    if isinstance(node, ast.Attribute):
        return node.attr in TEXTS
    named = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "str"
    return named and any(isinstance(one, ast.Name) and one.id.endswith("error") for one in node.args)


def _faults(tree: ast.AST) -> Iterator[int]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            cut = node.func.attr in CUTS and node.args and _is_prose(node.func.value)
            if cut or (node.func.attr in PATTERNS and any(map(_is_prose, node.args))):
                yield node.lineno
        elif isinstance(node, ast.Compare):
            asked = any(isinstance(one, (ast.In, ast.NotIn, ast.Eq, ast.NotEq)) for one in node.ops)
            sides = (node.left, *node.comparators)
            literal = any(isinstance(one, ast.Constant) and isinstance(one.value, str) and one.value for one in sides)
            if asked and literal and any(map(_is_prose, sides)):
                yield node.lineno


def test_what_reads_prose_is_found() -> None:
    tree = ast.parse(
        'e.message.removeprefix("x")\n"x" in str(error)\nre.match("x", a.title)\nPLAIN.search(str(error))\n'
        'a.message == "x"\n" ".join(str(error).split())\na.name.removeprefix("x")\na.message == b.message\n'
    )
    assert sorted(_faults(tree)) == [1, 2, 3, 4, 5]


def test_no_prose_is_read_as_data() -> None:
    faults = [
        f"{path.relative_to(PROJECT_ROOT)}:{line}"
        for path in sorted((PROJECT_ROOT / "src").rglob("*.py"))
        if path.relative_to(PROJECT_ROOT).as_posix() not in NO_PROSE
        for line in _faults(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert faults == []
