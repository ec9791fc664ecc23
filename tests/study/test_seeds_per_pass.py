"""Studies whose searches take several seeds in one pass."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from heuristic_core.errors import InputError
from heuristic_core.study.analyses import analyze_run
from heuristic_core.study.config import check_study
from heuristic_core.study.loaded import load_run
from heuristic_core.study.plan import make_plan
from heuristic_core.study.run import RunOptions, load_study_task, run_study
from tiny_studies import SMALL, cells, quiet, study, tables

SEARCH = {
    "sparsities": [0.5, 0.7],
    "seeds": [1, 2, 5],
    "options": {"ramp_steps": 4, "hold_steps": 1, "batch_size": 8},
}
GRID = {"sparsities": [0.3, 0.5], "seeds": [1, 2]}
#: Other analyses do not read single searches.
ONLY = {"removal": False, "attention": False, "dependency": False}


def planned(config) -> dict[str, str]:
    """Each cell's name by its label."""
    task = load_study_task(config, None)
    return {cell.label: cell.name for cell in make_plan(config, task).cells}


def together(tiny_folder, n=2, **changes):
    grid = GRID | {"seeds_per_pass": n}
    return study(
        tiny_folder,
        search=SEARCH | {"seeds_per_pass": n} | changes,
        analysis=SMALL | ONLY | {"grid": grid},
    )


@pytest.fixture(scope="module")
def finished(tiny_folder, tmp_path_factory):
    """Run folders of a study whose seeds were searched alone and two in a pass."""
    folders = []
    for n in (1, 2):
        folder = tmp_path_factory.mktemp(f"by{n}")
        options = RunOptions(folder, device="cpu")
        run_study(together(tiny_folder, n), options, quiet())
        analyze_run(folder, options, quiet())
        folders.append(folder)
    return folders


def test_one_seed_a_pass_names_cells_as_ever_and_several_share_a_search(tiny_folder):
    alone = planned(study(tiny_folder, search=SEARCH))
    assert planned(together(tiny_folder, 1)) == alone
    two = planned(together(tiny_folder))
    searches = [label for label in two if label.startswith("search")]
    assert searches == ["search-f1-s4-k1-k2", "search-f1-s4-k5"]
    # The last seed has no other to share with: its cells are those of before.
    for label in ("search-f1-s4-k5", "evaluate-f1-s4-k5-50pc", "evaluate-f1-s4"):
        assert two[label] == alone[label]
    evaluations = [label for label in two if label.startswith("evaluate") and "-k" in label]
    assert len({two[label] for label in evaluations}) == len(evaluations) == 6
    assert not {two[label] for label in evaluations[:4]} & set(alone.values())


def test_the_tables_are_those_of_seeds_alone_up_to_rounding(finished):
    _, two = finished
    (path,) = (two / "cells").glob("search-f1-s4-k1-k2-*")
    folders = {str(p.parent.relative_to(path)) for p in path.glob("**/subnetwork.json")}
    assert folders == {f"seed-{k}/sparsity-{s}" for k in (1, 2) for s in (0.5, 0.7)}
    assert json.loads((path / "record.json").read_text())["spec"]["seeds"] == [1, 2]
    one, other = (tables(folder)["subnetworks"] for folder in finished)
    keys = ["seed", "sparsity", "unit"]
    one, other = (table.sort_values(keys, ignore_index=True) for table in (one, other))
    pd.testing.assert_frame_equal(one[keys], other[keys])
    assert (one["kept"] == other["kept"]).all()
    assert (one["soft"] - other["soft"]).abs().max() < 1e-4
    grids = [pd.read_parquet(folder / "tables" / "grid.parquet") for folder in finished]
    assert len(grids[0]) == len(grids[1])
    assert [len(list((folder / "cells").glob("grid-search-*"))) for folder in finished] == [4, 2]
    disjoint = [pd.read_parquet(folder / "tables" / "disjoint.parquet") for folder in finished]
    assert set(disjoint[1]["seed"]) == set(disjoint[0]["seed"]) == {1, 2}


def test_subnetworks_are_found_in_the_run(finished):
    for seed in (1, 2, 5):
        found = [load_run(folder).subnetworks(sparsity=0.5, seed=seed)[0] for folder in finished]
        assert found[0] == found[1]
        assert found[1].provenance["seed"] == seed


def test_a_finished_run_is_not_computed_again(finished, tiny_folder):
    before, written = cells(finished[1]), tables(finished[1])
    run_study(together(tiny_folder), RunOptions(finished[1], device="cpu"), quiet())
    assert cells(finished[1]) == before
    assert all(table.equals(written[name]) for name, table in tables(finished[1]).items())


def test_what_cannot_be_searched_together_is_refused_when_planned(tiny_folder):
    for search in ({"method": "fisher", "options": {}}, {"method": "paper", "options": {}}):
        with pytest.raises(InputError, match=r"one seed at a time|seeds are searched one at"):
            planned(together(tiny_folder, 2, **search))
        grid = {"grid": GRID | {"seeds_per_pass": 2}}
        with pytest.raises(InputError, match=r"one seed at a time|seeds are searched one at"):
            planned(study(tiny_folder, search=SEARCH | search, analysis=SMALL | grid))
    with pytest.raises(InputError, match=r"search\.seeds_per_pass"):
        together(tiny_folder, 0)


def test_the_precision_of_searches_names_them_and_what_rests_on_them(tiny_folder):
    names = {
        precision: planned(study(tiny_folder, search=SEARCH | {"precision": precision}))
        for precision in ("float32", "bfloat16", "float16")
    }
    assert names["float32"] == planned(study(tiny_folder, search=SEARCH))
    for one, other in (("float32", "bfloat16"), ("bfloat16", "float16")):
        changed = {label for label in names[one] if names[one][label] != names[other][label]}
        assert changed == {label for label in names[one] if "-k" in label}


def test_keys_of_earlier_versions_are_read(tiny_folder):
    old = study(tiny_folder).model_dump(mode="json")
    for table in ("finetune", "evaluation"):
        del old[table]["precision"]
        old[table]["bf16"] = True
    config = check_study(old)
    assert config.finetune.precision == config.evaluation.precision == "bfloat16"
    old["evaluation"]["bf16"] = "yes"
    with pytest.raises(InputError, match=r"evaluation\.bf16"):
        check_study(old)
