from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from simulated_removals import (
    CASES,
    decisions,
    evidence,
    of_scores,
    probits,
    share_decided,
    simulate,
    singles,
)

from heuristic_core.analysis.additivity import QUESTION, additivity
from heuristic_core.analysis.conclusions import conclude
from heuristic_core.analysis.question import Answer
from heuristic_core.analysis.removals import removals
from heuristic_core.analysis.separation import auc_variance

UNITS = ["L0H0", "L1H1", "L2H2"]
PAIRS = [("pair", -1, pair) for pair in ("L0H0+L1H1", "L0H0+L2H2", "L1H1+L2H2")]
CORE = [("core", -1, "+".join(UNITS))]
REMOVALS = [*singles(UNITS), *PAIRS, *CORE]
IS_CORE = np.array([group == "core" for group, _, _ in REMOVALS])[:, None]
IS_SINGLE = np.array([group == "single" for group, _, _ in REMOVALS])[:, None]
IS_PAIR = np.array([group == "pair" for group, _, _ in REMOVALS])[:, None]
OOD = np.array([case[0] != "i" for case in CASES])


def ask(table, aurocs=None) -> Answer:
    (answer,) = additivity(evidence(table, aurocs))
    return answer


def one(**settings) -> Answer:
    return ask(*simulate(np.random.default_rng(1), REMOVALS, n=100, **settings))


def of_core(answer: Answer) -> dict:
    (row,) = [row for row in answer.rows["additivity"] if row["kind"] == "core"]
    return row


def of_pairs(answer: Answer) -> list[dict]:
    return [row for row in answer.rows["additivity"] if row["kind"] == "pair"]


def clear_pairs(answer: Answer) -> tuple[int, int]:
    """How many pairs clearly hurt more than the sum, and how many less."""
    together = [row["together"] for row in of_pairs(answer)]
    return together.count("more than the sum"), together.count("less than the sum")


#: What the core does to AUROC: harm, and more of it than the sum.
HARM = {"auroc": -0.3 * IS_CORE, "auroc_interaction": -0.1 * IS_CORE, "full_auc": 0.9}


def test_more_than_the_sum():
    answer = one(change=-3.0 * IS_CORE, interaction=-1.0 * IS_CORE * OOD, **HARM)
    verdict, core = answer.verdict, of_core(answer)
    assert verdict.decision == "supported"
    assert verdict.measure == "balanced margin, nats"
    assert (verdict.effect, verdict.p) == (core["margin_interaction"], core["p"])
    assert core["auc_interaction"].value == pytest.approx(-0.1, abs=0.05)
    assert (core["units"], core["n_units"]) == (" ".join(UNITS), 3)
    assert core["together"] == "more than the sum"
    assert core["margin_kind"] == "balanced"
    assert core["margin_interaction"].value == pytest.approx(-1, abs=0.15)
    assert core["margin"].value == pytest.approx(-3, abs=0.15)
    assert abs(core["in_domain_interaction"].value) < 0.2
    assert not core["room"]
    assert f"{core['margin_interaction'].value:+.3f}" in verdict.reason
    assert f"d′ by {core['d_prime_interaction'].value:+.2f}" in verdict.reason
    assert clear_pairs(answer) == (0, 0)


def test_rows_fill_the_table():
    table, aurocs = simulate(np.random.default_rng(0), REMOVALS)
    rows = conclude(evidence(table, aurocs), (QUESTION,)).tables["additivity"]
    assert rows["kind"].tolist() == ["core", "pair", "pair", "pair"]
    assert rows["p"].between(0, 1).all()
    assert rows["adversarial_points"].tolist() == [0.0] * 4


def test_d_prime_by_hand():
    """Two heads: AUROC falls from 0.9 to 0.8 and 0.85 without one, and to 0.6 without both."""
    removals = [*singles(UNITS[:2]), ("core", -1, "+".join(UNITS[:2]))]
    auroc = np.array([-0.1, -0.05, -0.3])[:, None]
    table, aurocs = simulate(
        np.random.default_rng(0),
        removals,
        auroc=auroc,
        auroc_noise=1e-6,
        cases=("a1", "f1"),
        full_auc=0.9,
    )
    answer = ask(table, aurocs)
    z = stats.norm.ppf([0.9, 0.8, 0.85, 0.6])
    interaction = of_core(answer)["d_prime_interaction"]
    expected = 2**0.5 * (z[3] - z[0] - (z[1] - z[0]) - (z[2] - z[0]))
    assert interaction.value == pytest.approx(expected, abs=1e-4)
    # Without noise in the changes all errors are the full model's, through the slopes.
    slopes = 1 / stats.norm.pdf(z) * [1, -1, -1, 1]
    variances = auc_variance(np.array([0.9, 0.8, 0.85, 0.6]), 30, 30)
    shared = np.minimum((1 + variances / variances[0]) / 2, (variances / variances[0]) ** 0.5)
    own = variances - shared**2 * variances[0]
    error = (2 * ((slopes @ shared) ** 2 * variances[0] + slopes**2 @ own)) ** 0.5
    half = interaction.high - interaction.value
    assert half == pytest.approx(stats.t.ppf(0.975, 29) * error, rel=1e-3)


