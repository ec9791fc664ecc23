from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from heuristic_core.errors import InputError
from heuristic_core.study.analysis_plan import GRID, sampled
from heuristic_core.study.bench import Workbench
from heuristic_core.study.driver import Driver
from heuristic_core.study.kinds.dependency import choose_senders, plan_dependency
from heuristic_core.study.plan import make_plan
from heuristic_core.study.planner import Checkpoint, Planner
from heuristic_core.study.run import RunOptions, load_study_task, run_study
from heuristic_core.study.store import Store
from heuristic_core.units import UnitSpace
from tiny_studies import SMALL, quiet, study

CORE, ADDED = ["L0H1", "L0H2", "L1H0"], ["L0H3", "L1H2"]


def senders(**changes):
    settings = {"n_core": 8, "n_controls": 2, "seed": 0} | changes
    return choose_senders(UnitSpace((4, 12, 4)), CORE, **settings)


def test_controls_are_of_the_core_heads_layers_and_not_of_the_core():
    found = senders(n_controls=5)
    assert [label for label, group in found.items() if group == "core"] == CORE
    controls = [label for label, group in found.items() if group == "control"]
    # Layer 0 has two heads that are not of the core, one of them added.
    assert {label for label in controls if label.startswith("L0")} == {"L0H0", "L0H3"}
    assert sum(label.startswith("L1") for label in controls) == 5
    assert len(controls) == 7
    assert not set(controls) & set(CORE)
    # Core heads beyond those that are patched are no controls either, nor are their layers' heads.
    few = senders(n_core=1, n_controls=5)
    assert set(few) == {"L0H1", "L0H0", "L0H3"}
    assert senders(n_controls=5) == found


def test_every_other_head_is_as_likely_a_control():
    draws = [senders(seed=draw) for draw in range(600)]
    times = pd.Series([label for found in draws for label in found if label[:2] == "L1"])
    counts = times[times != "L1H0"].value_counts()
    assert len(counts) == 11
    assert "L1H2" in counts.index
    assert counts.sum() == 1200
    assert stats.chisquare(counts).pvalue > 0.01


@pytest.fixture(scope="module")
def prepared(tiny_folder, tmp_path_factory):
    """The folder of a run in which a model is fine-tuned and prepared."""
    folder = tmp_path_factory.mktemp("run") / "tiny"
    options = RunOptions(folder, device="cpu")
    run_study(study(tiny_folder, analysis=SMALL), options, quiet(), kinds=("prepare",))
    return folder


def measured(tiny_folder, folder, **settings) -> pd.DataFrame:
    analysis = SMALL | {"dependency": SMALL["dependency"] | settings}
    config = study(tiny_folder, analysis=analysis)
    task = load_study_task(config, None)
    suites = sampled(config, task)
    planner = Planner(config, task, suites, GRID)
    (cell,) = plan_dependency(planner, Checkpoint(1, 4), CORE, ADDED)
    store = Store(folder)
    Driver(quiet(), store).compute([cell], Workbench(config, task, store, "cpu", suites))
    return pd.read_parquet(store.path(cell) / "table.parquet")


def test_what_a_cell_measures(tiny_folder, prepared):
    table = measured(tiny_folder, prepared)
    keys = ["sender", "receiver", "reads", "path"]
    assert not table.duplicated(keys).any()
    assert set(table["receiver"]) == set(ADDED)
    assert set(table["receiver_group"]) == {"added"}
    groups = table.groupby("sender")["sender_group"].unique().map(list)
    assert {label for label, of in groups.items() if of == ["core"]} == set(CORE)
    # The tiny model has four heads a layer, and four controls are asked for.
    assert {label for label, of in groups.items() if of == ["control"]} == {
        "L0H0", "L0H3", "L1H1", "L1H2", "L1H3"
    }  # fmt: skip
    itself = table[table["sender"] == table["receiver"]]
    assert set(itself["sender"]) == set(ADDED)
    numbers = ["change", "margin_change", "excess", "margin_excess"]
    assert (itself[numbers].fillna(0) == 0).all(axis=None)
    above = table[(table["sender"].str[1] == "0") & (table["receiver"] == "L1H2")]
    controls = above[above["sender_group"] == "control"]
    for _, rows in above.groupby(["reads", "path"]):
        reference = rows.loc[rows["sender_group"] == "control", "change"].mean()
        np.testing.assert_allclose(rows["excess"], rows["change"] - reference, atol=1e-12)
    direct = controls[controls["path"] == "direct"].groupby("reads")["margin_excess"].sum()
    np.testing.assert_allclose(direct, 0, atol=1e-12)


def test_senders_can_be_replaced_by_what_they_write_on_friendly_examples(tiny_folder, prepared):
    by_mean = measured(tiny_folder, prepared)
    other = measured(tiny_folder, prepared, replace="counterfactual")
    assert 0 < other["n"].iloc[0] <= by_mean["n"].iloc[0]
    moved = other["change"] > 0
    assert moved.any()
    assert not np.isclose(other.loc[moved, "change"], by_mean.loc[moved, "change"]).any()


def test_a_task_without_matched_pairs_is_told_before_anything_is_computed(tiny_folder):
    dependency = SMALL["dependency"] | {"replace": "counterfactual"}
    config = study(tiny_folder, analysis=SMALL | {"dependency": dependency})
    task = load_study_task(config, None)
    make_plan(config, task)
    suites = tuple(
        suite.only([case for case in suite.cases if suite.kind(case) != "friendly"])
        for suite in task.suites
    )
    with pytest.raises(InputError, match="the task has no matched pairs"):
        make_plan(config, replace(task, suites=suites))
