"""The published study's pages say what its kept tables give, pictures included."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest
import typer

import published_parts
import published_study
import published_verdicts
from command import hcore
from heuristic_core.analysis.conclusions import Conclusions
from heuristic_core.errors import InputError
from heuristic_core.storage import file_digest
from heuristic_core.tables import TABLES
from published_verdicts import FINDINGS, Readings, Verdict, held, holds, in_all
from rename_columns import rename_columns

ROOT = Path(__file__).parents[2]
PLACE = ROOT / "docs" / "results" / "minilm-mnli-hans"
POSTER = PLACE.with_name("paper-in-one-picture.md")


#: All that ``page`` writes.
PAGES = (PLACE.with_suffix(".md"), PLACE.with_name(f"{PLACE.name}-cases.md"), POSTER)


@pytest.fixture
def published(monkeypatch, tmp_path):
    """The page's program, working on a copy of what is kept."""
    copy = tmp_path / PLACE.name
    shutil.copytree(PLACE, copy, ignore=shutil.ignore_patterns("*.svg"))
    shutil.copytree(PLACE.with_name("published"), copy.with_name("published"))
    monkeypatch.setattr(published_study, "PLACE", copy)
    return published_study


def pictures(place: Path) -> dict[str, list[str]]:
    """Every picture, its numbers at the odd places."""
    found = {}
    for path in (*place.glob("*.svg"), place.with_name(POSTER.name).with_suffix(".svg")):
        # Names of shapes are digests of coordinates, whose last digits depend on the processor.
        text = re.sub(r"\b[mpC][0-9a-f]{10}\b", "NAME", path.read_text("utf-8"))
        found[path.stem] = re.split(r"(-?\d+\.\d+)", text)
    return found


def test_the_pages_are_remade_from_what_is_kept(published):
    published.page()
    copy = published.PLACE
    for kept in PAGES:
        assert (copy.parent / kept.name).read_text() == kept.read_text()
    remade, kept = pictures(copy), pictures(PLACE)
    assert remade.keys() == kept.keys() == {"spread", "sparsity", "core", POSTER.stem}
    for name, drawing in kept.items():
        assert remade[name][::2] == drawing[::2]
        numbers = [[float(number) for number in one[name][1::2]] for one in (remade, kept)]
        assert numbers[0] == pytest.approx(numbers[1], abs=0.01)


def test_the_page_is_one_that_a_person_reads():
    lines = PLACE.with_suffix(".md").read_text().splitlines()
    assert len(lines) <= 400
    begins = lines.index("## What holds") + 4
    readings = [line.rpartition(" | ")[2] for line in lines[begins : begins + len(FINDINGS)]]
    assert all(reading.endswith(". |") for reading in readings)
    assert {len(re.findall(r"[.!?](?= )", reading)) for reading in readings} <= {1, 2}


