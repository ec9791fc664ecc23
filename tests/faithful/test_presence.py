"""Effects of units' presence: planted ones are found, and where there are none p is uniform."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

import heuristic_core as hc
from faithful.toy_subjects import Given
from heuristic_core.faithful.chains import Chains
from heuristic_core.faithful.presence import _measured, presence_effects, regress
from heuristic_core.faithful.sampling import sample_subnetworks
from heuristic_core.measure.discrimination import discriminate
from heuristic_core.tasks.task import Examples
from known.models import GATHER, ORDER, OVERLAP, OVERLAP_THEN_ORDER
from known.sentences import task
from known.wiring import build
from tiny import LABELS, some_pairs

QUICK = {"ramp_steps": 30, "hold_steps": 4, "exchange_rounds": 2, "exchange_examples": 48}


@pytest.fixture(scope="module")
def drawn():
    """Sixteen units kept or dropped by four chains of 60 draws, half a move of all apart."""
    rng = np.random.default_rng(0)
    costs = rng.normal(size=16)
    subject = Given(lambda choices: choices.astype(float) @ costs[:, None])
    starts = np.array([rng.permutation(16) < 8 for _ in range(4)])
    bound = float(np.exp(8 * costs.mean()))
    chains = Chains(subject, starts, bound, n_levels=1, free=False, guided=False, rng=rng)
    chains.warm_up(100, lambda done, of: None)
    kept = np.empty((60, 4, 16), dtype=bool)
    for draw in kept:
        for _ in range(4):
            chains.step()
        draw[:] = chains.choices[:, 0]
    return kept.reshape(-1, 16), np.tile(np.arange(4), 60)


def noise(rho, rng):
    """Values of 60 draws of four chains, each like those before it."""
    values = rng.normal(size=(60, 4))
    for i in range(1, 60):
        values[i] = rho * values[i - 1] + np.sqrt(1 - rho**2) * values[i]
    return values.ravel()


@pytest.mark.parametrize("rho", [0.0, 0.5])
def test_without_effects_p_is_uniform(drawn, rho):
    kept, chain = drawn
    rng = np.random.default_rng(1)
    tables = [regress(kept, noise(rho, rng), chain) for _ in range(200)]
    p = np.array([table["p"] for table in tables])
    for unit in (0, 5, 10):
        assert stats.kstest(p[:, unit], "uniform").pvalue > 0.01
    assert (p < 0.05).mean() == pytest.approx(0.05, abs=0.02)
    smallest = np.array([table["p_corrected"].min() for table in tables])
    assert (smallest < 0.05).mean() <= 0.08


def test_intervals_hold_the_effects_that_were_planted(drawn):
    """Those of each unit in place of another, on average over the others."""
    kept, chain = drawn
    rng = np.random.default_rng(2)
    slopes = rng.normal(size=16)
    others = (slopes.sum() - slopes) / 15
    held, found = [], []
    for _ in range(60):
        table = regress(kept, kept @ slopes + noise(0.3, rng), chain)
        held.append((table["low"] <= slopes - others) & (slopes - others <= table["high"]))
        found.append(table["effect"])
    assert np.mean(held) == pytest.approx(0.95, abs=0.03)
    np.testing.assert_allclose(np.mean(found, 0), slopes - others, atol=0.15)


def test_effects_are_exact_without_noise(drawn):
    kept, chain = drawn
    slopes = np.arange(16.0)
    table = regress(kept, kept @ slopes, chain)
    expected = slopes - (slopes.sum() - slopes) / 15
    np.testing.assert_allclose(table["effect"], expected, atol=1e-9)


def test_units_that_hardly_vary_have_no_effect_of_their_own(drawn):
    kept, chain = drawn
    rng = np.random.default_rng(3)
    more = np.c_[np.ones(240, bool), np.zeros(240, bool), kept]
    more[:3, 1] = True
    table = regress(more, noise(0, rng), chain)
    assert table.iloc[:2].isna().all(axis=None)
    assert table.iloc[2:].notna().all(axis=None)


def test_units_that_are_always_kept_together_have_no_effect_of_their_own(drawn):
    kept, chain = drawn
    twins = np.c_[kept[:, 3], kept]
    table = regress(twins, kept @ np.arange(16.0) + noise(0, np.random.default_rng(4)), chain)
    assert table.iloc[[0, 4]].isna().all(axis=None)
    assert table.drop([0, 4]).notna().all(axis=None)


def test_too_few_draws_are_refused(drawn):
    kept, chain = drawn
    with pytest.raises(hc.InputError, match=r"24 subnetworks are too few .* 16 units .* least 58"):
        regress(kept[:24], np.arange(24.0), chain[:24])


@pytest.mark.slow
def test_the_head_that_generalises_is_found(tmp_path):
    """All answers rest on the overlap head; the order head is of use out of domain alone."""
    model = build(OVERLAP_THEN_ORDER, tmp_path)
    toy = task()
    sample = sample_subnetworks(model, toy, 0.5, bound=0.01, n=120, steps=5, examples=32, **QUICK)
    share = sample.inclusion.set_index("unit")["share"]
    assert share[OVERLAP] == share[GATHER] == 1
    assert 0.2 < share[ORDER] < 0.8
    effects = presence_effects(sample, toy)
    for _, of_measure in effects.groupby("measure"):
        table = of_measure.set_index("unit")
        assert table["effect"].abs().idxmax() == ORDER
        assert table.loc[ORDER, "low"] > 0
        assert table.loc[ORDER, "p_corrected"] < 0.001
        # What all keep has no effect here; of the others none has one.
        assert np.isnan(table.loc[OVERLAP, "effect"])
        rest = table.drop(ORDER).dropna()
        assert len(rest) >= 8
        assert (rest["effect"].abs() < 0.2 * table.loc[ORDER, "effect"]).all()
    with pytest.raises(hc.InputError, match="nothing says how well subnetworks generalise"):
        presence_effects(sample, replace(toy, suites=toy.suites[:1]))


def test_errors_over_examples_are_added(drawn):
    """Units without an effect that seem to have one, as all draws answer the same few examples."""
    kept, chain = drawn
    rng = np.random.default_rng(5)
    p = []
    for _ in range(60):
        by_unit = rng.normal(size=(16, 24))  # what a unit does to each example: nothing on average
        on_examples = kept @ by_unit + rng.normal(size=24)
        table = regress(kept, on_examples.mean(1), chain, [on_examples])
        p.append(table["p"])
        alone = regress(kept, on_examples.mean(1), chain)
        assert (alone["p"] < 0.05).mean() > 0.9
    assert stats.kstest(np.array(p)[:, 3], "uniform").pvalue > 0.01
    assert (np.array(p) < 0.05).mean() == pytest.approx(0.05, abs=0.03)


def test_what_a_measure_owes_to_examples_adds_up_to_it(tiny_loaded):
    """By AUROC and margin of every subnetwork, one at a time."""
    words = some_pairs(36, seed=1).table
    cases = np.repeat(["a1", "a2", "f"], 12)
    labels = [LABELS[1]] * 24 + [LABELS[0]] * 12
    examples = Examples.build(words["text"], words["text_pair"], labels, cases, LABELS)
    kinds = {"a1": "adversarial", "a2": "adversarial", "f": "friendly"}
    suite = hc.Suite(name="s", role="ood", examples=examples, kinds=kinds)
    data = hc.prepare(tiny_loaded, some_pairs(24))
    sample = sample_subnetworks(tiny_loaded, data, 0.5, bound=10.0, n=40, **QUICK)
    measured = _measured(sample, [suite], lambda done, of: None)
    for i in (0, 17, 39):
        one = sample[i]
        rows = hc.evaluate(tiny_loaded, suite, subnetwork=one)
        margin = rows.loc[rows["case_kind"] == "adversarial", "margin"].mean()
        assert measured["margin"].values[i] == pytest.approx(margin, abs=1e-5)
        logits = hc.predict(tiny_loaded, tiny_loaded.encode(examples), subnetwork=one)
        auc = discriminate(suite, tiny_loaded.labels, logits)["auc"].mean()
        assert measured["auc"].values[i] == pytest.approx(auc, abs=1e-6)
    means = [sum(part.mean(1) for part in measured[name].parts) for name in ("margin", "auc")]
    np.testing.assert_allclose(means[0], measured["margin"].values)
    # Of AUROCs both sides have the same mean.
    np.testing.assert_allclose(means[1], 2 * measured["auc"].values)
