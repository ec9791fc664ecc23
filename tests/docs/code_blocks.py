"""The blocks of code in the pages, and what is done with each.

A page is run from top to bottom in one folder. ``python`` is run, in ``sh`` each ``hcore`` or
``python`` command; ``toml``, and ``python`` that is to be saved, is written to the file that the
sentence before it names, or, without a name, checked as a part of a study. ``text`` is output.
Comments before a block change this::

    <!-- not run: REASON -->  nothing is done with it
    <!-- output -->           the last command must have printed it, whatever the width
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import runpy
import shlex
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import stand_ins

from command import hcore
from heuristic_core.study.config import load_study
from heuristic_core.tasks.task_file import read_task_file
from real_data import REPOSITORY

PAGES = [
    REPOSITORY / "README.md",
    REPOSITORY / "CONTRIBUTING.md",
    *sorted((REPOSITORY / "docs").rglob("*.md")),
]
COMMANDS, OUTPUT = {"sh", "bash", "console"}, {"", "text"}
#: Commands that are no business of a test, and why.
NOT_RUN = {
    "make": "sets up an environment",
    "pip": "installs packages",
    "ray": "needs a cluster",
    "sbatch": "needs a cluster",
}

_BLOCK = re.compile(r"^(```+)([^\n`]*)\n(.*?)^\1[ ]*$", re.DOTALL | re.MULTILINE)
_COMMENT = re.compile(r"<!--\s*(not run: \S.*?|output)\s*-->\s*\Z", re.DOTALL)
#: The end of a sentence before a block that names the block's file.
_NAMED = re.compile(r"`([\w./-]+\.(?:py|toml))`(?:(?!\n\n)[^`])*:\s*\Z")
_LOOKS_RUN = re.compile(r"(?:\$ ?)?(?:hcore|python|pip|make) \S|(?:import|from) \w")


@dataclass(frozen=True)
class Block:
    """A block of code.

    Args:
        page: The page's name, from the repository.
        line: Where it begins.
        language: What stands behind its fence.
        text: What it holds.
        comment: ``not run: REASON``, ``output``, or nothing.
        file: The file that it is to be saved as, if it is.
    """

    page: str
    line: int
    language: str
    text: str
    comment: str
    file: str

    @property
    def where(self) -> str:
        """The page and the line, for messages."""
        return f"{self.page}:{self.line}"

    @property
    def treatment(self) -> str:
        """What is done with it; ``unknown`` is an error of the page."""
        if self.comment:
            return self.comment.partition(":")[0]
        if self.language in COMMANDS | {"python", "toml"}:
            return "saved" if self.file else "checked" if self.language == "toml" else "run"
        if self.language in OUTPUT and not _LOOKS_RUN.match(self.text):
            return "shown"
        return "unknown"


def blocks_of(page: Path) -> list[Block]:
    """Read a page's blocks, in order."""
    text = page.read_text(encoding="utf-8")
    found = []
    for match in _BLOCK.finditer(text):
        before = text[: match.start()]
        comment = _COMMENT.search(before)
        said = before[: comment.start()] if comment else before
        named = _NAMED.search(said)
        found.append(
            Block(
                page=os.path.relpath(page, REPOSITORY),
                line=before.count("\n") + 1,
                language=match[2].strip(),
                text=match[3],
                comment=comment[1] if comment else "",
                file=named[1] if named else "",
            )
        )
    assert 2 * len(found) == len(re.findall(r"^[ >]*```", text, re.MULTILINE)), page
    return found


class Reader:
    """Someone who does what a page says.

    Args:
        folder: The folder they work in.
        stage: What stands in for what a reader has; nothing does if not given.
    """

    def __init__(self, folder: Path, stage: Path | None = None) -> None:
        self.folder = folder
        self.stage = stage
        self.names: dict[str, object] = {"__name__": "__main__"}
        self.printed = ""

    def follow(self, page: Path) -> None:
        """Do what a page's blocks say, from top to bottom."""
        blocks = blocks_of(page)
        if self.stage:
            stand_ins.furnish(self.folder, self.stage, "".join(block.text for block in blocks))
        for block in blocks:
            try:
                self._take(block)
            except BaseException as error:
                error.add_note(f"in the block of {block.where}")
                raise

    def _take(self, block: Block) -> None:
        what = block.treatment
        assert what != "unknown", f"name the language of {block.where}, or say why it is not run"
        if what == "output":
            assert _words(block.text) in _words(self.printed)
        elif what == "saved":
            text = self._with_stand_ins(block)
            (self.folder / block.file).write_text(text, encoding="utf-8")
        elif what == "checked":
            check_part(self._with_stand_ins(block), self.folder)
        elif what == "run" and block.language == "python":
            self._python(block)
        elif what == "run":
            for line in self._with_stand_ins(block).replace("\\\n", " ").splitlines():
                self._command(shlex.split(line.removeprefix("$ "), comments=True))

    def _with_stand_ins(self, block: Block) -> str:
        if not self.stage:
            return block.text
        return stand_ins.put_in(block.text, block.page, self.stage, block.language in COMMANDS)

    def _python(self, block: Block) -> None:
        # Blank lines before it, so that errors name the page's line.
        code = compile("\n" * block.line + self._with_stand_ins(block), block.page, "exec")
        with self._inside():
            exec(code, self.names)

    @contextlib.contextmanager
    def _inside(self) -> Iterator[None]:
        """Be in the folder, and keep what is printed."""
        with (
            contextlib.chdir(self.folder),
            contextlib.redirect_stdout(io.StringIO()) as printed,
        ):
            yield
        self.printed = printed.getvalue()

    def _command(self, words: list[str]) -> None:
        if not words or words[0] in NOT_RUN or words[:2] == ["hcore", "--install-completion"]:
            return
        if words[0] == "hcore":
            more = stand_ins.added(words[1:], self.folder, self.stage) if self.stage else []
            self.printed = hcore(*words[1:], *more, cwd=self.folder).stdout
        else:
            assert words[0] == "python", f"whether `{words[0]}` is run is not said"
            with self._inside(), mock.patch.object(sys, "argv", words[1:]):
                runpy.run_path(words[1], run_name="__main__")


def _words(text: str) -> str:
    """Leave out how wide the terminal was: spaces, line breaks and the length of rules."""
    return re.sub("─+", "─", " ".join(text.split()))


def check_part(text: str, folder: Path) -> None:
    """Check that some lines could stand in a study file or, if they name suites, in a task file."""
    path = folder / "part.toml"
    if "suites" in tomllib.loads(text):
        path.write_text(text, encoding="utf-8")
        read_task_file(path, path.name)
    else:
        named = text if "name" in tomllib.loads(text) else f'name = "part"\n{text}'
        path.write_text(named, encoding="utf-8")
        load_study(path)
