from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from simulated_removals import heads, simulate, singles

from heuristic_core.analysis.effects import Effect, answerers


def test_one_sample_is_students_t():
    sample = np.array([0.3, 1.2, 0.7, 2.0, -0.4])
    effect = Effect(sample.mean(), (sample.var(ddof=1) / 5,), (4.0,))
    expected = stats.ttest_1samp(sample, 0)
    interval = expected.confidence_interval()
    e = effect.estimate()
    assert (e.low, e.high) == pytest.approx(tuple(interval))
    assert effect.p_value == pytest.approx(expected.pvalue)


def test_a_difference_of_two_is_welchs_test():
    rng = np.random.default_rng(0)
    one, other = rng.normal(1, 1, 12), rng.normal(0, 3, 7)
    effects = [Effect(x.mean(), (x.var(ddof=1) / len(x),), (len(x) - 1.0,)) for x in (one, other)]
    expected = stats.ttest_ind(one, other, equal_var=False)
    assert (effects[0] - effects[1]).p_value == pytest.approx(expected.pvalue)
    e = (effects[0] - effects[1]).estimate()
    assert (e.low, e.high) == pytest.approx(tuple(expected.confidence_interval()))
    assert ((effects[0] - effects[1]) * 3).p_value == pytest.approx(expected.pvalue)


def test_without_spread_it_is_as_if_one_example_had_not_changed():
    alike = Effect(-2.0, (0.0, 0.0), (9.0, 4.0))
    sample = np.array([-2.0, -2.0, -2.0, -2.0, 0.0])
    # One of five at 0 has this error beside changes of -2.
    error = sample.std(ddof=1) / 5**0.5
    assert error == pytest.approx(2 / 5)
    assert alike.p_value == pytest.approx(2 * stats.t.sf(2 / error, 4))
    half = stats.t.ppf(0.975, 4) * error
    assert (alike.estimate().low, alike.estimate().high) == pytest.approx((-2 - half, -2 + half))
    assert Effect(-2.0, (0.0,), (1.0,)).p_value > 0.05
    assert Effect(0.0, (0.0,), (4.0,)).p_value == 1
    assert Effect(0.0, (0.0,), (4.0,)).estimate().high == 0


def test_what_is_not_known_decides_nothing():
    assert Effect(1.0, (np.nan, 1.0), (1.0, 4.0)).p_value == 1
    assert np.isnan(Effect(1.0, (np.nan, 1.0), (1.0, 4.0)).estimate().low)
    assert Effect(1e-8, (1e-20,), (4.0,)).p_value == 1  # rounding


def test_means_over_cases_by_hand():
    table, apart = simulate(np.random.default_rng(0), [*singles(["L0H0"]), ("core", -1, "L0H0")])
    rows = table[table["group"] == "single"].set_index("case")
    (found,) = answerers(table, apart)
    (single,) = found.singles
    assert single.removed == ("L0H0",)
    change, se = rows["margin_change"], rows["margin_change_se"]
    assert single.margin["adversarial"].value == pytest.approx((change["a1"] + change["a2"]) / 2)
    balanced = single.margin["balanced"]
    four = ["a1", "a2", "f1", "f2"]
    assert balanced.value == pytest.approx(change[four].mean())
    assert sum(balanced.variances) == pytest.approx((se[four] ** 2).sum() / 16)
    assert single.margin["in_domain"].value == pytest.approx(change["i1"])
    assert not single.interaction
    areas = apart[apart["group"] == "single"]
    assert single.auc.value == pytest.approx(areas["auc_change"].mean())
    common = areas["auc_change_common_se"].iloc[0]
    expected = (areas["auc_change_se"] ** 2).sum() / 4 + common**2
    assert sum(single.auc.variances) == pytest.approx(expected)
    assert found.full_auc == pytest.approx(0.8)
    assert found.n_adversarial == 60
    assert found.full_margin["balanced"] == pytest.approx(2)
    assert single.generalisation is single.auc
    assert single.measure == "area under the curve"
    assert found.core.removed == ("L0H0",)


def test_without_areas_the_balanced_margin_speaks():
    table, _ = simulate(np.random.default_rng(0), singles(["L0H0"]))
    (found,) = answerers(table, None)
    assert found.singles[0].generalisation == found.singles[0].margin["balanced"]
    (found,) = answerers(table[table["case_kind"] != "friendly"], None)
    assert found.singles[0].measure == "adversarial margin"
    (found,) = answerers(table[table["role"] == "id"], None)
    assert found.singles[0].generalisation is None


def test_changes_of_accuracy_by_hand():
    """A single case has the interval for a difference of two proportions."""
    table, _ = simulate(np.random.default_rng(0), singles(["L0H0"]), n=70)
    table = table[table["case"] == "i1"]
    table["correct"] = np.where(table["group"] == "none", 48, 56)
    (found,) = answerers(table, None)
    e = found.singles[0].accuracy["in_domain"]
    new, old = (stats.binomtest(k, 70).proportion_ci(method="wilson") for k in (56, 48))
    low = 100 * (8 / 70 - ((56 / 70 - new.low) ** 2 + (old.high - 48 / 70) ** 2) ** 0.5)
    high = 100 * (8 / 70 + ((new.high - 56 / 70) ** 2 + (48 / 70 - old.low) ** 2) ** 0.5)
    assert (e.value, e.low, e.high) == pytest.approx((800 / 70, low, high))


@pytest.mark.parametrize("n", [5, 30])
def test_intervals_cover(n):
    rng = np.random.default_rng(n)
    units = heads(2, 5)
    table, apart = simulate(rng, singles(units), n_studies=60, change=0.3, area=-0.05, n=n)
    hits: dict[str, list[bool]] = {"balanced": [], "in_domain": [], "auc": []}
    for found in answerers(table, apart):
        for single in found.singles:
            for part in ("balanced", "in_domain"):
                e = single.margin[part].estimate()
                hits[part].append(e.low <= 0.3 <= e.high)
            e = single.auc.estimate()
            hits["auc"].append(e.low <= -0.05 <= e.high)
    for part, inside in hits.items():
        assert 0.90 <= np.mean(inside) <= 0.99, part
