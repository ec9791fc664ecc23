"""Questions on several runs: planted cores, noise, and what is not asked."""

from __future__ import annotations

from math import comb

import numpy as np
import pytest
from runs_by_hand import run, verdict, verdicts

from heuristic_core.analysis.across import core_of_all as all_cores
from heuristic_core.analysis.across.core_of_all import core_of_all, shared_by_all
from heuristic_core.analysis.across.core_pairs import cores_of_models, cores_of_searches
from heuristic_core.analysis.across.questions import ACROSS
from heuristic_core.analysis.across.removal_pairs import removal_pairs
from heuristic_core.analysis.across.runs import Runs
from heuristic_core.analysis.across.spread_pairs import deviations, spread_pairs, welch
from heuristic_core.analysis.across.verdicts import verdicts_of_runs
from heuristic_core.analysis.conclusions import conclude
from heuristic_core.analysis.kept import Kept
from heuristic_core.errors import InputError
from tables_by_hand import subnetworks

CORE = {"L1H1", "L1H4", "L2H2", "L2H5", "L3H0", "L3H3"}
OTHER = {"L1H0", "L1H2", "L2H0", "L2H3", "L3H1", "L3H5"}


def test_a_planted_core_is_found_in_all_pairs_and_in_all_runs():
    runs = Runs([run("a", CORE), run("b", CORE), run("c", CORE)])
    pairs = cores_of_models(runs)
    assert [a.subject["run"] + a.subject["other_run"] for a in pairs] == ["ab", "ac", "bc"]
    assert [a.verdict.decision for a in pairs] == ["supported"] * 3
    assert cores_of_searches(runs) == []
    whole, level = pairs[0].rows["core-of-models"]
    # Two of six heads in each of three layers; Holm triples the smallest of three p-values.
    assert whole["p_in_layers"] == pytest.approx(comb(6, 2) ** -3)
    assert whole["p"] == pytest.approx(3 * max(whole["p_anywhere"], whole["p_in_layers"]))
    assert (level["sparsity"], level["shared"]) == (0.5, 6)
    # All share the core, and each one of six heads of layer 0 in turn: 6 of 8, or all 7.
    assert level["between"] == pytest.approx((30 * 6 / 8 + 6) / 36)
    assert 0 < level["between_by_chance"] < level["between"]
    (every,) = core_of_all(runs)
    assert every.verdict.decision == "supported"
    (row,) = every.rows["core-of-all"]
    assert row["members"].split() == sorted(CORE)
    assert row["p_in_layers"] == pytest.approx(comb(6, 2) ** -6)
    held = {r["unit"]: r["held"] for r in every.rows["core-heads-by-run"]}
    assert {unit for unit, n in held.items() if n == 3} == CORE


def test_other_cores_are_not_the_same():
    runs = Runs([run("a", CORE), run("b", OTHER)])
    (pair,), (every,) = cores_of_models(runs), core_of_all(runs)
    assert pair.verdict.decision == "contradicted"
    assert pair.rows["core-of-models"][0]["shared"] == 0
    # Of 24 heads, two sets of six share none with probability 0.14: that is no evidence.
    assert every.verdict.decision == "not decided by these data"


def test_searches_in_one_model_are_another_claim():
    some = [run("a", CORE, model="x"), run("b", CORE, model="x", method="subset")]
    runs = Runs(some)
    assert cores_of_models(runs) == []
    (pair,), (every,) = cores_of_searches(runs), core_of_all(runs)
    assert pair.verdict.claim == "the two searches find mostly the same core heads in one model"
    assert pair.verdict.decision == every.verdict.decision == "supported"
    assert every.verdict.claim == "the cores of all searches in one model share heads"
    assert (pair.subject["method"], pair.subject["other_method"]) == ("learned", "subset")
    assert removal_pairs(runs) == []
    # With another model and another method, the difference could be that of either.
    apart = Runs([run("a", CORE), run("b", CORE, method="subset")])
    assert cores_of_models(apart) == cores_of_searches(apart) == core_of_all(apart) == []


def test_one_search_in_two_runs_is_no_second_search():
    same = frozenset({"search-f1-s300-k1-abc"})
    (pair,) = cores_of_searches(Runs([run(n, CORE, model="x", searches=same) for n in ("a", "b")]))
    assert pair.verdict.decision == "not decided by these data"
    assert "1 of the searches is in both runs" in pair.verdict.reason


def test_models_of_other_heads_and_runs_without_subnetworks_are_refused():
    with pytest.raises(InputError, match=r"a and b are of models with different heads \(24 and 30"):
        Runs([run("a", CORE), run("b", CORE, n_heads=5, n_layers=6)])
    with pytest.raises(InputError, match="the run b has no subnetworks"):
        Runs([run("a", CORE), run("b", {}, tables={"subnetworks": subnetworks({})})])


def test_other_starts_are_said():
    other = run("b", CORE)
    object.__setattr__(other, "start", "other")
    (pair,) = cores_of_models(Runs([run("a", CORE), other]))
    assert "start from different pretrained weights" in pair.caveat


