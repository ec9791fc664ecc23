"""The cells about the set of faithful subnetworks and tests of them, from study to verdicts."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

import heuristic_core as hc
from heuristic_core.faithful import repelling
from heuristic_core.search.methods import search_effort
from heuristic_core.storage import read_json
from heuristic_core.study.analyses import analyze_run, plan_analyses
from heuristic_core.study.analysis_plan import sampled
from heuristic_core.study.config import StudyConfig, check_study
from heuristic_core.study.plan import make_plan
from heuristic_core.study.run import RunOptions, load_study_task, run_study
from heuristic_core.tables import TABLES
from tiny import save_tiny
from tiny_studies import SMALL, quiet, study

FAITHFUL = {"seeds": 2, "repelled": 2, "weights": [0.0, 0.3], "rounds": 1, "examples": 20}
VALIDITY = {"seeds": 2, "draws": 20, "examples": 8, "unit_examples": 8, "searches": 1}
CARDS = ("validity", "validity_units", "validity_cases")
NONE = dict.fromkeys(("grid", "disjoint", "removal", "attention", "dependency"), False)


def study_file(folder: Path) -> StudyConfig:
    """The study that a run folder was made with."""
    return check_study(read_json(folder / "study.json"))


@pytest.fixture(scope="module")
def analyzed(tmp_path_factory):
    """A tiny study with these cells alone, analysed."""
    source = save_tiny(tmp_path_factory.mktemp("model"))
    folder = tmp_path_factory.mktemp("run") / "tiny"
    config = study(
        source,
        analysis=SMALL | NONE | {"faithful": FAITHFUL, "validity": VALIDITY},
        finetune={"steps": 2, "checkpoints": [2], "seeds": [1], "batch_size": 8},
        search={
            "sparsities": [0.5],
            "seeds": [1, 2],
            "options": {"ramp_steps": 4, "hold_steps": 1, "batch_size": 8},
        },
    )
    options = RunOptions(folder, device="cpu", command="hcore run tiny")
    run_study(config, options, quiet())
    results, missing = analyze_run(folder, options, quiet())
    assert missing == ""
    return folder, results


def test_every_table_is_filled(analyzed):
    folder, results = analyzed
    for name in ("targeted", "targeted_contrasts", "repelled", "necessity", *CARDS):
        table = pd.read_parquet(folder / "tables" / f"{name}.parquet")
        assert len(table)
        TABLES[name].check_key(TABLES[name].conform(table))
        pd.testing.assert_frame_equal(results.measured[name], TABLES[name].conform(table))


def test_tables_say_what_was_searched_for(analyzed):
    folder, _ = analyzed
    targeted = pd.read_parquet(folder / "tables" / "targeted.parquet")
    assert set(targeted["seed"]) == {1, 2}
    assert {"none", "well", "badly"} <= set(targeted["aim"])
    assert targeted.groupby("aim")["bound"].nunique().eq(1).all()
    # The plain ones are those that the study's own searches found, so none is beyond the bound.
    plain = targeted[targeted["aim"] == "none"]
    assert (plain["divergence"] <= plain["bound"] + 1e-12).all()
    repelled = pd.read_parquet(folder / "tables" / "repelled.parquet")
    assert repelled.groupby(["repel", "seed"])["kept"].sum().eq(5).all()
    assert sorted(repelled["repel"].unique()) == [0.0, 0.3]
    necessity = pd.read_parquet(folder / "tables" / "necessity.parquet")
    assert len(necessity) == 10
    assert necessity["kept"].sum() == 5
    assert (necessity.loc[~necessity["kept"], "necessity"] == 0).all()
    found = sorted(path.name for path in folder.glob("cells/targeted-*/*") if path.is_dir())
    assert {"well-seed-1", "well-seed-2", "badly-seed-1", "badly-seed-2"} <= set(found)


def test_every_question_on_them_is_answered(analyzed):
    _, results = analyzed
    asked = set(results.conclusions.verdicts["question"])
    assert {"generalisation_range", "coexistence", "repulsion", "necessity", "validity"} <= asked


def test_cards_are_those_of_validate(analyzed):
    folder, results = analyzed
    table = results.measured["validity"]
    assert set(table["seed"]) == {1, 2}
    # Sufficiency, necessity and stability, and the core alone if there is one.
    assert {"sufficiency", "necessity", "stability"} <= set(table["test"])
    assert (table["n"] == 20).all()
    run, config = hc.load_run(folder), study_file(folder)
    task = load_study_task(config, None)
    (sub,) = run.subnetworks(seed=2)
    card = hc.validate(
        run.model(device="cpu"),
        replace(task, suites=sampled(config, task)),
        sub,
        core=run.core().heads,
        searches=1,
        draws=20,
        examples=8,
        unit_examples=8,
    )
    for name, made in zip(CARDS, (card.tests, card.units, card.cases), strict=True):
        own = results.measured[name].query("seed == 2").reset_index(drop=True)
        numbers = made.select_dtypes("number").columns
        pd.testing.assert_frame_equal(own[numbers], made[numbers], check_dtype=False)


def test_other_methods_and_studies_without_the_table_have_none(tmp_path):
    source = save_tiny(tmp_path)
    kinds = {"targeted", "repelled", "necessity", "validity"}
    for changes in (
        {"analysis": SMALL | NONE},
        {
            "analysis": SMALL | NONE | {"faithful": FAITHFUL},
            "search": {"method": "magnitude", "sparsities": [0.5], "seeds": [1]},
        },
    ):
        config = study(source, **changes)
        task = load_study_task(config, None)
        empty = {name: TABLES[name].empty() for name in ("subnetworks", "evaluations")}
        plan = plan_analyses(config, task, make_plan(config, task), empty)
        assert not kinds & {cell.kind for cell in plan.cells}


def test_the_forecast_counts_the_rounds_of_exchanges_that_these_searches_make(tmp_path):
    """Not those of the study's own searches, which make none here."""
    source = save_tiny(tmp_path)
    own = {"ramp_steps": 4, "hold_steps": 1, "batch_size": 8, "exchange_rounds": 0}
    efforts, examples = [], []
    for rounds in (0, 3):
        config = study(
            source,
            analysis=SMALL | NONE | {"faithful": FAITHFUL | {"rounds": rounds}},
            search={"sparsities": [0.5], "seeds": [1, 2], "options": own},
        )
        task = load_study_task(config, None)
        empty = {name: TABLES[name].empty() for name in ("subnetworks", "evaluations")}
        plan = plan_analyses(config, task, make_plan(config, task), empty)
        efforts.append({cell.kind: cell.effort for cell in plan.cells})
        examples.append(search_effort("learned", own | {"exchange_rounds": rounds}, [0.5]))
    assert efforts[1]["repelled"] / efforts[0]["repelled"] == pytest.approx(
        examples[1] / examples[0]
    )
    # Evaluations of the aimed subnetworks are a part of the other one.
    more = efforts[1]["targeted"] - efforts[0]["targeted"]
    of_repelled = efforts[1]["repelled"] - efforts[0]["repelled"]
    # Three searches of two seeds on two kinds of examples, beside two weights of two subnetworks.
    assert more / of_repelled == pytest.approx(3 * 2 * 2 / (2 * 2))


