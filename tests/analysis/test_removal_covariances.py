"""Errors of AUROCs without units, from the scores of single examples."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm
from simulated_removals import evidence

from heuristic_core.analysis.additivity import additivity
from heuristic_core.analysis.removal_covariances import removal_covariance, variance_of
from heuristic_core.analysis.removals import removals
from heuristic_core.analysis.separation import placements
from heuristic_core.measure.discrimination import auc_changes, packed
from heuristic_core.tables import KEPT_SCORES, REMOVAL, REMOVAL_DISCRIMINATION

MODEL = {"finetune_seed": 1, "checkpoint": 10, "readout": "model"}
REMOVED = ("", "L0H0", "L1H1", "L0H0+L1H1")
GROUPS = ("none", "single", "single", "core")
#: Adversarial cases, the group of each, and its right label.
CASES = {"a1": ("x", "no"), "a2": ("x", "no"), "a3": ("y", "no")}
N, N_FRIENDLY = 60, {"x": 90, "y": 40}
Scores = dict[str, np.ndarray]


def drawn(rng: np.random.Generator) -> Scores:
    """Scores by case, and by group of friendly ones: (system, example), exact in float16."""
    sizes = dict.fromkeys(CASES, N) | N_FRIENDLY
    scores = {}
    for name, n in sizes.items():
        full = rng.normal(1.5 * (name in CASES), 1, n)
        alone = rng.normal(-0.3 * (name in CASES), 0.3, (2, n))
        beyond = rng.normal(-0.4 * (name in CASES), 0.3, n)
        all_of = np.stack([full, full + alone[0], full + alone[1], full + alone.sum(0) + beyond])
        scores[name] = all_of.astype(np.float16).astype(np.float64)
    return scores


def tables(scores: Scores) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Both tables of the removals."""
    rows, areas = [], []
    for i, (removed, group) in enumerate(zip(REMOVED, GROUPS, strict=True)):
        names = MODEL | {"group": group, "draw": -1, "removed": removed}
        kinds = {"i": "id"} | dict.fromkeys(CASES, "adversarial")
        for case, kind in kinds.items():
            role = "id" if kind == "id" else "ood"
            label = CASES.get(case, ("", ""))[1]
            of_case = {"suite": role, "role": role, "case": case, "case_kind": kind}
            of_case |= {"label": label, "n": N, "correct": 9, "kl": 0.0, "margin": 1.0}
            nothing = dict.fromkeys(("margin_change", "margin_change_se"), 0.0)
            rows.append(names | of_case | nothing | {"interaction": -1.0, "interaction_se": 0.1})
        for case, (of_group, _) in CASES.items():
            pairs = [(scores[case][s], scores[of_group][s]) for s in (i, 0, 1, 2)]
            changes = auc_changes(*(pairs if group == "core" else pairs[:2]))
            kept = {"scores": packed(pairs[0][0]), "friendly_scores": packed(pairs[0][1])}
            area = {"auc": placements(*pairs[0])[0].mean(), "d_prime": 1.0, "bias": 0.0}
            sizes = {"n": N, "n_friendly": N_FRIENDLY[of_group], "case_group": of_group}
            areas.append(names | {"suite": "ood", "case": case} | sizes | area | changes | kept)
    table = pd.DataFrame(rows).assign(pooled_change=0.1)
    return REMOVAL.conform(table), REMOVAL_DISCRIMINATION.conform(pd.DataFrame(areas))


def means(scores: Scores) -> np.ndarray:
    """The mean AUROC over cases of each system."""
    of_cases = [
        [placements(*both)[0].mean() for both in zip(scores[case], scores[group], strict=True)]
        for case, (group, _) in CASES.items()
    ]
    return np.mean(of_cases, axis=0)


def resampled(rng: np.random.Generator, scores: Scores) -> Scores:
    """The same of examples drawn with replacement, of all systems alike."""
    n = {name: some.shape[1] for name, some in scores.items()}
    return {name: some[:, rng.integers(n[name], size=n[name])] for name, some in scores.items()}


