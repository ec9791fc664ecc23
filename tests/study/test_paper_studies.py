"""The study files of the paper plan as many prunings as the paper made."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from heuristic_core.study.analysis_plan import plan_analyses
from heuristic_core.study.config import load_study
from heuristic_core.study.plan import make_plan
from heuristic_core.tables import TABLES
from heuristic_core.tasks import load_task

STUDIES = Path(__file__).parents[2] / "studies/paper"
#: Prunings of main searches, of the grid for effective size, and of curves over sparsity.
PRUNINGS = {
    "mnli-hans": (24, 420, 42),
    "qqp-paws": (24, 390, 39),
    "roberta-mnli-hans": (24, 0, 42),
    "gpt2-mnli-hans": (24, 0, 42),
}


@pytest.fixture(scope="module")
def some_task():
    return load_task("hans-grammar", train_size=64, search_size=32, id_size=20, per_case=2)


def test_every_file_is_counted():
    names = {path.stem.removesuffix("-fast") for path in STUDIES.glob("*.toml")}
    assert names == set(PRUNINGS)
    assert len(list(STUDIES.glob("*.toml"))) == 2 * len(PRUNINGS)


@pytest.mark.parametrize("mode", ["", "-fast"])
@pytest.mark.parametrize("name", PRUNINGS)
def test_prunings_are_those_of_the_paper(name, mode, some_task, tiny_folder):
    config = load_study(STUDIES / f"{name}{mode}.toml", [f"model.source='{tiny_folder}'"])
    assert config.name == f"paper-{name}{mode}"
    assert config.search.method == ("learned" if mode else "paper")
    plan = make_plan(config, some_task)
    empty = {table: TABLES[table].empty() for table in ("subnetworks", "evaluations")}
    grid = plan_analyses(config, some_task, plan, empty)
    last = config.finetune.steps

    counted = Counter()
    searches = Counter(cell.kind for cell in (*plan.cells, *grid.cells))["search"]
    for cell in (*plan.cells, *grid.cells):
        if cell.kind == "search":
            main = not cell.label.startswith("grid-")
            at_last = cell.system["checkpoint"] == last
            counted[main, at_last] += len(cell.spec["sparsities"])
    main, over_training, curves = PRUNINGS[name]
    if not mode:  # the published procedure searches for every sparsity apart
        assert searches == sum(PRUNINGS[name])
    assert counted[True, True] == main
    assert counted[True, False] == 0
    assert counted[False, False] == over_training
    assert counted[False, True] == curves
