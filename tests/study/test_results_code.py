"""Finished runs are concluded again when the code behind their conclusions changes."""

from __future__ import annotations

import ast
from pathlib import Path

import heuristic_core
from heuristic_core.study.conclusions import _CODE

ROOT = Path(heuristic_core.__file__).parent
#: What conclusions use and what changes none of them: messages, how files are read, and short names
#: of claims.
NO_CONCLUSIONS = {"claims.py", "errors.py", "storage.py"}


def imported(path: Path) -> set[str]:
    """The modules of the package's root that a module of one of its folders imports."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = path.parents[node.level - 1]
            parts = (node.module or "").split(".")
            if base == ROOT and node.module:
                names.add(f"{parts[0]}.py" if (ROOT / f"{parts[0]}.py").is_file() else parts[0])
    return names


def test_all_that_conclusions_follow_from_is_part_of_the_code_s_version():
    used = {
        name
        for folder in ("analysis", "report")
        for path in (ROOT / folder).rglob("*.py")
        for name in imported(path)
    }
    assert {"columns.py", "units.py", "writing.py"} <= used
    assert used - NO_CONCLUSIONS <= set(_CODE)
