"""Aims of searches: what is aimed at, how it is weighed, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from heuristic_core.errors import InputError
from heuristic_core.search.aim import aim_at, chance_of
from heuristic_core.search.data import prepare
from heuristic_core.search.find import find_subnetworks, find_subnetworks_together
from heuristic_core.search.linear import AimedModel, LinearModel
from heuristic_core.tasks.task import Suite
from tiny import LABELS, some_pairs

QUICK = {"ramp_steps": 6, "hold_steps": 2, "exchange_rounds": 1, "exchange_examples": 16}


@pytest.fixture(scope="module")
def suite():
    examples = some_pairs(40, seed=4)
    entailed = examples.table.groupby("case")["label"].agg(lambda x: x.iloc[0] == LABELS[0])
    kinds = {case: "friendly" if is_so else "adversarial" for case, is_so in entailed.items()}
    return Suite(name="pairs", role="ood", examples=examples, kinds=kinds)


def test_kinds_and_cases_count_alike(tiny, suite):
    aim = aim_at(tiny, suite, towards="well", bound=0.1)
    cases = suite.examples.table["case"]
    weights = aim.weights.numpy()
    assert weights.mean() == pytest.approx(1)
    for kind in ("adversarial", "friendly"):
        of_kind = (cases.map(suite.kind) == kind).to_numpy()
        assert weights[of_kind].sum() == pytest.approx(20)
        by_case = [weights[(cases == case).to_numpy()].sum() for case in cases[of_kind].unique()]
        assert by_case == pytest.approx([by_case[0]] * len(by_case))
    right = suite.examples.table["label"].map(tiny.labels.index).to_numpy()
    assert (aim.right.numpy().argmax(1) == right).all()


def test_the_chance_of_the_right_label_is_that_of_softmax():
    logits = torch.tensor([[1.0, 2.0, 0.5], [0.0, 0.0, 3.0]])
    right = torch.tensor([[True, True, False], [False, False, True]])
    odds = logits.exp().numpy()
    expected = [odds[0, :2].sum() / odds[0].sum(), odds[1, 2] / odds[1].sum()]
    np.testing.assert_allclose(chance_of(right, logits), expected, rtol=1e-6)


def test_the_score_is_a_smooth_auroc_that_no_label_bias_moves(tiny, suite):
    aim = aim_at(tiny, suite, towards="well", bound=0.02)
    rows = np.arange(len(suite.examples))
    logits = torch.randn(len(rows), 2, generator=torch.Generator().manual_seed(0))
    score = float(aim.score(rows, logits))
    # By hand: adversarial pairs are non-entailments here, friendly ones entailments.
    odds = (logits[:, 1] - logits[:, 0]).numpy()
    weights, side = aim.weights.numpy(), aim.side.numpy()
    total = above = 0.0
    for i in np.flatnonzero(side > 0):
        for j in np.flatnonzero(side < 0):
            if suite.group(suite.examples.table["case"][i]) == suite.group(
                suite.examples.table["case"][j]
            ):
                total += weights[i] * weights[j]
                above += weights[i] * weights[j] / (1 + np.exp(odds[j] - odds[i]))
    assert score == pytest.approx(above / total, rel=1e-5)
    biased = logits + torch.tensor([0.0, 7.0])
    assert float(aim.score(rows, biased)) == pytest.approx(score, rel=1e-4)
    apart = torch.stack([torch.zeros(len(rows)), 20.0 * torch.from_numpy(side).float()], -1)
    assert float(aim.score(rows, apart)) == pytest.approx(1)
    several = torch.stack([logits, biased, apart])
    assert aim.score(rows, several).tolist() == pytest.approx([score, score, 1], rel=1e-4)
    assert float(aim.score(np.flatnonzero(side > 0), logits[side > 0])) == 0  # no pair


def test_without_pairs_the_score_is_the_chance_of_the_right_label(tiny):
    examples = some_pairs(12, seed=4)
    kinds = dict.fromkeys(examples.table["case"], "shift")
    aim = aim_at(
        tiny, Suite(name="s", role="ood", examples=examples, kinds=kinds), towards="well", bound=1.0
    )
    logits = torch.randn(12, 2, generator=torch.Generator().manual_seed(0))
    p = torch.softmax(logits, -1)[aim.right].double()
    weights = aim.weights
    assert float(aim.score(np.arange(12), logits)) == pytest.approx(
        float((weights * p).sum() / weights.sum()), rel=1e-5
    )


@pytest.mark.parametrize("well", [True, False])
def test_the_predicted_value_is_that_of_the_moved_model(tiny, suite, well):
    aim = aim_at(tiny, suite, towards="well" if well else "badly", bound=0.02)
    generator = torch.Generator().manual_seed(3)
    draw = lambda *shape: torch.randn(*shape, generator=generator)  # noqa: E731
    faithful = LinearModel(torch.log_softmax(draw(8, 2), -1), draw(8, 2), draw(8, 2, 6))
    one = AimedModel(faithful, aim, np.arange(10), draw(10, 2), draw(10, 2, 6))
    backs = np.array([1, 4, 5])
    predicted = one.predicted(2, backs)
    for value, back in zip(predicted, backs, strict=True):
        assert float(value) == pytest.approx(one.moved([(2, int(back))]).value, rel=1e-5)


def test_one_seed_alone_and_two_in_one_pass_find_the_same(tiny, suite):
    data = prepare(tiny, some_pairs(64))
    aim = aim_at(tiny, suite, towards="well", bound=0.05)
    together = find_subnetworks_together(tiny, data, [0.5], seeds=[3, 4], aim=aim, **QUICK)
    for seed, (subnetwork,) in together.items():
        assert "generalise well" in subnetwork.provenance["aim"]
        (alone,) = find_subnetworks(tiny, data, [0.5], seed=seed, aim=aim, **QUICK)
        assert alone.kept == subnetwork.kept
        np.testing.assert_allclose(alone.soft, subnetwork.soft, atol=1e-3)


def test_a_subnetwork_is_improved_by_exchanges_alone(tiny):
    data = prepare(tiny, some_pairs(64))
    (start,) = find_subnetworks(tiny, data, [0.5], method="random", seed=2)
    (better,) = find_subnetworks(tiny, data, [0.5], improve=start, exchange_rounds=4)
    assert len(better) == len(start)
    assert better.provenance["exchanges"]

    def divergence(subnetwork):
        from heuristic_core.faithful.divergence import Divergences

        return Divergences(tiny, data).of(subnetwork.mask[None])[0]

    assert divergence(better) < divergence(start)
    (same,) = find_subnetworks(tiny, data, [0.5], improve=start, exchange_rounds=0)
    assert same.kept == start.kept


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"towards": "fine"}, "unknown aim 'fine'"),
        ({"bound": 0.0}, "must be a number above 0"),
        ({"bound": float("nan")}, "must be a number above 0"),
    ],
)
def test_wrong_aims_are_refused(tiny, suite, changes, message):
    given = {"suite": suite, "towards": "well", "bound": 0.1} | changes
    with pytest.raises(InputError, match=message):
        aim_at(tiny, given.pop("suite"), **given)


def test_only_learned_takes_an_aim_or_a_start(tiny, suite):
    data = prepare(tiny, some_pairs(16))
    aim = aim_at(tiny, suite, towards="well", bound=0.1)
    with pytest.raises(InputError, match="takes no aim and improves no subnetwork"):
        find_subnetworks(tiny, data, [0.5], method="random", aim=aim)
    (start,) = find_subnetworks(tiny, data, [0.5], method="random")
    with pytest.raises(InputError, match="keeps 5 of the units to choose from, the search is for"):
        find_subnetworks(tiny, data, [0.3], improve=start)
