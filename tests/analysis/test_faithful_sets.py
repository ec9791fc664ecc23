"""The questions on the set of faithful subnetworks: decisions on tables whose answer is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from heuristic_core.analysis import coexistence, generalisation_range, necessity, repulsion
from heuristic_core.analysis.conclusions import conclude
from heuristic_core.analysis.evidence import Evidence
from sets_by_hand import necessity as necessity_table
from sets_by_hand import repelled, targeted

SUPPORTED, CONTRADICTED, OPEN = "supported", "contradicted", "not decided by these data"


def verdict(module, tables):
    """The only verdict of a module's question."""
    conclusions = conclude(Evidence(tables), [module.QUESTION])
    (row,) = conclusions.verdicts.to_dict("records")
    return row, conclusions.tables


FAR = {"none": [0.7, 0.8, 0.75], "well": [0.9, 0.92, 0.91], "badly": [0.5, 0.52, 0.49]}
NEAR = {"none": [0.7, 0.71, 0.7], "well": [0.71, 0.7, 0.72], "badly": [0.7, 0.7, 0.71]}


@pytest.mark.parametrize(
    ("aurocs", "changes", "decision"),
    [
        (FAR, {}, SUPPORTED),
        (NEAR, {}, CONTRADICTED),
        (FAR, {"se": 0.5}, OPEN),  # the examples could be what differs
        (NEAR, {"se": 0.5}, OPEN),
        ({aim: values[:1] for aim, values in FAR.items()}, {}, OPEN),
        # A difference that is clear, and smaller than asked for.
        ({"none": [0.7] * 3, "well": [0.75, 0.76, 0.75], "badly": [0.7] * 3}, {}, CONTRADICTED),
    ],
)
def test_the_range_is_decided_by_seeds_and_examples(aurocs, changes, decision):
    row, tables = verdict(generalisation_range, targeted(aurocs, **changes))
    assert row["decision"] == decision
    assert len(tables["aimed-subnetworks"]) == sum(map(len, aurocs.values()))
    if decision == CONTRADICTED:
        assert "one kind only" in row["reason"]


def test_the_effect_and_its_interval_are_those_of_two_crossed_errors():
    row, _ = verdict(generalisation_range, targeted(FAR, se=0.03))
    pairs = np.subtract(FAR["well"], FAR["badly"])
    half = math.hypot(
        stats.t.ppf(0.975, 2) * pairs.std(ddof=1) / 3**0.5, stats.norm.ppf(0.975) * 0.03
    )
    assert row["effect"] == pytest.approx(pairs.mean())
    assert row["effect_high"] == pytest.approx(pairs.mean() + half)


def test_what_is_beyond_the_bound_does_not_count():
    beyond = {"well": [0.3, 0.3, 0.05]}
    row, tables = verdict(generalisation_range, targeted(FAR, beyond))
    assert row["decision"] == OPEN
    assert "1 of 3 pairs" in row["reason"]
    of_aim = tables["generalisation-range"].set_index("aim")
    assert of_aim.loc["well", "n_faithful"] == 1


def test_cases_aimed_at_do_not_judge():
    tables = targeted(FAR)
    rows = tables["targeted"]
    aimed = rows["aimed"] & (rows["case_kind"] == "adversarial")
    tables["targeted"] = rows.assign(auc=rows["auc"].where(~aimed, 0.123))
    row, shown = verdict(generalisation_range, tables)
    assert row["effect"] == pytest.approx(np.subtract(FAR["well"], FAR["badly"]).mean())
    assert (shown["aimed-subnetworks"]["aimed_auc"] == 0.123).all()


@pytest.mark.parametrize(
    ("aurocs", "divergences", "decision", "word"),
    [
        (FAR | {"apart": [0.9, 0.91, 0.92]}, {}, SUPPORTED, "both kinds coexist"),
        (FAR | {"apart": [0.5, 0.5, 0.5]}, {"apart": [0.9, 1.0, 1.1]}, CONTRADICTED, "nested"),
        # Near the bound, noise could be why none is within it.
        (FAR | {"apart": [0.9] * 3}, {"apart": [0.101, 0.3, 0.102]}, OPEN, ""),
        # Faithful without these heads, and no better.
        (FAR | {"apart": [0.5, 0.51, 0.5]}, {}, OPEN, ""),
        (NEAR | {"apart": [0.7, 0.7, 0.7]}, {"apart": [0.9, 1.0, 1.1]}, OPEN, "no two kinds"),
        (FAR | {"apart": [0.5, 0.5]}, {"apart": [0.9, 1.0]}, OPEN, ""),
        (FAR, {}, OPEN, "too few units are left"),
    ],
)
def test_both_kinds_coexist_or_are_nested(aurocs, divergences, decision, word):
    row, _ = verdict(coexistence, targeted(aurocs, divergences))
    assert row["decision"] == decision
    assert word in row["reason"]
    known = decision == OPEN and "apart" in aurocs and aurocs["well"] == FAR["well"]
    assert ("a divergence of 2 bounds" in row["power"]) == known


