"""One name, one class: no public class of src has the name of another. Folders stay small enough to read through."""

import ast
from collections import Counter, defaultdict
from pathlib import Path

SRC = Path(__file__).parents[2] / "src"
MOST_MODULES = 15


def test_no_class_name_stands_in_two_modules() -> None:
    modules: dict[str, list[str]] = defaultdict(list)
    for path in sorted(SRC.rglob("*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                modules[node.name].append(str(path.relative_to(SRC)))
    assert modules
    assert {name: where for name, where in modules.items() if len(where) > 1} == {}


def test_no_folder_has_more_modules_than_one_can_read_through() -> None:
    modules = Counter(path.parent for path in SRC.rglob("*.py") if path.name != "__init__.py")
    assert {str(folder.relative_to(SRC)): count for folder, count in modules.items() if count > MOST_MODULES} == {}
