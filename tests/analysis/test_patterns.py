from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from attention_by_hand import N_HEADS, PATTERNS, attention, flat
from scipy import stats
from simulated import decisions

from heuristic_core.analysis.intervals import CONTRADICTED, SUPPORTED, UNDECIDED
from heuristic_core.analysis.patterns import patterns, score_interval

REPEATED, PREVIOUS, CLS, SEP = (PATTERNS.index(p) for p in ("repeated", "previous", "cls", "sep"))


def heads_of(result):
    return {head.unit: head for head in result.heads}


def test_a_head_is_of_the_type_that_scores_highest_if_clearly_above_chance():
    scores = flat()
    scores[0, 0, REPEATED], scores[0, 0, CLS] = 4, 9  # rests on [CLS], and follows repeats
    scores[0, 1, PREVIOUS] = 3
    scores[0, 2, PREVIOUS] = 1.6  # above 1.5, but by one standard error only
    scores[0, 3, SEP] = 1.4
    (result,) = patterns(attention(scores), {1: ["L0H0", "L0H2"]})
    heads = heads_of(result)
    assert heads["L0H0"].pattern == "cls"
    assert heads["L0H0"].follows == ("cls", "repeated")
    assert heads["L0H1"].pattern == "previous"
    assert heads["L0H2"].pattern == heads["L0H3"].pattern == heads["L1H0"].pattern == "none"
    assert heads["L0H2"].follows == ()
    assert [unit for unit, head in heads.items() if head.in_core] == ["L0H0", "L0H2"]
    assert result.core_types == {"cls": 1, "none": 1}
    assert result.other_types == {"none": 9, "previous": 1}
    assert result.core_shallow.value == 1 / 2
    assert result.other_shallow.value == 1 / 10
    head = heads["L0H0"]
    half = stats.t.ppf(0.975, 99) * 0.1
    assert (head.score.low, head.score.high) == pytest.approx((9 - half, 9 + half))
    assert head.attention == pytest.approx(0.45)
    assert head.confidence == 0.7


def test_one_example_makes_no_type_and_certainty_does():
    scores = flat()
    scores[0, 0, REPEATED] = 9
    (alone,) = patterns(attention(scores, error=np.nan, n=1), {})
    assert set(alone.other_types) == {"none"}
    (exact,) = patterns(attention(scores, error=0.0), {})
    assert heads_of(exact)["L0H0"].pattern == "repeated"
    assert exact.other_types == {"none": 11, "repeated": 1}


def test_the_strength_of_a_head_is_that_of_its_strongest_shallow_pattern():
    scores = flat(2, 3)
    scores[0, 0, REPEATED], scores[0, 0, SEP] = 8, 4
    scores[0, 1, CLS] = 16  # no shallow pattern
    scores[0, 2] = 0.25  # below chance counts as chance
    scores[1, 1, SEP] = 2
    (result,) = patterns(attention(scores), {1: ["L0H0", "L1H0"]})
    assert result.shallow.core == pytest.approx(3 / 2)
    assert result.shallow.others == pytest.approx((0 + 0.5) / 2)
    assert result.shallow.difference.value == pytest.approx(1.25)
    single = {contrast.name: contrast.difference.value for contrast in result.contrasts}
    assert set(single) == set(PATTERNS)
    assert single["repeated"] == pytest.approx(1.5)
    assert single["sep"] == pytest.approx(1 - 0.25)
    assert single["cls"] == pytest.approx(-1)
    assert single["next"] == 0


def planted(core_score: float, other_score: float, rng: np.random.Generator) -> pd.DataFrame:
    scores = flat(6, N_HEADS) * rng.lognormal(0, 0.1, (6, N_HEADS, len(PATTERNS)))
    scores[:, :2, REPEATED] = core_score * rng.lognormal(0, 0.3, (6, 2))
    scores[:, 2:, REPEATED] = other_score * rng.lognormal(0, 0.3, (6, N_HEADS - 2))
    return attention(scores)


CORE = [f"L{layer}H{head}" for layer in range(6) for head in range(2)]


def test_a_shallow_core_is_seen():
    (result,) = patterns(planted(6, 1, np.random.default_rng(0)), {1: CORE})
    assert result.verdict.decision == SUPPORTED
    assert "12 of 12 core heads" in result.verdict.reason
    assert result.shallow.difference.low > 1.5
    by_name = {contrast.name: contrast for contrast in result.contrasts}
    assert by_name["repeated"].p_value < 0.01
    assert by_name["cls"].p_value > 0.05