def errors(seed: int) -> tuple[Scores, dict[str, float]]:
    """Scores, and standard errors by bootstrap over examples."""
    rng = np.random.default_rng(seed)
    scores = drawn(rng)
    aucs = np.stack([means(resampled(rng, scores)) for _ in range(2000)])
    d_primes = 2**0.5 * norm.ppf(aucs)
    beyond = np.array([1, -1, -1, 1])
    found = {
        "single": aucs[:, 1] - aucs[:, 0],
        "core": aucs[:, 3] - aucs[:, 0],
        "interaction": aucs @ beyond,
        "d_prime": d_primes @ beyond,
    }
    return scores, {name: float(some.std(ddof=1)) for name, some in found.items()}


@pytest.mark.parametrize("seed", [0, 1])
def test_errors_are_those_of_a_bootstrap_over_examples(seed):
    scores, expected = errors(seed)
    table, aurocs = tables(scores)
    (model,) = removals(evidence(table, aurocs))
    found = {
        "single": model.singles[0].auc,
        "core": model.core.auc,
        "interaction": model.core.auc_interaction,
    }
    for name, effect in found.items():
        assert sum(effect.variances) ** 0.5 == pytest.approx(expected[name], rel=0.08), name
    (answer,) = additivity(evidence(table, aurocs))
    (row,) = answer.rows["additivity"]
    interval = row["d_prime_interaction"]
    half = (interval.high - interval.low) / 2
    assert half == pytest.approx(1.97 * expected["d_prime"], rel=0.1)


def test_without_scores_errors_are_an_upper_bound():
    scores, expected = errors(2)
    table, aurocs = tables(scores)
    without = aurocs.assign(**dict.fromkeys((column.name for column in KEPT_SCORES), None))
    (exact,), (bound,) = (removals(evidence(table, some)) for some in (aurocs, without))
    assert not bound.covariances
    for name in ("auc", "auc_interaction"):
        own, at_most = (getattr(model.core, name) for model in (exact, bound))
        assert own.value == at_most.value
        assert sum(own.variances) < sum(at_most.variances)
    (row,) = additivity(evidence(table, without))[0].rows["additivity"]
    interval = row["d_prime_interaction"]
    assert interval.high - interval.low > 2 * 1.96 * expected["d_prime"]


def test_a_case_without_its_scores_leaves_the_covariance_unknown():
    _, aurocs = tables(drawn(np.random.default_rng(3)))
    labels = {("ood", case): label for case, (_, label) in CASES.items()}
    known = removal_covariance(aurocs, labels)
    assert variance_of(known, {"L0H0": 1.0, "": -1.0}) > 0
    assert variance_of(known, {"L5H5": 1.0, "": -1.0}) is None
    aurocs.loc[4, "friendly_scores"] = None
    assert removal_covariance(aurocs, labels) is None
    assert removal_covariance(aurocs[:0], labels) is None


