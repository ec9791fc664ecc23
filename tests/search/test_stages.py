"""Long searches that are stopped go on after their finished stages, to the same end."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

import heuristic_core as hc
from heuristic_core.faithful import necessity as without
from heuristic_core.faithful import repelling, targeted
from heuristic_core.measure.probe import probe_removals
from heuristic_core.measure.removal import removals
from heuristic_core.measure.removal_sets import pairs, singles
from heuristic_core.models.classifier import Classifier
from heuristic_core.search import stages
from heuristic_core.search.data import prepare
from tiny import some_pairs

QUICK = {"ramp_steps": 3, "hold_steps": 0, "batch_size": 8, "exchange_rounds": 1}


@pytest.fixture(scope="module")
def task():
    return hc.load_task(
        "hans-grammar", train_size=16, search_size=24, id_size=12, per_case=2, seed=1
    )


@dataclass
class Work:
    """A long search.

    Args:
        module: Its module.
        search: What each of its stages calls, there.
        n: How many stages it has.
        run: Runs it on a model and a task; further arguments are its own.
        tables: The tables of its result.
    """

    module: Any
    search: str
    n: int
    run: Any
    tables: tuple[str, ...]


def best_known(model, data):
    return hc.find_subnetwork(model, data, sparsity=0.5, seed=1, **QUICK)


WORKS = {
    "necessity": Work(
        without,
        "exchange",
        5,
        lambda model, task, data, **more: hc.necessity(
            model, task, best_known(model, data), data=data, **{"rounds": 1, "examples": 12} | more
        ),
        ("table",),
    ),
    "repelling": Work(
        repelling,
        "find_subnetworks_together",
        3,
        lambda model, task, data, **more: hc.repelling_subnetworks(
            model, data, 0.5, n=2, **{"weights": (0.0, 0.1, 0.3)} | QUICK | more
        ),
        ("table",),
    ),
    "range": Work(
        targeted,
        "find_subnetworks_together",
        5,
        lambda model, task, data, **more: hc.generalisation_range(
            model, task, 0.7, data=data, **{"seeds": (1, 2)} | QUICK | more
        ),
        ("divergences", "cases", "contrasts"),
    ),
}


@pytest.fixture(params=WORKS)
def work(request, monkeypatch):
    """A long search whose stages are counted, and that is stopped where it is told to."""
    chosen = WORKS[request.param]
    monkeypatch.setattr(without, "_TOGETHER", 1)
    own, calls = getattr(chosen.module, chosen.search), []

    def search(*arguments, **named):
        if len(calls) == calls_until[0]:
            raise KeyboardInterrupt
        calls.append(1)
        return own(*arguments, **named)

    calls_until = [None]
    monkeypatch.setattr(chosen.module, chosen.search, search)

    def run(*arguments, stop=None, **more):
        calls.clear()
        calls_until[0] = stop
        try:
            return chosen.run(*arguments, **more), len(calls)
        except KeyboardInterrupt:
            return None, len(calls)

    return chosen, run


def assert_equal(work, one, other):
    for name in work.tables:
        pd.testing.assert_frame_equal(getattr(one, name), getattr(other, name))


def test_a_stopped_search_goes_on_and_ends_the_same(work, tiny, task, tmp_path):
    work, run = work
    data, folder = prepare(tiny, task), tmp_path / "stages"
    whole, n = run(tiny, task, data)
    assert n == work.n
    assert run(tiny, task, data, unfinished=folder, stop=2) == (None, 2)
    n_before = Classifier.n_examples_run
    found, n = run(tiny, task, data, unfinished=folder)
    assert n == work.n - 2
    assert_equal(work, found, whole)
    n_run = Classifier.n_examples_run - n_before
    # Another time nothing is searched for, and what it took is known.
    found, n = run(tiny, task, data, unfinished=folder)
    assert n == 0
    assert_equal(work, found, whole)
    seconds, n_examples = stages.spent(folder)
    assert seconds > 0
    assert 0 < n_examples < 2 * n_run


def test_other_calls_and_damaged_stages_are_searched_anew(work, tiny, task, tmp_path):
    work, run = work
    data, folder = prepare(tiny, task), tmp_path / "stages"
    whole, _ = run(tiny, task, data, unfinished=folder)
    other = {"seeds": (2, 3)} if "cases" in work.tables else {"seed": 5}
    assert run(tiny, task, data, unfinished=folder, **other)[1] == work.n
    if work.module is targeted:  # fewer examples give another bound to aim within
        assert run(tiny, task, data, unfinished=folder, examples=3)[1] == work.n
        run(tiny, task, data, unfinished=folder)
    if work.module is repelling:
        close = {"weights": (0.0, 0.1, 0.10000001, 0.3)}
        assert run(tiny, task, data, unfinished=folder, **close)[1] == 1
    zeros = replace(prepare(tiny, task, ablation="zero"), task=data.task)
    if work.module is not without:  # whose subnetworks have values of their own
        assert run(tiny, task, zeros, unfinished=folder)[1] == work.n
    places = [p for p in sorted(folder.iterdir()) if (p / "0").is_dir()]
    (places[0] / "0" / "subnetwork.json").write_text("{")
    for place in places[1:]:
        (place / "stage.json").write_text('{"n": "many"}')
    found, n = run(tiny, task, data, unfinished=folder)
    assert 1 <= n <= work.n
    assert_equal(work, found, whole)
    shutil.rmtree(folder)


def test_nothing_is_kept_unless_asked_for(work, tiny, task, tmp_path, monkeypatch):
    work, run = work
    monkeypatch.chdir(tmp_path)
    run(tiny, task, prepare(tiny, task))
    assert not list(tmp_path.iterdir())


def test_a_stage_is_one_only_when_it_is_whole(tiny, tmp_path):
    """A stage whose record was not written is searched for again."""
    data = prepare(tiny, some_pairs(16))
    one = hc.find_subnetwork(tiny, data, sparsity=0.5, seed=1, **QUICK)
    calls = []

    def search():
        calls.append(1)
        return [one, one]

    kept = stages.Stages(tmp_path, tiny, data.values, seed=1)
    for n in (1, 1):
        assert [s.kept for s in kept.find("a", search)] == [one.kept] * 2
        assert len(calls) == n
    (place,) = tmp_path.iterdir()
    (place / "stage.json").unlink()
    assert stages.spent(tmp_path) == (0.0, 0)
    kept.find("a", search)
    assert len(calls) == 2


@pytest.mark.parametrize("readout", ["model", "probe"])
def test_stopped_removals_go_on_after_their_batches(readout, tiny, task, tmp_path):
    """Also where a probe answers, which is trained again to the same weights."""
    data, suites = (
        prepare(tiny, task),
        [task.suites[0], task.suites[-1].only(task.suites[-1].cases[:6])],
    )
    sets = [*singles(tiny.space), *pairs([hc.Unit(0, 1), hc.Unit(1, 2)])]

    def measure(progress=None, folder=tmp_path / "stages"):
        named = {"batch_size": 8, "progress": progress, "unfinished": folder}
        if readout == "model":
            return removals(tiny, suites, sets, data.values, **named)
        made = probe_removals(tiny, task.search, suites, sets, data.values, **named)
        return made.removal, made.discrimination

    def stop(done, total):
        if done > 0.7 * total:
            raise KeyboardInterrupt

    n_before = Classifier.n_examples_run
    whole = measure(folder=None)
    n_whole = Classifier.n_examples_run - n_before
    with pytest.raises(KeyboardInterrupt):
        measure(stop)
    seen, n_before = [], Classifier.n_examples_run
    again = measure(lambda done, total: seen.append((done, total)))
    assert Classifier.n_examples_run - n_before < 0.6 * n_whole
    for one, other in zip(again, whole, strict=True):
        pd.testing.assert_frame_equal(one, other)
    counts = [done for done, _ in seen]
    assert counts == sorted(set(counts))
    assert seen[-1][0] == seen[-1][1]
    # With other sets nothing that is kept is used.
    sets.pop()
    n_before = Classifier.n_examples_run
    measure()
    assert Classifier.n_examples_run - n_before > 0.8 * n_whole


def test_two_probes_may_share_a_folder(tiny, task, tmp_path):
    data, suites = prepare(tiny, task), [task.suites[0]]
    sets = singles(tiny.space)[:2]

    def measure(penalty, folder):
        return probe_removals(
            tiny, task.search, suites, sets, data.values, penalty=penalty, unfinished=folder
        ).removal

    weak, strong = (measure(penalty, tmp_path) for penalty in (1.0, 1000.0))
    assert not np.allclose(weak["margin_change"], strong["margin_change"])
    for penalty, kept in ((1.0, weak), (1000.0, strong)):
        pd.testing.assert_frame_equal(kept, measure(penalty, None))
    assert stages.spent(tmp_path)[1] > 0
