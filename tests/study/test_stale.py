"""Finished runs whose cells another version of the code made."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import pytest

from command import hcore
from heuristic_core.errors import InputError
from heuristic_core.storage import file_digest, read_json, write_json
from heuristic_core.study.analyses import analyze_run, open_finished
from heuristic_core.study.plan import make_plan
from heuristic_core.study.run import (
    RunOptions,
    evaluate_run,
    load_study_task,
    run_study,
)
from heuristic_core.study.run_folder import open_run
from tiny_studies import SMALL, VERDICTS, cells, change_kind, quiet, study


def options(folder: Path) -> RunOptions:
    return RunOptions(folder, device="cpu", command="hcore analyze")


@pytest.fixture(scope="module")
def made(tiny_folder, tmp_path_factory):
    """A finished run with its analyses."""
    folder = tmp_path_factory.mktemp("made") / "tiny"
    run_study(study(tiny_folder, analysis=SMALL), options(folder), quiet())
    assert analyze_run(folder, options(folder), quiet())[1] == ""
    return folder


@pytest.fixture
def run(made, tmp_path):
    return shutil.copytree(made, tmp_path / "tiny")


@pytest.fixture
def newer(monkeypatch):
    """Raises the versions of kinds of cells."""

    def change(*kinds: str) -> None:
        for kind in kinds:
            change_kind(monkeypatch, kind, version=99)

    return change


def without_models(run: Path) -> str:
    return analyze_run(run, options(run), quiet(), run_models=False)[1]


@pytest.mark.parametrize(
    ("kinds", "remedy"),
    [
        (["finetune"], "`hcore run`, then `hcore analyze {}`, compute them again"),
        (["search", "evaluate"], "`hcore run`, then `hcore analyze {}`, compute them again"),
        (["removal"], "`hcore analyze {}` computes them again"),
        pytest.param(
            ["attention", "disjoint"],
            "`hcore analyze {}` computes them again",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_conclusions_are_drawn_from_the_tables(run, newer, kinds, remedy):
    verdicts = pd.read_parquet(run / VERDICTS)
    files = sorted(run.glob("tables/*.parquet"))
    before = cells(run), [file_digest(path) for path in files]
    manifest = read_json(run / "manifest.json")
    (run / VERDICTS).unlink()
    shutil.rmtree(run / "report")
    newer(*kinds)
    said = without_models(run)
    assert "of another version of the code" in said
    assert all(kind in said for kind in kinds)
    assert said.endswith(remedy.format(run))

    assert (cells(run), [file_digest(path) for path in files]) == before
    assert read_json(run / "manifest.json") == manifest
    assert pd.read_parquet(run / VERDICTS).equals(verdicts)
    assert (run / "report" / "report.html").is_file()


def test_the_plan_names_what_is_made_anew(run, newer):
    def planned() -> dict[str, str]:
        text = hcore("analyze", run, "--plan", cwd=run).stdout
        rows = [line.split("│") for line in text.splitlines() if line.startswith("│")]
        return {row[1].strip(): row[2].strip() for row in rows}

    before = cells(run)
    assert set(planned().values()) == {"finished"}
    newer("removal")
    states = planned()
    assert {cell for cell, state in states.items() if state == "again"} == {"removal-f1-s4"}
    assert set(states.values()) == {"again", "finished"}
    newer("search")
    states = planned()
    again = {cell for cell, state in states.items() if state == "again"}
    own = {"search-f1-s4-k1", "evaluate-f1-s4-k2-70pc"}
    assert own | {"grid-search-f1-s2-k1", "disjoint-f1-s4-k1", "removal-f1-s4"} <= again
    # What does not rest on a search stands.
    assert {"attention-attention-f1-s4", "grid-evaluate-f1-s4"} <= states.keys() - again
    assert (
        "(search, removal, and what uses them)" in hcore("analyze", run, "--plan", cwd=run).stderr
    )
    assert cells(run) == before


def test_running_models_needs_the_cells_of_the_run_itself(run, newer):
    before = cells(run)
    newer("search")
    with pytest.raises(InputError, match=r"another version .* \(search\); compute it again with"):
        analyze_run(run, options(run), quiet())
    assert cells(run) == before


def test_analyses_of_another_version_are_made_anew(run, newer):
    before = cells(run)
    newer("removal")
    assert without_models(run)
    assert analyze_run(run, options(run), quiet())[1] == ""
    assert [name[:13] for name in cells(run).keys() - before.keys()] == ["removal-f1-s4"]
    assert not open_finished(run, None).stale.cells
    assert without_models(run) == ""


@pytest.mark.slow
def test_a_run_made_anew_is_stale_no_more(run, newer, tiny_folder):
    newer("evaluate")
    run_study(study(tiny_folder, analysis=SMALL), options(run), quiet())
    assert not open_finished(run, None).stale.cells
    assert "are not measured" in without_models(run)


def test_a_damaged_table_is_told_with_another_remedy(run, newer):
    newer("removal")
    path = run / "tables" / "attention.parquet"
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(InputError, match=r"table attention of .*; compute it again with"):
        without_models(run)


def lose(pattern: str):
    return lambda run: shutil.rmtree(sorted(run.glob(pattern))[0])


def change_margin(run: Path) -> None:
    content = read_json(run / "study.json")
    content["analysis"]["margin_points"] = 50.0
    write_json(run / "study.json", content)


@pytest.mark.parametrize(
    ("damage", "kind"),
    [
        (lose("cells/search-f1-s4-k1-*"), "search"),
        (lose("cells/search-f1-s4-k1-*"), "attention"),
        (lose("cells/finetune-*"), "evaluate"),
        (lambda run: (run / "manifest.json").unlink(), "search"),
        (lambda run: (run / "manifest.json").write_text("{"), "search"),
        (change_margin, "search"),
    ],
    ids=["of the kind", "of another", "an input", "no results", "damaged", "other settings"],
)
def test_an_unfinished_run_is_refused_all_the_same(run, newer, damage, kind):
    damage(run)
    newer(kind)
    with pytest.raises(InputError, match="is not finished"):
        without_models(run)
    with pytest.raises(InputError, match="is not finished"):
        open_finished(run, None)


def test_evaluating_a_run_of_another_version_says_so(run, newer):
    config = open_run(run)
    suites = load_study_task(config, None).suites
    newer("search")
    with pytest.raises(
        InputError, match=r"of another version of the code \(search\); compute it again"
    ):
        evaluate_run(config, suites, "", options(run), quiet())


def test_only_searches_whose_examples_are_others_now_are_computed_again(tiny_folder):
    """Once each seed drew its own examples; those of seed 0 are taken by all seeds now."""

    def named(method: str, **options) -> list[bool]:
        search = {"method": method, "sparsities": [0.5], "seeds": [0, 1], "options": options}
        config = study(tiny_folder, search=search)
        cells = make_plan(config, load_study_task(config, None)).cells
        return ["drawn_by" in cell.spec for cell in cells if cell.kind == "search"]

    assert named("magnitude", examples=31) == [False, True]
    assert named("magnitude", examples=32) == [False, False]
    assert named("magnitude", examples=31, resample=True) == [False, False]
    assert named("learned") == [False, False]
