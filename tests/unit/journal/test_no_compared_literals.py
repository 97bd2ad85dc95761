"""States and kinds are compared as members of their enumerations, never as literals."""

import ast
from collections.abc import Iterator
from pathlib import Path

from src.auth.sessions import LoginKind
from src.backup.api import RestoreWay
from src.cli.parser import RollbackTarget
from src.config import PROJECT_ROOT
from src.domain.analytics.attribution import LineageSide
from src.domain.analytics.comparison import HeldBy
from src.domain.analytics.trading import TradeSide
from src.health.model import State
from src.journal.model import AuditOutcome, ClientState, EventKind, Keep, OutcomeState, Phase, RunState, StepState
from src.migration.model import StepMode
from src.sample.load import FreshSchema
from src.schema.catalog import ItemKind
from src.schema.versions import SchemaVersion
from src.ui.widgets.markup import StagePlace, StepMark

VALUES = {
    member.value
    for enumeration in (
        AuditOutcome,
        FreshSchema,
        HeldBy,
        ItemKind,
        LineageSide,
        LoginKind,
        SchemaVersion,
        StagePlace,
        State,
        StepMark,
        TradeSide,
        RestoreWay,
        ClientState,
        EventKind,
        Keep,
        OutcomeState,
        Phase,
        RunState,
        StepMode,
        StepState,
        RollbackTarget,
    )
    for member in enumeration
}
# Words of another set that happen to be spelt the same.
OTHERS = {
    ("src/auth/pages.py", "default"),  # the name of the only OpenID Connect provider
    ("src/cli/detached.py", "outcome"),  # the type of a JSON record
    ("src/migration/steps.py", "step"),  # the heading of a step in a file of migrations/
}


def _literals(node: ast.expr) -> Iterator[str]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, (ast.Tuple, ast.List, ast.Set)):
        for element in node.elts:
            yield from _literals(element)


def _compared(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Literals that are compared: `x == "a"`, `x in ("a", "b")`, `case "a"`. `"a" in x` asks for a key."""
    for node in ast.walk(tree):
        if isinstance(node, ast.MatchValue):
            yield from ((node.lineno, text) for text in _literals(node.value))
        if not isinstance(node, ast.Compare):
            continue
        left = node.left
        for operator, right in zip(node.ops, node.comparators, strict=True):
            sides = [right]
            if isinstance(operator, (ast.Eq, ast.NotEq)):
                sides.append(left)
            yield from ((node.lineno, text) for side in sides for text in _literals(side))
            left = right


def _faults(path: Path) -> list[str]:
    name = path.relative_to(PROJECT_ROOT).as_posix()
    found = _compared(ast.parse(path.read_text(encoding="utf-8")))
    return [
        f"{name}:{line}: {text!r}" for line, text in found if text in VALUES and (name, text) not in OTHERS
    ]  # fmt: skip


def test_a_literal_that_is_compared_is_found() -> None:
    tree = ast.parse('a == "done"\n"done" != a\na in ("x", "failed")\n"run" in a\nmatch a:\n    case "pause": pass\n')
    assert sorted(_compared(tree)) == [(1, "done"), (2, "done"), (3, "failed"), (3, "x"), (6, "pause")]


def test_no_state_or_kind_is_compared_as_a_literal() -> None:
    faults = [fault for path in sorted((PROJECT_ROOT / "src").rglob("*.py")) for fault in _faults(path)]
    assert faults == []
