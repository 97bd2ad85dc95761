"""Below the faces no text says what to type or where to click: each face says it in its own words."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from src.cli.findings import next_words
from src.config import PROJECT_ROOT
from src.errors import Action, NextStep
from src.journal.model import Phase
from src.ui.widgets import next_steps as clicked

# What a person reads and types into directly.
FACES = ("src/ui/", "src/cli/", "src/accounts.py", "src/auth/pages.py")
# A text that begins with an option is an argument for a program.
NAMES_A_FACE = re.compile(r"run_migration\.py|System Status|[\s`'\"(]--[a-z]")
BUTTON = re.compile(r"System Status|\b(button|[Cc]lick|[Tt]ick|this page)\b")
NO_TEXTS = {
    ("src/embedded/binaries.py", 'test -r "$1" && "$2" --version'),  # a command for the shell
    ("src/embedded/stop.py", "run_migration.py"),  # the name of a process that is searched
}


def _texts(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Every string but docstrings."""
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, documented) and node.body and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node.lineno, node.value


def _found(path: Path, wanted: re.Pattern[str]) -> Iterator[str]:
    name, text = path.relative_to(PROJECT_ROOT).as_posix(), path.read_text(encoding="utf-8")
    texts = _texts(ast.parse(text)) if path.suffix == ".py" else enumerate(text.splitlines(), 1)
    for line, said in texts:
        if wanted.search(said) and (name, said) not in NO_TEXTS:
            yield f"{name}:{line}: {said!r}"


def test_a_text_that_names_a_command_is_found() -> None:
    tree = ast.parse(
        '"""run_migration.py"""\nraise E(f"{a} Or resume with --force.", "--force")\n"see System Status"\n'
    )
    assert sorted(line for line, said in _texts(tree) if NAMES_A_FACE.search(said)) == [2, 3]


def test_no_text_below_the_faces_names_a_command_or_a_page() -> None:
    files = [path for ending in ("py", "sql") for path in sorted((PROJECT_ROOT / "src").rglob(f"*.{ending}"))]
    below = [path for path in files if not path.relative_to(PROJECT_ROOT).as_posix().startswith(FACES)]
    assert [fault for path in below for fault in _found(path, NAMES_A_FACE)] == []


def test_the_command_line_never_speaks_of_the_page() -> None:
    assert [fault for path in sorted((PROJECT_ROOT / "src/cli").rglob("*.py")) for fault in _found(path, BUTTON)] == []


STEPS = [NextStep(action, Phase.PHASE2) for action in Action]


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.action)
def test_each_face_has_words_for_every_next_step(step: NextStep) -> None:
    on_the_command_line = next_words(step)
    assert on_the_command_line
    assert not BUTTON.search(on_the_command_line)
    here, elsewhere = clicked.words(step), clicked.words(step, elsewhere=True)
    assert here and elsewhere
    if step.action is not Action.INIT:  # the one thing that the page has no control for
        assert not NAMES_A_FACE.search(here)
        assert "run_migration" not in elsewhere


def test_what_is_said_within_the_command_itself_is_left_out() -> None:
    assert next_words(NextStep(Action.CHECK), within="check") == ""
    assert "run_migration.py check" in next_words(NextStep(Action.CHECK), within="phase1")


def test_what_undoes_a_run_is_named() -> None:
    step = NextStep(Action.RESUME_OR_UNDO, Phase.PHASE2)
    assert "run_migration.py resume" in next_words(step)
    assert "run_migration.py rollback --to v2" in next_words(step)
    assert "Resume" in clicked.words(step)