@pytest.mark.parametrize(("k", "size"), [(2, 6), (2, 12), (3, 12), (4, 16), (6, 18)])
def test_random_cores_decide_nothing(k, size):
    """The exact null of heads that k cores share: wrong in at most 6.5 % of 1,000 random sets."""
    kept = Kept.of(subnetworks({(1, 0.5): set()}, 6, 12))
    rng, wrong = np.random.default_rng(k * size), 0
    for _ in range(1000):
        masks = rng.random((k, 72)).argsort(axis=1) < size
        shared = shared_by_all(kept, masks)
        wrong += any(all_cores.decisions(shared, shared.p_value))
    assert wrong <= 65


def test_the_same_layers_are_no_shared_heads():
    kept = Kept.of(subnetworks({(1, 0.5): set()}, 6, 12))
    layer = np.zeros((3, 72), bool)
    layer[:, :12] = True
    shared = shared_by_all(kept, layer)
    assert shared.anywhere.p_value < 1e-9
    assert shared.in_layers.p_value == pytest.approx(1)


def spread(name, widths, seed=0, n=16, suites=None):
    """A run of searches whose OOD accuracies differ by so much."""
    rng = np.random.default_rng(seed)
    correct = {s: {"id": 90, "a": int(50 + rng.normal(0, widths))} for s in range(n)}
    kept = {(s, 0.5): {f"L1H{s % 6}", f"L2H{s // 6}"} for s in range(n)}
    return run(name, kept, correct=correct, suites={"id": "i", "ood": "o"} | (suites or {}))


def test_spread_is_tested_on_the_same_examples_only():
    narrow, wide = spread("narrow", 1), spread("wide", 20, seed=1)
    (answer,) = spread_pairs(Runs([narrow, wide]))
    assert answer.verdict.decision == "supported"
    rows = {row["measure"]: row for row in answer.rows["spread-of-pairs"]}
    assert rows["OOD spread"]["difference"].high < 0
    assert rows["OOD spread"]["test"] == "Welch's t over searches"
    (answer,) = spread_pairs(Runs([narrow, spread("other", 20, suites={"ood": "p"})]))
    assert answer.verdict.decision == "not decided by these data"
    assert "no test of the difference: other examples" in answer.verdict.reason
    rows = {row["measure"]: row for row in answer.rows["spread-of-pairs"]}
    assert rows["OOD spread"]["p"] is None
    assert rows["ID accuracy"]["p"] is not None
    (few,) = spread_pairs(Runs([narrow, spread("few", 20, n=4)]))
    assert "it takes 5 different subnetworks" in few.verdict.reason


@pytest.mark.parametrize("n", [(5, 5), (6, 12), (12, 12)])
def test_equal_spreads_differ_by_chance_only(n):
    rng = np.random.default_rng(0)
    draws = [[deviations(rng.normal(0, 1, k)) for k in n] for _ in range(1000)]
    assert sum(welch(*pair)[1] < 0.05 for pair in draws) <= 65


def test_opposite_verdicts_are_named():
    rows = [verdict("core", "it is so", d) for d in ("supported", "contradicted")]
    open_ = verdict("core", "it is so", "not decided by these data", sparsity=0.5)
    one, other = (run(n, CORE, verdicts=verdicts(row)) for n, row in zip("ab", rows, strict=True))
    (found,) = verdicts_of_runs(Runs([one, other]))
    assert found.verdict.decision == "contradicted"
    assert found.verdict.reason.endswith("1 of them in opposite ways: it is so")
    assert [r["decisions"] for r in found.rows["verdicts-by-run"]] == ["supported", "contradicted"]
    third = run("c", CORE, verdicts=verdicts(open_))
    (found,) = verdicts_of_runs(Runs([one, third]))
    assert found.verdict.decision == "not decided by these data"
    (found,) = verdicts_of_runs(Runs([one, run("d", CORE, verdicts=verdicts(rows[0]))]))
    assert found.verdict.decision == "supported"


def test_all_questions_fit_their_declarations():
    found = conclude(Runs([spread("a", 1), spread("b", 2, seed=3), run("c", CORE)]), ACROSS)
    assert set(found.verdicts["question"]) == {
        "core_of_models", "core_of_all", "core_elsewhere", "spread_of_pairs", "verdicts_of_runs",
    }  # fmt: skip
    elsewhere = found.verdicts[found.verdicts["question"] == "core_elsewhere"]
    assert elsewhere["reason"].str.contains("was not measured").all()
    assert found.tables["sizes-by-run"]["run"].tolist() == ["a", "b", "c"]


def test_intervals_of_sizes_lie_between_none_and_all_heads():
    """Two searches that keep 2 and 22 of 24 heads: Student's t alone gives -115 to 139."""
    every = {f"L{layer}H{head}" for layer in range(4) for head in range(6)}
    kept = {(1, 0.5): {"L0H0", "L1H0"}, (2, 0.5): every - {"L0H0", "L1H0"}}
    found = conclude(Runs([run("a", kept), run("b", CORE)]), ACROSS)
    row = found.tables["sizes-by-run"].iloc[0]
    assert (row["heads_low"], row["heads"], row["heads_high"]) == (0, 12, 24)