def test_a_core_that_attends_to_less_shallow_features_contradicts():
    (result,) = patterns(planted(1, 6, np.random.default_rng(0)), {1: CORE})
    assert result.verdict.decision == CONTRADICTED


def test_shallow_heads_everywhere_do_not_decide():
    (result,) = patterns(planted(6, 6, np.random.default_rng(0)), {1: CORE})
    assert result.core_shallow.value == result.other_shallow.value == 1
    assert result.verdict.decision == UNDECIDED


def test_noise_decides_nothing_too_often():
    """Cores drawn at random in models whose heads differ much."""
    rng = np.random.default_rng(2)
    wrong = 0
    for study in range(200):
        table = attention(rng.lognormal(0, 0.8, (3, N_HEADS, len(PATTERNS))))
        core = [f"L{i % 3}H{j}" for i, j in enumerate(rng.choice(N_HEADS, 7, replace=False))]
        wrong += decisions(patterns(table, {1: core}, seed=study)) != [UNDECIDED]
    assert wrong / 200 <= 0.09


def test_intervals_of_scores_cover_the_truth():
    rng = np.random.default_rng(4)
    examples = rng.gamma(2, 1.5, (500, 40))  # mean 3, skewed
    errors = examples.std(1, ddof=1) / 40**0.5
    found = [score_interval(m, e, 40) for m, e in zip(examples.mean(1), errors, strict=True)]
    assert 0.90 <= np.mean([one.low <= 3 <= one.high for one in found]) <= 0.99


def test_scores_at_the_bound_make_no_types():
    rng = np.random.default_rng(3)
    wrong = 0
    for _ in range(200):
        examples = rng.gamma(2, 0.75, (60, 3, 4, len(PATTERNS)))  # mean 1.5, skewed
        error = examples.std(0, ddof=1) / 60**0.5
        (result,) = patterns(attention(examples.mean(0), error=error, n=60), {})
        wrong += set(result.other_types) != {"none"}
    assert wrong / 200 <= 0.09


@pytest.mark.parametrize(
    ("core", "reason"),
    [
        ({}, "this fine-tuning has no supported core"),
        ({2: ["L0H0"]}, "this fine-tuning has no supported core"),
        ({1: ["L0H0", "L0H1", "L0H2", "L0H3"]}, "no layer has core heads and others"),
    ],
)
def test_too_little_decides_nothing(core, reason):
    (result,) = patterns(attention(flat()), core)
    assert result.verdict.decision == UNDECIDED
    assert reason in result.verdict.reason
    assert result.shallow is None
    assert result.contrasts == ()


@pytest.mark.parametrize(
    ("measured", "named"),
    [
        (PATTERNS, "repeated, previous, next or [SEP] tokens"),
        (("previous", "next", "sep"), "previous, next or [SEP] tokens"),  # of single texts
        (("next", "cls"), "next tokens"),
    ],
)
def test_only_patterns_that_were_measured_are_named(measured, named):
    (result,) = patterns(
        attention(np.ones((3, 4, len(measured))), patterns=measured), {1: ["L0H0"]}
    )
    assert f"0 of 1 core heads clearly attend to {named};" in result.verdict.reason


def test_without_a_shallow_pattern_there_is_nothing_to_say():
    (result,) = patterns(attention(np.ones((3, 4, 1)), patterns=("cls",)), {1: ["L0H0"]})
    assert result.verdict.decision == UNDECIDED
    assert result.verdict.reason == "no shallow pattern has a target in these examples"


def test_one_core_head_is_too_few():
    scores = flat()
    scores[0, 0, REPEATED] = 9
    (result,) = patterns(attention(scores), {1: ["L0H0"]})
    assert result.verdict.decision == UNDECIDED


def test_looks_at_several_suites_are_corrected():
    tables = [planted(6, 1, np.random.default_rng(0)).assign(suite=s) for s in ("id", "ood")]
    alone = patterns(tables[0], {1: CORE})[0].shallow.p_value
    both = patterns(pd.concat(tables), {1: CORE})
    assert [result.suite for result in both] == ["id", "ood"]
    assert both[0].shallow.p_value == pytest.approx(2 * alone)


def test_single_texts_have_fewer_patterns():
    scores = flat()[:, :, 2:]
    (result,) = patterns(attention(scores, patterns=PATTERNS[2:]), {1: ["L0H0"]})
    assert {contrast.name for contrast in result.contrasts} == set(PATTERNS[2:])


def test_an_empty_table_gives_nothing():
    assert patterns(attention(flat()).iloc[:0], {1: ["L0H0"]}) == []
