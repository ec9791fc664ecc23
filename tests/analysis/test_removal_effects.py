from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from simulated_removals import evidence, full_aurocs, heads, simulate, singles

from heuristic_core.analysis.effect import Effect, corrected, estimated
from heuristic_core.analysis.evidence import Evidence
from heuristic_core.analysis.removal_effects import ModelRemovals, with_unit
from heuristic_core.analysis.removals import removals


def read(table, aurocs=None) -> ModelRemovals:
    (model,) = removals(evidence(table, aurocs))
    return model


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
    table, aurocs = simulate(np.random.default_rng(0), [*singles(["L0H0"]), ("core", -1, "L0H0")])
    rows = table[table["group"] == "single"].set_index("case")
    model = read(table, aurocs)
    (single,) = model.singles
    assert single.removed == ("L0H0",)
    change, se = rows["margin_change"], rows["margin_change_se"]
    assert single.margin["adversarial"].value == pytest.approx((change["a1"] + change["a2"]) / 2)
    balanced = single.margin["balanced"]
    four = ["a1", "a2", "f1", "f2"]
    assert balanced.value == pytest.approx(change[four].mean())
    assert sum(balanced.variances) == pytest.approx((se[four] ** 2).sum() / 16)
    assert single.margin["in_domain"].value == pytest.approx(change["i1"])
    assert not single.interaction
    rows = aurocs[aurocs["group"] == "single"]
    assert single.auc.value == pytest.approx(rows["auc_change"].mean())
    common = rows["auc_change_common_se"].iloc[0]
    expected = (rows["auc_change_se"] ** 2).sum() / 4 + common**2
    assert sum(single.auc.variances) == pytest.approx(expected)
    assert model.full_auc == pytest.approx(0.8)
    assert model.n_adversarial == 60
    assert model.full_margin["balanced"] == pytest.approx(2)
    assert single.generalisation is single.auc
    assert single.measure == "AUROC"
    assert model.core.removed == ("L0H0",)


def test_without_auroc_the_balanced_margin_says_most_of_generalisation():
    table, _ = simulate(np.random.default_rng(0), singles(["L0H0"]))
    model = read(table)
    assert model.singles[0].generalisation == model.singles[0].margin["balanced"]
    model = read(table[table["case_kind"] != "friendly"])
    assert model.singles[0].measure == "adversarial margin"
    model = read(table[table["role"] == "id"])
    assert model.singles[0].generalisation is None


def test_changes_of_accuracy_by_hand():
    table, _ = simulate(np.random.default_rng(0), singles(["L0H0"]), n=70)
    table = table[table["case"] == "i1"]
    table["correct"] = np.where(table["group"] == "none", 48, 56)
    model = read(table)
    assert model.singles[0].accuracy["in_domain_points"] == pytest.approx(800 / 70)


@pytest.mark.parametrize("n", [5, 30])
def test_intervals_cover(n):
    rng = np.random.default_rng(n)
    units = heads(2, 5)
    table, aurocs = simulate(rng, singles(units), n_studies=60, change=0.3, auroc=-0.05, n=n)
    hits: dict[str, list[bool]] = {"balanced": [], "in_domain": [], "auc": []}
    for model in removals(evidence(table, aurocs)):
        for single in model.singles:
            for kind in ("balanced", "in_domain"):
                e = single.margin[kind].estimate()
                hits[kind].append(e.low <= 0.3 <= e.high)
            e = single.auc.estimate()
            hits["auc"].append(e.low <= -0.05 <= e.high)
    for kind, inside in hits.items():
        assert 0.90 <= np.mean(inside) <= 0.99, kind


def test_p_values_are_corrected_and_unknown_ones_are_1():
    clear, none = Effect(-2.0, (0.01,), (50.0,)), None
    p = 3 * clear.p_value
    assert corrected([clear, none, clear]) == pytest.approx([p, 1.0, p])
    assert estimated(none) is None
    assert estimated(clear) == clear.estimate()


def test_measures_have_units():
    assert with_unit("AUROC") == "AUROC"
    assert with_unit("balanced margin") == "balanced margin, nats"


def test_every_change_has_its_measure():
    table, aurocs = simulate(np.random.default_rng(0), singles(["L0H0"]))
    (single,) = read(table, aurocs).singles
    assert list(single.changes) == [
        "AUROC",
        "balanced margin",
        "adversarial margin",
        "friendly margin",
        "in-domain margin",
    ]
    assert single.changes["in-domain margin"] is single.margin["in_domain"]
    (single,) = read(table[table["case_kind"] != "friendly"]).singles
    assert list(single.changes) == ["adversarial margin", "in-domain margin"]


def test_auroc_is_a_mean_over_separable_cases():
    table, aurocs = simulate(np.random.default_rng(0), singles(["L0H0"]))
    changes = aurocs[aurocs["group"] == "single"].set_index("case")["auc_change"]

    def auroc_changes(full, readout="model") -> tuple[float, float]:
        measured = {"removal": table, "removal_discrimination": aurocs}
        read_by = {name: frame.assign(readout=readout) for name, frame in measured.items()}
        (model,) = removals(Evidence(read_by | {"discrimination": full}))
        return model.singles[0].auc.value, model.singles[0].auc_all.value

    one_separable = full_aurocs(a1=0.4, a2=0.9)
    assert auroc_changes(one_separable) == pytest.approx((changes["a2"], changes.mean()))
    assert auroc_changes(one_separable, "probe") == pytest.approx((changes.mean(),) * 2)
    assert auroc_changes(full_aurocs(a1=0.4, a2=0.51)) == pytest.approx((changes.mean(),) * 2)


@pytest.mark.parametrize(
    ("full_auc", "measure", "where"),
    [
        (0.59, "balanced margin", "below 0.6"),
        (0.6, "AUROC", ""),
        (0.95, "AUROC", ""),
        (0.96, "balanced margin", "above 0.95"),
    ],
)
def test_the_margin_decides_where_the_full_model_leaves_auroc_no_room(full_auc, measure, where):
    tables = simulate(np.random.default_rng(0), singles(["L0H0"]), full_auc=full_auc)
    model = read(*tables)
    assert model.singles[0].measure == measure
    assert where in model.without_room
    assert bool(model.without_room) == bool(where)
    assert model.auc_sizes == (60, 30)


def test_the_margin_changes_nothing_if_auroc_does_not():
    """Label bias that saturates, or less confidence, moves margins only."""
    for auroc, sign in ((0.0, 0), (-0.2, -1), (0.2, 0)):
        tables = simulate(
            np.random.default_rng(0), singles(["L0H0"]), change=-1.0, auroc=auroc, full_auc=0.96
        )
        (single,) = read(*tables).singles
        assert single.generalisation.p_value < 1e-3
        assert single.sign(single.generalisation.p_value) == sign