def test_the_page_follows_its_tables(published):
    page = PLACE.with_suffix(".md").read_text()
    arms = published.kept()
    assert published.accuracies(arms) in page
    measured = arms["natural"].measured
    table = measured["evaluations"]
    halved = {**measured, "evaluations": table.assign(correct=table["correct"] // 2)}
    worse = replace(arms["natural"], measured=halved)
    assert published.accuracies(arms | {"natural": worse}) not in page


def test_a_kept_table_that_was_changed_is_refused(published):
    place = published.PLACE / "natural" / "tables" / "evaluations.parquet"
    table = published.read_table(place)
    published.write_table(place, table.assign(correct=table["correct"] // 2))
    with pytest.raises(InputError, match="evaluations"):
        published.page()


def test_numbers_of_readings_are_those_of_the_tables():
    rows = pd.DataFrame(
        {"sparsity": [0.3, 0.5, None], "size": [24, 12, 12], "subnetworks": [12, 12, 24]}
    )
    asked = {
        "reading": "{sparse} heads of {dense}, {both} in all, {together} together",
        "numbers": {
            "sparse": {"table": "core", "column": "size", "sparsity": 0.5, "of": ["b"]},
            "dense": {"table": "core", "column": "size", "sparsity": 0.3, "of": ["a, seen"]},
            "both": {"table": "core", "column": "size", "sparsity": 0.5},
            "together": {"table": "core", "column": "subnetworks", "sparsity": "", "of": ["a"]},
        },
    }
    tables = {"a, seen": rows, "b": rows.assign(size=[25, 17, 17])}
    readings = Readings(
        {part: Conclusions(pd.DataFrame(), {"core": table}) for part, table in tables.items()}
    )
    assert readings.read(asked) == "17 heads of 24, 12 to 17 in all, 24 together"


def test_a_single_estimate_in_a_reading_has_its_interval():
    rows = pd.DataFrame({"effect": [0.25], "effect_low": [0.125], "effect_high": [0.5]})
    asked = {"reading": "{x}", "numbers": {"x": {"table": "verdicts", "column": "effect"}}}
    assert Readings({"a": Conclusions(rows, {})}).read(asked) == "0.25 [0.12, 0.50]"


def verdict(decision: str, key: str = "spread") -> Verdict:
    card = SimpleNamespace(decision=decision, where="", effect="1.5", p="0.01", claim="")
    supports = holds(ASKED[key])[key]
    return Verdict(key, supports, held(supports, decision), card, "points", None)


ASKED = {"spread": 1, "effective_size": 4}


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
def test_a_finding_is_summed_up(decisions, said):
    # Finding 1 holds where its claims are supported, finding 4 where its claim is contradicted.
    assert in_all(verdict(decision) for decision in decisions) == said
    against = in_all(verdict(decision, "effective_size") for decision in decisions)
    turned = {"holds": "does not hold", "hold": "do not hold"}
    turned |= {other: one for one, other in turned.items()}
    pattern = "|".join(sorted(turned, key=len, reverse=True))
    assert against == re.sub(pattern, lambda held: turned[held[0]], said)


def cells_of(table: str) -> list[list[str]]:
    return [line.strip("| ").split(" | ") for line in table.splitlines()]


def test_unseen_and_seen_cases_are_summed_up_apart_where_they_differ(monkeypatch):
    monkeypatch.setattr(published_verdicts, "FINDINGS", [{"title": "A", "reading": "Yes."}])
    yes, no = ({"spread": [verdict(decision)]} for decision in ("supported", "contradicted"))
    word = "**holds** (1 holds)"
    for seen, said in [
        (yes, word),
        (no, f"unseen: {word}<br>seen: **does not hold** (1 does not hold)"),
    ]:
        table = published_verdicts.summary({"arm, unseen": yes, "arm, seen": seen}, Readings({}))
        assert cells_of(table)[2][1:] == [said, "Yes."]


def test_claims_have_a_column_for_each_part_that_differs():
    yes, no = ({"spread": [verdict(decision)]} for decision in ("supported", "contradicted"))
    parts = {"natural": no, "augmented, unseen": yes, "augmented, seen": yes, "other, seen": {}}
    heading, _, row = cells_of(published_verdicts.claims(1, parts))
    assert heading[2:] == ["effect", "natural", "augmented", "other, seen"]
    assert row[0].endswith("(`spread`)")
    assert row[2:5] == ["points", "✕ 1.5, p = 0.01", "✓ 1.5, p = 0.01"]
    assert published_verdicts.claims(8, parts) == ""


@pytest.mark.slow
def test_conclusions_on_unseen_and_seen_cases(published):
    arms = published.kept()
    parts = published.apart({name: arms[name] for name in ("natural", "augmented")})
    assert list(parts) == ["natural", "augmented, unseen", "augmented, seen"]
    assert parts["natural"] is arms["natural"]
    unseen, seen = (parts[f"augmented, {part}"] for part in ("unseen", "seen"))
    cases = [published_parts.cases_of(results, "adversarial") for results in (unseen, seen)]
    assert [len(some) for some in cases] == [11, 4]
    assert not cases[0] & cases[1]
    for some, results in zip(cases, (unseen, seen), strict=True):
        rows = results.conclusions.tables["cases"]
        assert set(rows[rows["case_kind"] == "adversarial"]["case"]) == some
    # Which heads are kept does not depend on the cases.
    whole = arms["augmented"].conclusions.tables["core"]
    pd.testing.assert_frame_equal(unseen.conclusions.tables["core"], whole)


def test_a_reading_of_other_verdicts_is_refused():
    with pytest.raises(InputError, match="read them again"):
        published_verdicts.check_readings({"natural": {}})


@pytest.mark.slow
def test_the_commands_that_the_page_names_print_reasons(published, capsys):
    page = PLACE.with_suffix(".md").read_text()
    assert "`hcore show docs/results/minilm-mnli-hans/natural --all`" in page
    shown = hcore("show", "docs/results/minilm-mnli-hans/natural", "--all", cwd=ROOT).stdout
    assert "AUROC changes by −0.128 [−0.204, −0.052]" in shown
    assert "`python studies/published_study.py reasons augmented`" in page
    published.reasons("augmented")
    printed = capsys.readouterr().out
    assert "augmented, unseen" in printed
    assert "AUROC changes by −0.072 [−0.146, +0.002]" in printed


def test_keeping_what_is_kept_is_refused(published):
    place = published.PLACE / "natural"
    with pytest.raises(typer.BadParameter, match="is what is kept"):
        published.keep(place, "natural", place / "forecast.json")
    assert (place / "manifest.json").is_file()


@pytest.mark.slow
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
    assert len(published.kept()["natural"].measured["evaluations"]) > 0


def test_only_a_plan_and_a_known_arm_are_kept(published, tmp_path):
    place = published.PLACE / "natural"
    with pytest.raises(InputError, match="is not what `hcore run --plan --json` prints"):
        published.keep(place.rename(tmp_path / "run"), "natural", tmp_path / "run" / "study.json")
    with pytest.raises(typer.BadParameter, match="arms are natural, augmented, augmented-2"):
        published.keep(tmp_path / "run", "another", tmp_path / "run" / "study.json")


def test_the_spread_of_other_fine_tunings_is_kept(published, tmp_path):
    """Of a table like that of McCoy et al.: 100 runs, then what is no run."""
    table = pd.DataFrame({"name": "bert", "ln_passive": [0.25, 0.75] * 50, "note": ""})
    table.loc[100] = ["mean", 1.0, ""]
    table.to_csv(tmp_path / "berts.csv", index=False)
    published.seeds(tmp_path / "berts.csv")
    kept = published.read_table(published.PLACE / "seeds.parquet").set_index("column")
    assert list(kept.index) == ["ln_passive"]
    row = kept.loc["ln_passive"]
    assert (row["min"], row["mean"], row["max"]) == (0.25, 0.5, 0.75)
    assert row["std"] == pytest.approx(0.25 * (100 / 99) ** 0.5)


@pytest.mark.parametrize("arm", published_study.ARMS)
def test_kept_tables_have_the_declared_columns(arm):
    paths = list((PLACE / arm / "tables").glob("*.parquet"))
    kept = published_study.read_json(PLACE / arm / "manifest.json")["tables"]
    assert {path.stem for path in paths} == set(kept)
    for path in paths:
        table, names = TABLES[path.stem], list(published_study.read_table(path))
        # What was declared since is missing, and nothing else.
        declared = [c for c in table.columns if c.name in names or not c.later]
        assert names == [name for column in declared for name in column.names]


def test_renamed_columns_are_rewritten(published):
    folder = published.PLACE / "augmented-2"
    manifest = published.read_json(folder / "manifest.json")
    path = folder / "tables" / "removal.parquet"
    today = published.read_table(path)
    published.write_table(path, today.rename(columns={"readout": "head"}))
    digests = manifest["tables"] | {"removal": file_digest(path)}
    published.write_json(folder / "manifest.json", manifest | {"tables": digests})
    assert rename_columns(folder) == ["removal"]
    pd.testing.assert_frame_equal(published.read_table(path)[[*today]], today)
    assert published.read_json(folder / "manifest.json")["tables"]["removal"] == file_digest(path)
    assert rename_columns(folder) == []
