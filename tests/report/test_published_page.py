"""The published study's page says what its kept tables give, figures included."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import typer

import published_study
from heuristic_core.errors import InputError

ROOT = Path(__file__).parents[2]
PLACE = ROOT / "docs" / "results" / "minilm-mnli-hans"


@pytest.fixture
def published(monkeypatch, tmp_path):
    """The page's program, working on a copy of what is kept."""
    copy = tmp_path / PLACE.name
    shutil.copytree(PLACE, copy, ignore=shutil.ignore_patterns("figures"))
    monkeypatch.setattr(published_study, "PLACE", copy)
    return published_study


def figures(place: Path) -> dict[str, list[str]]:
    """Every figure of the arms, its numbers at the odd places."""
    found = {}
    for path in place.glob("*/figures/*.svg"):
        # Names of shapes are digests of coordinates, whose last digits depend on the processor.
        text = re.sub(r"\b[mpC][0-9a-f]{10}\b", "NAME", path.read_text("utf-8"))
        found[str(path.relative_to(place))] = re.split(r"(-?\d+\.\d+)", text)
    return found


def test_the_page_is_remade_from_what_is_kept(published):
    published.page()
    copy = published.PLACE
    assert copy.with_suffix(".md").read_text() == PLACE.with_suffix(".md").read_text()
    remade, kept = figures(copy), figures(PLACE)
    assert remade.keys() == kept.keys() != set()
    for name, drawing in kept.items():
        assert remade[name][::2] == drawing[::2]
        numbers = [[float(number) for number in one[name][1::2]] for one in (remade, kept)]
        assert numbers[0] == pytest.approx(numbers[1], abs=0.01)


def test_the_page_follows_its_tables(published):
    page = PLACE.with_suffix(".md").read_text()
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
        (["supported", "supported", "undecided"], "**holds** (2 hold, 1 not decided)"),
        (["contradicted"], "**does not hold** (1 does not hold)"),
        (["contradicted"] * 2, "**does not hold** (2 do not hold)"),
        (["supported"] + ["undecided"] * 2, "**mostly not decided** (2 not decided, 1 holds)"),
        (["contradicted", "supported"], "**in part** (1 does not hold, 1 holds)"),
    ],
)
def test_a_finding_is_summed_up(published, decisions, said):
    cards = [SimpleNamespace(decision=decision, claim="", where="") for decision in decisions]
    # Finding 1 holds where its claims are supported, finding 4 where its claim is contradicted.
    rows = cells_of(published.summary({"arm": {"spread": cards}}))
    assert rows[0][1] == said
    assert rows[3][1] == "not measured"
    against = cells_of(published.summary({"arm": {"size": cards}}))[3][1]
    turned = {"holds": "does not hold", "hold": "do not hold"}
    turned |= {other: one for one, other in turned.items()}
    pattern = "|".join(sorted(turned, key=len, reverse=True))
    assert against == re.sub(pattern, lambda held: turned[held[0]], said)


def cells_of(table: str) -> list[list[str]]:
    return [line.strip("| ").split(" | ") for line in table.splitlines()[2:]]


def test_verdicts_aside_do_not_count(published):
    counts, aside = (
        SimpleNamespace(decision="supported", claim=f"size falls on {data} data", where="")
        for data in ("adversarial", "id")
    )
    (cell,) = {cells_of(published.summary({"arm": {"size": [counts, aside]}}))[3][1]}
    assert cell == "**does not hold** (1 does not hold)"


def test_unseen_and_seen_cases_are_summed_up_apart_where_they_differ(published):
    yes, no = (
        {"spread": [SimpleNamespace(decision=decision, claim="", where="")]}
        for decision in ("supported", "contradicted")
    )
    held = "**holds** (1 holds)"
    for seen, said in [
        (yes, held),
        (no, f"unseen: {held}<br>seen: **does not hold** (1 does not hold)"),
    ]:
        table = published.summary({"arm, unseen": yes, "arm, seen": seen})
        assert cells_of(table)[0][1] == said


def test_conclusions_on_unseen_and_seen_cases(published):
    arms = published.kept()
    parts = published.apart({name: arms[name] for name in ("natural", "augmented")})
    assert list(parts) == ["natural", "augmented, unseen", "augmented, seen"]
    assert parts["natural"] is arms["natural"]
    unseen, seen = (parts[f"augmented, {part}"] for part in ("unseen", "seen"))
    cases = [
        set(results.evaluations.query("case_kind == 'adversarial'")["case"])
        for results in (unseen, seen)
    ]
    assert [len(some) for some in cases] == [11, 4]
    assert not cases[0] & cases[1]
    for some, results in zip(cases, (unseen, seen), strict=True):
        entries = results.analysis["spread"][0]["cases"]
        assert {one["case"] for one in entries if one["case_kind"] == "adversarial"} == some
    # What heads are kept does not depend on the cases.
    assert unseen.analysis["core"] == arms["augmented"].analysis["core"]


def test_a_reading_of_other_verdicts_is_refused(published):
    with pytest.raises(InputError, match="read it again"):
        published.check_readings({"natural": {}})


def test_keeping_what_is_kept_is_refused(published):
    place = published.PLACE / "natural"
    with pytest.raises(typer.BadParameter, match="is what is kept"):
        published.keep(place, "natural", place / "forecast.json")
    assert (place / "manifest.json").is_file()


def test_keeping_leaves_out_where_the_data_are(published, tmp_path):
    run, place = tmp_path / "run", published.PLACE / "natural"
    shutil.copytree(place, run)
    manifest = published.read_json(run / "manifest.json")
    command = manifest["command"]
    published.write_json(run / "manifest.json", manifest | {"command": f"{command} --data /my/own"})
    plan = tmp_path / "plan.json"
    published.write_json(plan, {"cells": [{"cell": "finetune-f1", "seconds": 9.5}]})
    published.keep(run, "natural", plan)
    assert published.read_json(place / "manifest.json")["command"] == f"{command} --data FOLDER"
    assert published.read_json(place / "forecast.json") == {"finetune-f1": 9.5}
    assert published.kept()["natural"].evaluations.shape[0] > 0
