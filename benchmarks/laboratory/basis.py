"""What a result rests on: the definitions that an effect reaches, and the values planted."""

from __future__ import annotations

import ast
import hashlib
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from functools import cache, partial
from itertools import compress
from pathlib import Path
from types import FunctionType
from typing import Any

import numpy as np

from heuristic_core.analysis.question import Question
from heuristic_core.analysis.questions import QUESTIONS

from .draws import coverage, draw, shares
from .planted import Planted

#: What a module says of a question, beside what answers it.
_PRESENTED = {"QUESTION", "QUESTIONS", "TABLES", "Question", "Figure", "_plan"}
#: Code of other folders, such as the format of tables, is taken as given.
_ANALYSIS = Path(inspect.getfile(Question)).parent
_FOLDERS = {_ANALYSIS, Path(inspect.getfile(draw)).parent}
#: What an open verdict says of more data decides nothing.
_OUTLOOK = "power.py"
#: A definition of a file; all of them without a name.
_Definition = tuple[Path, str | None]


def basis(planted: Planted) -> str:
    """Return a hash of what the result of a planted effect rests on.

    That is all that is planted, and the code that draws it, counts its decisions and answers its
    questions: the definitions that this code reaches in the laboratory and in the analyses. Words
    do not count: docstrings, comments, how a question is presented, and what an open verdict says
    of more data.

    Args:
        planted: The effect.
    """
    answers = {question.key: question.answer for question in QUESTIONS}
    roots: set[_Definition] = set()
    digest = hashlib.sha256()
    for value in _values(planted, roots):
        digest.update(value.encode() + b"\0")
    roots |= {_home(function) for function in (draw, shares, coverage)}
    roots |= {_home(answers[key]) for key in planted.questions}
    # Sorted, so that it does not matter which file defines what.
    for code in sorted(_code(frozenset(roots))):
        digest.update(code.encode() + b"\0")
    return digest.hexdigest()[:16]


def _home(of: Callable) -> _Definition:
    return Path(inspect.getfile(of)), of.__qualname__.split(".")[0]


def _values(value: Any, roots: set[_Definition]) -> Iterator[str]:
    """Give the values that one is made of, and note the classes and functions on the way."""
    yield type(value).__name__
    if isinstance(value, FunctionType):
        roots.add(_home(value))
        yield value.__qualname__
        for cell in value.__closure__ or ():
            yield from _values(cell.cell_contents, roots)
    elif isinstance(value, partial):
        for part in (value.func, value.args, value.keywords):
            yield from _values(part, roots)
    elif is_dataclass(value) and not isinstance(value, type):
        roots.add(_home(type(value)))
        for field in fields(value):
            yield field.name
            yield from _values(getattr(value, field.name), roots)
    elif isinstance(value, np.ndarray):
        yield f"{value.dtype} {value.shape} {value.tolist()}"
    elif isinstance(value, Mapping):
        for key, part in value.items():
            yield from _values(key, roots)
            yield from _values(part, roots)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _values(part, roots)
    elif isinstance(value, set | frozenset):
        yield repr(sorted(value))
    elif value is None or isinstance(value, str | int | float | np.generic):
        yield repr(value)
    else:
        raise TypeError(f"a planted effect holds a {type(value).__name__}, which has no hash yet")


@cache
def _code(roots: frozenset[_Definition]) -> list[str]:
    """Return the code of all definitions that some reach."""
    left, reached, code = set(roots), set(), []
    while left:
        file, name = left.pop()
        if (file, name) in reached or file.parent not in _FOLDERS or file.name == _OUTLOOK:
            continue
        reached.add((file, name))
        module = _Module.of(file)
        if name is None:
            left |= {(file, each) for each in module.defined}
        elif name in module.imported:
            left.add(module.imported[name])
        for text, used in module.defined.get(name or "", ()):
            code.append(text)
            left |= {(file, each) for each in used if each in module}
    return code


@dataclass(frozen=True)
class _Module:
    """A module's code.

    Args:
        defined: By name its definitions: their code, and the names that each uses.
        imported: What names of its folder's other modules stand for.
    """

    defined: Mapping[str, list[tuple[str, set[str]]]]
    imported: Mapping[str, _Definition]

    def __contains__(self, name: str) -> bool:
        return name in self.defined or name in self.imported

    @classmethod
    @cache
    def of(cls, file: Path) -> _Module:
        """Read a file; many effects rest on it."""
        tree = _without_words(ast.parse(file.read_text(encoding="utf-8")))
        defined: dict[str, list[tuple[str, set[str]]]] = {}
        for node in tree.body:
            used = {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}
            for name in {*_names(node)} - _PRESENTED:
                defined.setdefault(name, []).append((ast.dump(node), used))
        imports = (node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom))
        return cls(defined, {name: of for node in imports for name, of in _imported(node, file)})


def _imported(node: ast.ImportFrom, file: Path) -> Iterator[tuple[str, _Definition]]:
    """Give the names that an import brings to a file, if their code counts."""
    module = node.module or ""
    if node.level == 1:
        folder = file.parent
    elif module.startswith("heuristic_core.analysis."):
        folder = _ANALYSIS
    else:
        return
    for alias in node.names:
        name = alias.asname or alias.name
        if module:
            yield name, (folder / f"{module.rpartition('.')[2]}.py", alias.name)
        else:
            yield name, (folder / f"{alias.name}.py", None)


def _without_words(tree: ast.Module) -> ast.Module:
    """Drop all docstrings of a module, and what open verdicts say of more data."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            node.keywords = [keyword for keyword in node.keywords if keyword.arg != "power"]
        if isinstance(node, ast.arguments):
            kept = [arg.arg != "power" for arg in node.kwonlyargs]
            node.kwonlyargs = [*compress(node.kwonlyargs, kept)]
            node.kw_defaults = [*compress(node.kw_defaults, kept)]
        documented = ast.Module | ast.ClassDef | ast.FunctionDef
        if isinstance(node, documented) and ast.get_docstring(node) is not None:
            node.body = node.body[1:] or [ast.Pass()]
    return tree


def _names(node: ast.stmt) -> Iterator[str]:
    """Give the names that a statement of a module defines."""
    if isinstance(node, ast.ClassDef | ast.FunctionDef):
        yield node.name
    elif isinstance(node, ast.Assign | ast.AnnAssign):
        targets: Iterable[ast.expr] = (
            [node.target] if isinstance(node, ast.AnnAssign) else node.targets
        )
        yield from (x.id for target in targets for x in ast.walk(target) if isinstance(x, ast.Name))
