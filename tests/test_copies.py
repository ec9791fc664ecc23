"""Whatever the program gives out can be copied, pickled and sent to other processes."""

from __future__ import annotations

import copy
import multiprocessing
import pickle

import numpy as np
import pytest

import heuristic_core as hc
from heuristic_core.models.classifier import Classifier
from heuristic_core.search.methods import METHODS
from heuristic_core.study.plan import make_plan
from heuristic_core.study.results import read_results
from heuristic_core.study.run import RunOptions, run_study
from heuristic_core.study.store import Store
from tiny import save_tiny, some_pairs
from tiny_studies import quiet, study

TASK = {"train_size": 16, "search_size": 16, "id_size": 10, "per_case": 1}
WAYS = {"pickle": lambda x: pickle.loads(pickle.dumps(x)), "deepcopy": copy.deepcopy}
FAMILIES = ("bert", "albert", "deberta-v2", "gpt2", "t5", "modernbert")


@pytest.fixture(params=WAYS)
def copied(request):
    return WAYS[request.param]


@pytest.fixture(scope="module")
def task():
    return hc.load_task("hans-grammar", **TASK)


def test_tasks_and_suites(copied, task):
    again = copied(task)
    assert again.digests == task.digests
    assert [suite.class_map(task.labels).tolist() for suite in again.suites] == [
        suite.class_map(task.labels).tolist() for suite in task.suites
    ]
    suite = hc.load_suite("hans-grammar", per_case=1)
    three = ("entailment", "neutral", "contradiction")
    assert copied(suite).class_map(three).tolist() == [0, 1, 1]


@pytest.mark.parametrize("family", FAMILIES)
def test_models_and_subnetworks(copied, family, tmp_path):
    model = hc.load_model(save_tiny(tmp_path, family=family))
    pairs = some_pairs(12)
    encoded = model.encode(pairs)
    sub = hc.find_subnetwork(model, pairs, 0.5, method="magnitude")
    small = sub.compact(model)
    small.save(tmp_path / "small")
    loaded = hc.load_model(tmp_path / "small")
    for one in (model, small, loaded):
        again = copied(one)
        assert np.array_equal(hc.predict(again, again.encode(pairs)), hc.predict(one, encoded))
    again = copied(sub)
    assert again == sub
    assert again.provenance == sub.provenance
    # The copies belong together: a copied subnetwork runs on a copied model.
    assert np.array_equal(
        hc.predict(copied(model), encoded, subnetwork=again),
        hc.predict(model, encoded, subnetwork=sub),
    )
    data = copied(hc.prepare(model, pairs))
    assert hc.find_subnetwork(model, data, 0.5, method="magnitude") == sub


@pytest.fixture(scope="module")
def run(tiny_folder, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    config = study(tiny_folder, finetune=None, search={"method": "magnitude"})
    return config, folder, run_study(config, RunOptions(out=folder, device="cpu"), quiet())


def test_studies_plans_and_results(copied, run, task):
    config, folder, results = run
    assert copied(config) == config
    plan = make_plan(config, task)
    assert [cell.key for cell in copied(plan).cells] == [cell.key for cell in plan.cells]
    assert copied(Store(folder)).has(copied(plan).cells[0]) == Store(folder).has(plan.cells[0])
    for one in (results, read_results(folder)):
        again = copied(one)
        assert again.conclusions.verdicts.equals(one.conclusions.verdicts)
        assert all(again.measured[name].equals(one.measured[name]) for name in one.measured)
    assert copied(METHODS["magnitude"]) == METHODS["magnitude"]
    assert str(copied(hc.InputError("no such file; give one"))) == "no such file; give one"


def test_a_model_whose_units_are_replaced_is_not_copied(copied, tiny, pairs):
    sub = hc.find_subnetwork(tiny, pairs, 0.5, method="magnitude")
    with sub.applied(tiny):
        with pytest.raises(hc.InputError, match="within a with block") as caught:
            copied(tiny)
        assert "\n" not in str(caught.value)
    assert isinstance(copied(tiny), Classifier)


def search(given):
    """The work of one process."""
    import torch

    torch.set_num_threads(1)
    task, model, seed = given
    if not isinstance(model, Classifier):
        model = hc.load_model(model)
    return hc.find_subnetwork(model, task, 0.5, seed=seed, method="random")


@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_process_pools(start, task, tiny_loaded, tiny_folder):
    work = [(task, tiny_loaded, 1), (task, str(tiny_folder), 2)]
    with multiprocessing.get_context(start).Pool(1) as pool:
        found = pool.map(search, work)
    assert found == [search(one) for one in work]