SAME = {"L0H0", "L0H1", "L1H2"}


def draws(n, seed, shared=()):
    """Subnetworks of six heads, some of them shared."""
    rng = np.random.default_rng(seed)
    heads = [f"L{layer}H{head}" for layer in range(2) for head in range(8)]
    free = [head for head in heads if head not in shared]
    return [{*shared, *rng.choice(free, 6 - len(shared), replace=False)} for _ in range(n)]


def test_a_core_that_survives_is_supported():
    row, tables = verdict(repulsion, {"repelled": repelled({0.0: draws(5, 0, SAME)})})
    assert row["decision"] == OPEN  # nothing repelled them
    found = {0.0: draws(5, 0, SAME), 0.3: draws(5, 1, SAME), 1.0: draws(5, 2)}
    # Beyond the bound at the highest weight, which does not count.
    row, tables = verdict(repulsion, {"repelled": repelled(found, {1.0: 0.2})})
    assert row["decision"] == SUPPORTED
    assert row["p"] < 0.01
    shown = tables["repulsion"].set_index("repel")
    assert set(shown.loc[0.3, "members"].split()) >= SAME
    assert list(shown["faithful"]) == [True, True, False]


def test_nothing_shared_at_full_fidelity_is_contradicted():
    halves = [{f"L{i}H{h}" for i in range(2) for h in hs} for hs in (range(4), range(4, 8))]
    row, tables = verdict(repulsion, {"repelled": repelled({0.3: halves})})
    assert row["decision"] == CONTRADICTED
    assert tables["repulsion"]["jaccard"].tolist() == [0]


def test_open_repulsion_says_how_many_subnetworks_would_find_a_core():
    found = draws(2, 4)
    row, _ = verdict(repulsion, {"repelled": repelled({0.3: found})})
    assert row["decision"] == OPEN
    n, now = [int(w) for w in row["power"].replace(",", "").split() if w.isdigit()][:2]
    rng = np.random.default_rng(0)
    sizes = [[sum(unit.startswith(f"L{i}") for unit in one) for i in range(2)] for one in found]

    def by_chance(n_sets):
        """How often random sets with as many heads in each layer share three or more."""
        shared = np.zeros(20_000, dtype=int)
        for layer in range(2):
            ranks = rng.random((20_000, n_sets, 8)).argsort(-1)
            kept = ranks < np.array([sizes[i % 2][layer] for i in range(n_sets)])[:, None]
            shared += kept.all(1).sum(-1)
        return (shared >= 3).mean()

    assert now == 2
    assert by_chance(n) < 0.05 < by_chance(n - 1)


@pytest.mark.slow
def test_chance_alone_seldom_leaves_a_core():
    decided = [
        verdict(repulsion, {"repelled": repelled({0.3: draws(3, seed)})})[0]["decision"]
        for seed in range(200)
    ]
    assert decided.count(SUPPORTED) <= 13  # 6.5 %


CORE = {"L0H0", "L0H1", "L0H2", "L1H0", "L1H1", "L1H2"}


@pytest.mark.parametrize(
    ("needed", "changes", "decision"),
    [
        (CORE, {}, SUPPORTED),
        (set(), {}, CONTRADICTED),
        ({"L0H0", "L0H1", "L1H0"}, {}, OPEN),
        # All heads are needed, core or not: that says nothing of the core.
        ({f"L{i}H{h}" for i in range(2) for h in range(8)}, {}, OPEN),
        (CORE, {"se": 0.4}, CONTRADICTED),  # none is beyond the bound by more than its error
        (CORE, {"n_searches": 2}, OPEN),
    ],
)
def test_the_core_is_necessary_or_not(needed, changes, decision):
    row, tables = verdict(necessity, {"necessity": necessity_table(CORE, needed, **changes)})
    assert row["decision"] == decision
    (agreement,) = tables["cores"].to_dict("records")
    assert agreement["core"] == 6
    if decision == OPEN and row["reason"].startswith("without"):
        # Nine of eleven is the least 80 % of which Wilson's interval is above one half.
        assert row["power"].startswith("with 11 heads in the core")
    if decision == SUPPORTED:
        assert agreement["jaccard"] == 1
        # The core's six among 8 of each layer are drawn with probability 1 in 56 squared.
        assert row["p"] == pytest.approx(56**-2)


def test_needed_heads_that_are_not_of_the_core_are_told():
    table = necessity_table(CORE, {"L0H0", "L1H7"})
    _, tables = verdict(necessity, {"necessity": table})
    (agreement,) = tables["cores"].to_dict("records")
    assert (agreement["needed"], agreement["both"]) == (2, 1)
    assert agreement["jaccard"] == pytest.approx(1 / 7)
