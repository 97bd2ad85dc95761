"""SQL stands in files: every name that is used is there, and every statement that is there is used."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from src.config import PROJECT_ROOT
from tests.support.named_statements import SOURCES, named_statements

KEYWORDS = r"SELECT|INSERT INTO|UPDATE|DELETE FROM|WITH|CREATE|ALTER|DROP|TRUNCATE|GRANT|REVOKE|COMMENT ON|MERGE INTO"
STATEMENT = re.compile(rf"\s*({KEYWORDS})\s+[\w(*%{{'\"]", re.ASCII)
NAME = re.compile(r"[a-z_]+(\.[a-z_0-9]+){2,}")


def trees() -> Iterator[tuple[Path, ast.Module]]:
    for path in sorted(SOURCES.rglob("*.py")):
        yield path.relative_to(PROJECT_ROOT), ast.parse(path.read_text(encoding="utf-8"))


def texts(tree: ast.Module) -> Iterator[ast.Constant]:
    """Strings, but for docstrings, and for the parts of sentences with values in them."""
    others: set[ast.expr] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr):
            others.add(node.value)
        elif isinstance(node, ast.JoinedStr):
            others.update(node.values)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in others:
            yield node


def executed(tree: ast.Module) -> Iterator[ast.expr]:
    """What is given to a cursor, to sql.SQL, or to a method that does the same."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
            yield from node.args[:1] if node.func.attr in ("execute", "SQL", "rows", "row", "value") else ()


def test_every_name_that_is_used_is_there_and_every_statement_is_used() -> None:
    strings = {node.value for _, tree in trees() for node in texts(tree)}
    there = set(named_statements())
    files = {name.rpartition(".")[0] for name in there}
    assert {text for text in strings if NAME.fullmatch(text) and text.rpartition(".")[0] in files} == there
    asked = {
        node.args[0].value
        for _, tree in trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "query"
        and isinstance(node.args[0], ast.Constant)
    }
    assert asked <= there


def test_statements_of_several_lines_stand_in_files() -> None:
    found = [
        f"{path}:{node.lineno}"
        for path, tree in trees()
        for node in texts(tree)
        if STATEMENT.match(node.value) and (node.end_lineno or node.lineno) > node.lineno
    ]
    assert found == []


def test_no_statement_is_put_together_from_text() -> None:
    """Values are parameters, and names are identifiers of psycopg2.sql."""
    found = [
        f"{path}:{argument.lineno}"
        for path, tree in trees()
        for argument in executed(tree)
        if isinstance(argument, ast.JoinedStr)
        or (
            isinstance(argument, ast.BinOp)
            and any(isinstance(side, ast.Constant | ast.JoinedStr) for side in (argument.left, argument.right))
        )
    ]
    assert found == []


def test_files_of_sql_are_read_by_the_loader_alone() -> None:
    """Nobody else names a folder sql/. Steps and fresh schemas are in migrations/, for whoever runs them by hand."""
    found = [
        f"{path}:{node.lineno}"
        for path, tree in trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.BinOp) and isinstance(node.right, ast.Constant) and node.right.value == "sql"
    ]
    assert found == []