def test_a_stopped_cell_goes_on_after_its_finished_stages(analyzed, tmp_path, monkeypatch):
    folder = tmp_path / "tiny"
    shutil.copytree(analyzed[0], folder)
    (cell,) = folder.glob("cells/repelled-*")
    shutil.rmtree(cell)
    search, calls = repelling.find_subnetworks_together, []

    def stopped(*arguments, **options):
        calls.append(options["repel"])
        if len(calls) == 2:
            raise KeyboardInterrupt
        return search(*arguments, **options)

    monkeypatch.setattr(repelling, "find_subnetworks_together", stopped)
    options = RunOptions(folder, device="cpu", command="hcore analyze")
    with pytest.raises(KeyboardInterrupt):
        analyze_run(folder, options, quiet())
    (stages,) = folder.glob("cells/.stages-repelled-*")
    run_study(study_file(folder), options, quiet())  # which does not know of them, and leaves them
    assert stages.is_dir()
    assert calls == [0.0, 0.3]
    results, missing = analyze_run(folder, options, quiet())
    assert missing == ""
    assert calls == [0.0, 0.3, 0.3]
    assert not stages.exists()
    assert cell.is_dir()
    expected = analyzed[1].measured["repelled"]
    pd.testing.assert_frame_equal(results.measured["repelled"], expected)
    # What the first stage ran counts too.
    examples = [
        read_json(one / cell.name / "facts.json")["examples"]
        for one in (folder / "cells", analyzed[0] / "cells")
    ]
    assert examples[0] == pytest.approx(examples[1], rel=0.2)