def test_less_than_the_sum():
    less = {"change": -3.0 * IS_CORE, "interaction": 1.0 * IS_CORE, "full_auc": 0.9}
    less |= {"auroc": -0.3 * IS_CORE - 0.25 * IS_SINGLE}
    answer = one(**less, full_margin=5.0)
    assert of_core(answer)["together"] == "less than the sum"
    assert answer.verdict.decision == "contradicted"
    # A model that has less to lose than the single removals cost cannot show it.
    verdict = one(**less, full_margin=3.0).verdict
    assert verdict.decision == "not decided by these data"
    assert "cost more than the full model has to lose" in verdict.reason


def test_help_is_no_harm():
    """Together they help, if less than each alone: that is no harm beyond the sum."""
    help_ = {"auroc": 0.2 * IS_CORE, "auroc_interaction": -0.1 * IS_CORE}
    answer = one(change=3.0 * IS_CORE, interaction=-1.0 * IS_CORE, **help_)
    assert answer.verdict.decision == "not decided by these data"


def test_label_bias_has_no_interaction():
    bias = np.array([{"a": 1, "f": -1, "i": 0}[case[0]] for case in CASES])
    tables = simulate(
        np.random.default_rng(1), REMOVALS, n=100, change=-3.0 * IS_CORE, interaction=bias * IS_CORE
    )
    (model,) = removals(evidence(*tables))
    assert model.core.interaction["adversarial"].estimate().low > 0.5
    assert ask(*tables).verdict.decision == "not decided by these data"


@pytest.mark.parametrize("friendly", [0.0, 0.2, 0.8])
def test_label_bias_with_saturated_friendly_margins_does_not_show_in_margins(friendly):
    """The balanced margin falls, as friendly ones rise by less; nothing is separated worse."""
    bias = np.array([{"a": -1, "f": friendly, "i": 0}[case[0]] for case in CASES])
    settings = {"change": 3 * bias * IS_CORE, "interaction": bias * IS_CORE, "n": 400}
    table, aurocs = simulate(np.random.default_rng(1), REMOVALS, **settings)
    for answer in (ask(table, aurocs), ask(table)):
        assert of_core(answer)["margin_interaction"].high < 0
        assert answer.verdict.decision == "not decided by these data"


def test_measures_that_disagree_decide_nothing():
    answer = one(change=-3.0 * IS_CORE, interaction=1.0 * IS_CORE * OOD, **HARM)
    assert of_core(answer)["d_prime_interaction"].high < 0
    assert of_core(answer)["together"] == "not clear"
    assert answer.verdict.decision == "not decided by these data"


def test_pairs_are_counted_and_decide_without_a_core():
    table, aurocs = simulate(
        np.random.default_rng(0),
        REMOVALS,
        n=100,
        interaction=-1.0 * IS_PAIR,
        auroc=-0.3 * IS_PAIR,
    )
    answer = ask(table, aurocs)
    assert clear_pairs(answer) == (3, 0)
    assert answer.verdict.decision == "not decided by these data"
    pairs = [frame[frame["group"] != "core"] for frame in (table, aurocs)]
    answer = ask(*pairs)
    assert of_pairs(answer) == answer.rows["additivity"]
    assert answer.verdict.reason == "of 3 pairs, 3 hurt more than the sum and 0 hurt less"
    assert answer.verdict.decision == "supported"
    assert answer.verdict.effect is answer.verdict.p is None
    values = [row["margin_interaction"].value for row in of_pairs(answer)]
    assert values == sorted(values)
    without = ask(pairs[0])
    assert clear_pairs(without) == (3, 0)
    assert without.verdict.decision == "not decided by these data"
    pairs[0]["interaction"] *= -1
    assert clear_pairs(ask(*pairs)) == (0, 0)
    single = pairs[1]["group"] == "single"
    pairs[1]["auc_change"] = np.where(single, -0.3, pairs[1]["auc_change"])
    assert ask(*pairs).verdict.decision == "contradicted"


