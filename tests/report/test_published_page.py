"""The published study's page says what its kept tables give, figures included."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from heuristic_core.errors import InputError

ROOT = Path(__file__).parents[2]
PLACE = ROOT / "docs" / "results" / "minilm-mnli-hans"


@pytest.fixture
def published(monkeypatch, tmp_path):
    """The page's program, working on a copy of what is kept."""
    monkeypatch.syspath_prepend(str(ROOT / "studies"))
    import published_study

    copy = tmp_path / PLACE.name
    shutil.copytree(PLACE, copy, ignore=shutil.ignore_patterns("figures"))
    monkeypatch.setattr(published_study, "PLACE", copy)
    return published_study


def figures(place: Path) -> list[str]:
    return sorted(str(path.relative_to(place)) for path in place.glob("*/figures/*.svg"))


def test_the_page_is_remade_from_what_is_kept(published):
    published.page()
    copy = published.PLACE
    assert copy.with_suffix(".md").read_text() == PLACE.with_suffix(".md").read_text()
    assert figures(copy) == figures(PLACE) != []


def test_the_page_follows_its_tables(published):
    page = PLACE.with_suffix(".md").read_text().replace(" %", "%")
    arms = published.kept()
    assert published.accuracies(arms) in page
    table = arms["natural"].evaluations
    worse = replace(arms["natural"], evaluations=table.assign(correct=table["correct"] // 2))
    assert published.accuracies(arms | {"natural": worse}) not in page


def test_a_kept_table_that_was_changed_is_refused(published):
    place = published.PLACE / "natural" / "tables" / "evaluations.parquet"
    table = published.read_table(place)
    published.write_table(place, table.assign(correct=table["correct"] // 2))
    with pytest.raises(InputError, match="evaluations"):
        published.page()


@pytest.mark.parametrize(
    ("decisions", "said"),
    [
        ([], "not measured"),
        (["undecided"] * 2, "**not decided** (2 not decided)"),
        (["supported", "supported", "undecided"], "**holds** (2 holds, 1 not decided)"),
        (["contradicted"], "**does not hold** (1 does not hold)"),
        (["supported"] + ["undecided"] * 2, "**mostly not decided** (2 not decided, 1 holds)"),
        (["contradicted", "supported"], "**in part** (1 does not hold, 1 holds)"),
    ],
)
def test_a_finding_is_summed_up(published, decisions, said):
    cards = [SimpleNamespace(decision=decision) for decision in decisions]
    # Finding 1 holds where its claims are supported, finding 4 where its claim is contradicted.
    lines = published.summary({"arm": {"spread": cards}}).splitlines()[2:]
    assert lines[0].endswith(f"| {said} |")
    assert lines[3].endswith("| not measured |")
    against = published.summary({"arm": {"size": cards}}).splitlines()[5]
    turned = {"holds": "does not hold", "does not hold": "holds"}
    assert against.endswith(
        f"| {re.sub('does not hold|holds', lambda held: turned[held[0]], said)} |"
    )
