"""The documentation as a site: built in strict mode, without a request to another host."""

from __future__ import annotations

import logging
import re
import shutil
from collections import Counter
from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from mkdocs.commands.build import build
from mkdocs.config import load_config
from mkdocs.exceptions import Abort

import heuristic_core
from heuristic_core.cli import COMMANDS
from real_data import REPOSITORY

#: What makes a browser ask for a file of another host when it shows the page.
_ELSEWHERE = re.compile(
    r"<(?:script|link|img|iframe|source)\b[^>]*?(?:src|href)=[\"']?(?:https?:)?//"
)


@pytest.fixture(autouse=True)
def quiet(monkeypatch):
    """Without what the theme prints of its successor."""
    monkeypatch.setenv("NO_MKDOCS_2_WARNING", "1")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The built site: a warning ends the build."""
    folder = tmp_path_factory.mktemp("site")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NO_MKDOCS_2_WARNING", "1")
        build(load_config(str(REPOSITORY / "mkdocs.yml"), site_dir=str(folder)))
    return folder


def test_every_page_is_there_and_asks_no_other_host(site):
    for page in (REPOSITORY / "docs").rglob("*.md"):
        assert (site / page.relative_to(REPOSITORY / "docs").with_suffix(".html")).is_file()
    for page in site.rglob("*.html"):
        assert not _ELSEWHERE.search(page.read_text(encoding="utf-8")), page
    for style in site.rglob("*.css"):
        assert "url(http" not in style.read_text(encoding="utf-8").replace('"', ""), style


def test_pages_read_alike_in_the_repository_and_in_the_site(site):
    """What a reader of plain Markdown sees as a list, a table or code is one in the site too."""
    plain = MarkdownIt("commonmark").enable("table")
    for page in (REPOSITORY / "docs").rglob("*.md"):
        text = page.read_text(encoding="utf-8")
        if "\n::: " in text:
            continue  # the site writes it from docstrings
        there = site / page.relative_to(REPOSITORY / "docs").with_suffix(".html")
        assert parts(plain.render(text)) == parts(article(there)), page.name


def test_the_reference_has_every_public_name_and_every_command(site):
    python = (site / "reference/python.html").read_text(encoding="utf-8")
    for name in heuristic_core.__all__:
        described = re.search(rf'id="heuristic_core\.{name}".*?</h3>(.*?)<h[23]', python, re.DOTALL)
        assert described, name
        assert "<p>" in described[1], name
    commands = (site / "reference/commands.html").read_text(encoding="utf-8")
    assert [name for name in COMMANDS if f'id="hcore-{name}"' not in commands] == []


def test_no_role_of_another_markup_is_left(site):
    assert not re.search(r":(?:class|func|meth|mod|attr):", article(site / "reference/python.html"))


def test_nothing_but_pages_and_figures_is_copied(site):
    kept = {path.suffix for path in site.rglob("*") if path.is_file()}
    assert not kept & {".in", ".parquet", ".py"}


def article(page: Path) -> str:
    return page.read_text(encoding="utf-8").partition("<article")[2].partition("</article>")[0]


def parts(html: str) -> Counter[str]:
    return Counter(re.findall(r"<(li|table|tr|pre|h[1-6]|blockquote|strong|em|code)\b", html))


@pytest.fixture
def small(tmp_path):
    """A repository of a few files, with the settings of this one."""
    text = (REPOSITORY / "mkdocs.yml").read_text(encoding="utf-8")
    head, _ = text.split("\nnav:\n")
    (tmp_path / "mkdocs.yml").write_text(f"{head}\nnav:\n  - index.md\n  - a/b.md\n")
    (tmp_path / "docs/a").mkdir(parents=True)
    shutil.copy(REPOSITORY / "docs/hooks.py", tmp_path / "docs")
    (tmp_path / "docs/index.md").write_text("# One\n\n## A part\n")
    (tmp_path / "docs/a/b.md").write_text("# Two\n")
    (tmp_path / "more/programs").mkdir(parents=True)
    (tmp_path / "more/programs/run.py").write_text('print("[not](a-link.md)")\n')
    (tmp_path / "more/notes.md").write_text(
        "# Notes\n\n[One](../docs/index.md#a-part), ![drawn](drawn.svg), [two](../docs/a/b.md)\n"
    )
    (tmp_path / "more/drawn.svg").write_text("<svg/>")
    return tmp_path


def built(folder: Path) -> Path:
    build(load_config(str(folder / "mkdocs.yml"), site_dir=str(folder / "out")))
    return folder / "out"


def links(page: Path) -> set[Path]:
    """Give the files to which links of a page's text lead."""
    found = re.findall(r'(?:href|src)="([^"#]+)', article(page))
    return {(page.parent / target).resolve() for target in found}


def test_links_to_files_outside_lead_to_copies(small):
    (small / "docs/a/b.md").write_text(
        "# Two\n\n[Notes](../../more/notes.md#notes), [programs](../../more/programs), and "
        "[a program](../../more/programs/run.py)\n\n```\n[no link](../../nowhere.md)\n```\n"
    )
    out = built(small)
    copies = out / "repository/more"
    notes, listed, program = (
        copies / name for name in ("notes.html", "programs/index.html", "programs/run.py.html")
    )
    assert links(out / "a/b.html") == {notes, listed, program}
    assert links(notes) == {out / "index.html", out / "a/b.html", copies / "drawn.svg"}
    assert (copies / "drawn.svg").read_text() == "<svg/>"
    assert links(listed) == {program}
    assert "a-link.md" in program.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("page", "text"),
    [
        ("docs/a/b.md", "# Two\n\n[Nothing](../c.md)\n"),
        ("docs/a/b.md", "# Two\n\n[Nothing](../../more/none.md)\n"),
        ("docs/a/b.md", "# Two\n\n[One](../index.md#no-part)\n"),
        ("docs/a/b.md", "# Two\n\n[A folder](../../docs/a)\n"),
        ("docs/a/c.md", "# A page that the navigation lacks\n"),
    ],
)
def test_what_leads_nowhere_ends_the_build(small, page, text, caplog):
    built(small)
    (small / page).write_text(text)
    with caplog.at_level(logging.WARNING, "mkdocs"), pytest.raises(Abort, match="1 warning"):
        built(small)
    assert Path(page).name in caplog.text