def test_only_adversarial_cases():
    table, _ = simulate(
        np.random.default_rng(0), REMOVALS, n=100, change=-3 * IS_CORE, interaction=-1.0 * IS_CORE
    )
    answer = ask(table[table["case_kind"] == "adversarial"])
    assert of_core(answer)["margin_kind"] == "adversarial"
    assert answer.verdict.measure == "adversarial margin, nats"
    assert answer.verdict.decision == "not decided by these data"


def test_few_examples_give_no_false_numbers():
    table, aurocs = simulate(np.random.default_rng(0), REMOVALS)
    for frame in (table, aurocs):
        frame[[c for c in frame if c.endswith("_se")]] = np.nan
    answer = ask(table.assign(n=1, correct=1), aurocs.assign(n=1, n_friendly=1))
    assert "nan" not in answer.verdict.reason


def test_nothing_to_add():
    table, _ = simulate(np.random.default_rng(0), REMOVALS)
    for rows in (
        table.iloc[:0],
        table[table["group"] == "single"],
        table[table["role"] == "id"],
        table.assign(interaction=np.nan),
    ):
        assert additivity(evidence(rows)) == []


@pytest.mark.parametrize("groups", [REMOVALS, REMOVALS[:-1]])
def test_noise_rarely_decides(groups):
    rng = np.random.default_rng(1)
    # Their sum does harm, so that an interaction alone decides.
    table, aurocs = simulate(rng, groups, n_studies=200, change=-1.0, auroc=-0.1, n=20)
    answers = additivity(evidence(table, aurocs))
    assert len(answers) == 200
    assert share_decided(answers) <= 0.09


OF_SCORES = [*singles(UNITS), *CORE]


def from_scores(
    n_studies: int, loss: np.ndarray, lean: np.ndarray | float = 0.0, **settings
) -> list[str]:
    """The decisions on studies whose removals take so much from examples' scores."""
    loss = np.tile(loss, (n_studies, 1))
    tables = of_scores(np.random.default_rng(11), OF_SCORES, loss=loss, lean=lean, **settings)
    return decisions(additivity(evidence(*tables)))


@pytest.mark.slow
@pytest.mark.parametrize(("n", "friendly"), [(80, 0.7), (80, 0.9), (150, 0.95), (220, 0.95)])
def test_the_effects_of_the_paper_are_found(n, friendly):
    """At 70 % on friendly examples the single removals cost more AUROC than is above 0.5."""
    alone, beyond = probits()
    loss = np.array([*alone, alone.sum() + beyond])
    found = from_scores(100, loss, friendly=friendly, n=(n, 300, 50))
    assert found.count("supported") >= 90


#: Accuracy on friendly examples, where log-odds end, and how much is label bias: shifts of all
#: scores to one label, of 0.8 without single heads and of 1 without all.
LEANING = [
    (friendly, saturation, lean)
    for friendly in (0.5, 0.9, 0.98, 0.999)
    for saturation in (np.inf, 6.0)
    for lean in (1.0, -1.0)
]


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.0, 0.4])
def test_a_model_that_leans_rarely_decides(share):
    """Losses of separation add up, if there are any; label bias does not."""
    loss = share * np.array([*probits()[0], probits()[0].sum()])
    lean = np.array([0.3, 0.2, 0.3, 1.0])
    found = [
        decision
        for friendly, saturation, sign in LEANING
        for decision in from_scores(
            32,
            loss,
            sign * lean,
            friendly=friendly,
            saturation=saturation,
            noise=0.3,
            n=(150, 300, 50),
        )
    ]
    assert found.count("supported") <= 0.065 * len(found)


@pytest.mark.parametrize(("friendly", "saturation", "lean"), LEANING)
@pytest.mark.slow
def test_a_model_that_leans_rarely_decides_in_any_setting(friendly, saturation, lean):
    loss = 0.4 * np.array([*probits()[0], probits()[0].sum()])
    shift = lean * np.array([0.3, 0.2, 0.3, 1.0])
    found = from_scores(1000, loss, shift, friendly=friendly, saturation=saturation, noise=0.3)
    assert found.count("supported") <= 65


@pytest.mark.slow
@pytest.mark.parametrize("friendly", [0.9, 0.98])
def test_less_confidence_is_no_interaction(friendly):
    """Without all heads, all log-odds are a third nearer to 0: the margin shows an interaction."""
    loss = 0.5 * np.array([*probits()[0], probits()[0].sum()])
    shrink = np.array([0, 0, 0, 0.35])
    found = from_scores(250, loss, friendly=friendly, shrink=shrink, n=(150, 300, 50))
    assert found.count("supported") <= 0.065 * 250
