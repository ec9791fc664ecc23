"""Take into the site what its pages link to elsewhere in the repository.

A page in ``docs/`` links to a file outside of it by a relative path, which works where the
repository is read. The site gets a copy of such a file below ``repository/``, and the link leads
there. Markdown stays a page, a program or a study file becomes one, a folder is a list of its
files, and anything else is copied.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from mkdocs.structure.files import File, Files

#: Where the copies are in the site.
COPIES = "repository"
#: What is shown as a page, and as what it is highlighted.
SHOWN = {".py": "python", ".sbatch": "bash", ".sh": "bash", ".toml": "toml"}
#: The target of a link or an image, and the anchor in it.
_LINK = re.compile(r"(?<=\]\()(?![a-z]+:|#|/)([^)#\s]+)(#[^)\s]*)?(?=\))")
_FENCE = re.compile(r"^(?P<fence>```+).*?^(?P=fence)$", re.DOTALL | re.MULTILINE)


def on_files(files: Files, config: Any) -> Files:
    """Add the files that pages link to, and those that the added ones link to."""
    root = Path(config.config_file_path).parent
    docs = Path(config.docs_dir).relative_to(root).as_posix()
    todo = [file for file in files.documentation_pages() if file.inclusion.is_included()]
    while todo:
        page = todo.pop()
        here = _in_repository(page, docs)
        for target in _targets(page.content_string, here):
            path = root / target
            if target.startswith(f"{docs}/") or not path.exists():
                continue
            for copy in _copies(path, target, config):
                if copy.src_uri not in files.src_uris:
                    files.append(copy)
                    if copy.is_documentation_page():
                        todo.append(copy)
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Lead links to files outside of ``docs/`` to their copies."""
    root = Path(config.config_file_path).parent
    docs = Path(config.docs_dir).relative_to(root).as_posix()
    here = _in_repository(page.file, docs)
    folder = PurePosixPath(page.file.src_uri).parent

    def led(match: re.Match[str]) -> str:
        target, anchor = _resolve(match[1], here), match[2] or ""
        if target.startswith(f"{docs}/"):
            to = target.removeprefix(f"{docs}/")
        elif (root / target).exists():
            to = _name(root / target, target)
        else:
            return match[0]
        return os.path.relpath(to, folder) + anchor

    return _outside_code(markdown, lambda text: _LINK.sub(led, text))


def _in_repository(file: File, docs: str) -> str:
    """Say where a page of the site is in the repository."""
    if file.src_uri.startswith(f"{COPIES}/"):
        return file.src_uri.removeprefix(f"{COPIES}/")
    return f"{docs}/{file.src_uri}"


def _resolve(link: str, page: str) -> str:
    return os.path.normpath(PurePosixPath(page).parent / link)


def _targets(markdown: str, page: str) -> Iterator[str]:
    for match in _LINK.finditer(_FENCE.sub("", markdown)):
        yield _resolve(match[1], page)


def _name(path: Path, target: str) -> str:
    """Name the copy of a file, or the page that shows it."""
    if path.is_dir():
        return f"{COPIES}/{target}/index.md"
    return f"{COPIES}/{target}{'.md' if path.suffix in SHOWN else ''}"


def _copies(path: Path, target: str, config: Any) -> Iterator[File]:
    name = _name(path, target)
    if path.is_dir():
        inside = sorted(file for file in path.iterdir() if file.is_file())
        rows = [f"- [`{file.name}`]({file.name})" for file in inside]
        yield File.generated(config, name, content="\n".join([f"# {target}", "", *rows, ""]))
    elif path.suffix in SHOWN:
        text = path.read_text(encoding="utf-8").rstrip()
        code = f"`````{SHOWN[path.suffix]}\n{text}\n`````"
        yield File.generated(config, name, content=f"# {target}\n\n{code}\n")
    else:
        yield File.generated(config, name, abs_src_path=str(path))


def _outside_code(markdown: str, change: Callable[[str], str]) -> str:
    """Change a page's text, but nothing within its blocks of code."""
    parts, end = [], 0
    for block in _FENCE.finditer(markdown):
        parts += [change(markdown[end : block.start()]), block[0]]
        end = block.end()
    return "".join([*parts, change(markdown[end:])])