def of_margins(margins: dict[str, np.ndarray]) -> pd.DataFrame:
    """The table of a full model and of it without a head, from the margins of both by case."""
    rows = []
    for case, both in margins.items():
        kind = {"a": "adversarial", "f": "friendly", "i": "id"}[case[0]]
        role, n = "id" if kind == "id" else "ood", both.shape[1]
        for i, (group, removed) in enumerate((("none", ""), ("single", "L0H0"))):
            change = both[i] - both[0]
            names = MODEL | {"group": group, "draw": -1, "removed": removed, "suite": role}
            of_case = {"role": role, "case": case, "case_kind": kind, "label": "", "n": n}
            numbers = {"correct": n // 2, "kl": 0.0, "margin": both[i].mean()}
            numbers |= {"margin_se": both[i].std(ddof=1) / n**0.5, "margin_change": change.mean()}
            numbers |= {"margin_change_se": change.std(ddof=1) / n**0.5, "pooled_change": 0.1}
            nothing = {"interaction": np.nan, "interaction_se": np.nan}
            rows.append(names | of_case | numbers | nothing)
    return REMOVAL.conform(pd.DataFrame(rows))


@pytest.mark.slow
@pytest.mark.parametrize("scaled", [0.0, 0.25])
def test_what_is_beyond_in_domain_has_the_error_of_a_ratio(scaled):
    """A head takes a quarter of the mean margins, or of every example's own."""
    rng = np.random.default_rng(5)
    sizes = {"i1": (400, 2.5), "i2": (300, 2.0), "a1": (220, 1.0), "a2": (150, 1.5), "f1": (300, 2)}

    def margins() -> dict[str, np.ndarray]:
        drawn = {}
        for case, (n, mean) in sizes.items():
            full = rng.normal(mean, 3, n)
            taken = 0.25 * mean + scaled * (full - mean) + rng.normal(0, 0.3, n)
            drawn[case] = np.stack([full, full - taken])
        return drawn

    found = []
    for _ in range(300):
        (model,) = removals(evidence(of_margins(margins())))
        found.append(model.singles[0].beyond_in_domain)
    values = np.array([effect.value for effect in found])
    errors = np.array([sum(effect.variances) ** 0.5 for effect in found])
    assert errors.mean() == pytest.approx(values.std(ddof=1), rel=0.12)
    # The null is true: the ratio's own bias is small beside its error.
    assert np.mean([effect.p_value < 0.05 for effect in found]) <= 0.09


def test_without_errors_of_margins_nothing_is_beyond_in_domain():
    table = of_margins({"i1": np.ones((2, 9)), "a1": np.stack([np.ones(9), np.zeros(9)])})
    (model,) = removals(evidence(table.assign(margin_se=np.nan)))
    assert model.singles[0].beyond_in_domain.value == -1.0
    assert model.singles[0].beyond_in_domain.p_value == 1.0


def margins_of(scores: Scores, groups: dict[str, int]) -> pd.DataFrame:
    """The table of removals of these scores, with each group of friendly examples in two cases."""
    rows = []
    of_scores = tables(scores)[0].drop_duplicates("removed")
    for i, names in enumerate(of_scores[[*MODEL, "group", "draw", "removed"]].to_dict("records")):
        kept = {case: (scores[case][i], "adversarial", CASES[case][0]) for case in CASES}
        for group, first in groups.items():
            parts = np.split(-scores[group][i], [first])
            kept |= {f"f{group}{j}": (part, "friendly", "yes") for j, part in enumerate(parts)}
        for case, (margin, kind, label) in kept.items():
            rows.append(names | {"suite": "ood", "role": "ood", "case": case, "case_kind": kind})
            rows[-1] |= {"label": label, "n": len(margin), "correct": 9, "kl": 0.0}
            rows[-1] |= {"margin": margin.mean(), "margin_change": 0.0, "margin_change_se": 0.1}
            rows[-1] |= {"interaction": np.nan, "interaction_se": np.nan, "pooled_change": 0.1}
    return REMOVAL.conform(pd.DataFrame(rows))


def test_margins_vary_together_as_in_a_bootstrap_over_examples():
    rng = np.random.default_rng(4)
    scores = drawn(rng)
    aurocs = tables(scores)[1]
    # Case x has 45 of 90 friendly examples in either of two cases, y 20 of 40.
    table = margins_of(scores, {"x": 45, "y": 20})
    (model,) = removals(evidence(table, aurocs))
    draws = []
    for _ in range(2000):
        some = resampled(rng, scores)
        adversarial = np.mean([some[case].mean(1) for case in CASES], axis=0)
        # Both kinds of case count by their examples.
        friendly = -np.concatenate([some["x"], some["y"]], axis=1).mean(1)
        draws.append([adversarial, (adversarial + friendly) / 2])
    for j, measure in enumerate(("adversarial margin", "balanced margin")):
        expected = np.cov(np.array(draws)[:, j, :3].T)
        found = model.covariances[measure].among(REMOVED[:3])
        assert np.allclose(found, expected, rtol=0.12), measure
    # Margins of other labels than the scores' are not means of them.
    (model,) = removals(evidence(table.assign(margin=table["margin"] + 0.1), aurocs))
    assert not {"adversarial margin", "balanced margin"} & set(model.covariances)
    # A friendly case that is nobody's counterpart is in the margin only.
    more = table.loc[table["case"] == "fy0"].assign(case="alone", margin=3.0)
    (model,) = removals(evidence(pd.concat([table, more]), aurocs))
    assert "adversarial margin" in model.covariances
    assert "balanced margin" not in model.covariances
