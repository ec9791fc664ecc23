"""The pages that the program's own declarations make are those of today."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

import heuristic_core
from heuristic_core.analysis.across.questions import ACROSS
from heuristic_core.analysis.questions import QUESTIONS

DOCS = Path(__file__).parents[2] / "docs"
_spec = importlib.util.spec_from_file_location("generate", DOCS / "generate.py")
generate = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(generate)


@pytest.mark.parametrize("name", generate.PAGES)
def test_generated_pages_are_current(name):
    assert (DOCS / name).read_text(encoding="utf-8") == generate.PAGES[name](), (
        "run python docs/generate.py"
    )


def test_every_question_has_its_page():
    for question in (*QUESTIONS, *ACROSS):
        page = (DOCS / "questions" / f"{question.page}.md").read_text(encoding="utf-8")
        for table in question.tables:
            assert f"`{table.name}`" in page or f"`{question.key}`" in page


def test_links_of_the_front_pages_lead_somewhere():
    """Those of other pages are checked where the site is built."""
    for page in (DOCS.parent / "README.md", DOCS.parent / "CONTRIBUTING.md"):
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_examples_in_python_use_every_public_name():
    page = (DOCS / "how-to/python.md").read_text(encoding="utf-8")
    for name in heuristic_core.__all__:
        # A public class may be named only, as what a call returns.
        assert f"hc.{name}" in page or name in ("Classifier", "LoadedRun", "Suite", "Task"), name


def test_pages_and_the_module_name_what_is_there_and_all_of_it():
    for page in (*DOCS.rglob("*.md"), DOCS.parent / "README.md"):
        named = re.findall(r"\bhc\.([A-Za-z_]+)", page.read_text(encoding="utf-8"))
        assert set(named) <= set(heuristic_core.__all__), page.name
    about = heuristic_core.__doc__
    assert [name for name in heuristic_core.__all__ if f"``{name}``" not in about] == []
    assert {*re.findall(r"``(\w+)``", about)} - {"with"} == set(heuristic_core.__all__)


def test_the_example_of_a_question_is_the_file():
    text = (DOCS / "how-to/add-a-question.md").read_text(encoding="utf-8")
    file = DOCS.parent / "src" / "heuristic_core" / "analysis" / "faithfulness.py"
    added = "".join(
        f"+{line}" for line in file.read_text(encoding="utf-8").splitlines(keepends=True)
    )
    assert added in text
    page = (DOCS / "questions" / "faithfulness.md").read_text(encoding="utf-8")
    assert len(added.splitlines()) + len(page.splitlines()) + 2 < 150


def test_the_example_of_a_family_is_in_the_files():
    """Every line that it adds is in the file that it names, and every line it takes out is not."""
    page = (DOCS / "how-to/add-a-family.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```diff\n(.*?)```", page, re.DOTALL)
    files = re.split(r"^ ([^\s,]+).*\n", example, flags=re.MULTILINE)[1:]
    assert len(files) == 2 * 6
    for name, changes in zip(files[::2], files[1::2], strict=True):
        lines = (DOCS.parent / name).read_text(encoding="utf-8").splitlines()
        for change in changes.splitlines():
            assert (change[1:] in lines) == change.startswith("+"), (name, change)
