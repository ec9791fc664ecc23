from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from attention_by_hand import N_HEADS, PATTERNS, WithCores, attention, flat
from scipy import stats
from simulated import decisions

from heuristic_core.analysis.attention_patterns import OTHERS, QUESTION, attention_patterns
from heuristic_core.analysis.conclusions import conclude
from heuristic_core.analysis.evidence import Evidence
from heuristic_core.analysis.scores import mean_interval
from heuristic_core.tables import CONTRADICTED, SUPPORTED, UNDECIDED
from tables_by_hand import subnetworks

REPEATED, PREVIOUS, CLS, SEP = (PATTERNS.index(p) for p in ("repeated", "previous", "cls", "sep"))


def answers(table, core, seed=0):
    return attention_patterns(WithCores(table, core, seed))


def rows_of(answer):
    return {(row["unit"], row["pattern"]): row for row in answer.rows["attention-by-head"]}


def types(answer):
    """The type of each core head that has one."""
    rows = answer.rows["attention-by-head"]
    return {row["unit"]: row["pattern"] for row in rows if row.get("is_type")}


def follows(answer, unit):
    rows = answer.rows["attention-by-head"]
    return [row["pattern"] for row in rows if row["unit"] == unit and row["clear"]]


def summary(answer):
    (row,) = answer.rows["head-types"]
    return row


def test_a_head_is_of_the_type_that_scores_highest_if_clearly_above_chance():
    scores = flat()
    scores[0, 0, REPEATED], scores[0, 0, CLS] = 4, 9  # rests on [CLS], and follows repeats
    scores[0, 1, PREVIOUS] = 3
    scores[0, 2, PREVIOUS] = 1.6  # above 1.5, but by one standard error only
    scores[0, 3, SEP] = 1.4
    (all_core,) = answers(attention(scores), {1: ["L0H0", "L0H1", "L0H2", "L0H3", "L1H0"]})
    assert types(all_core) == {"L0H0": "cls", "L0H1": "previous"}
    assert summary(all_core)["core_types"] == "none 3, cls 1, previous 1"
    (result,) = answers(attention(scores), {1: ["L0H0", "L0H2"]})
    assert types(result) == {"L0H0": "cls"}
    assert follows(result, "L0H0") == ["repeated", "cls"]
    assert follows(result, "L0H2") == []
    assert list(dict.fromkeys(unit for unit, _ in rows_of(result))) == ["L0H0", "L0H2", OTHERS]
    row = summary(result)
    assert row["core_types"] == "cls 1, none 1"
    assert row["other_types"] == "none 9, previous 1"
    assert row["core_shallow"].value == 1 / 2
    assert row["other_shallow"].value == 1 / 10
    head = rows_of(result)["L0H0", "cls"]
    half = stats.t.ppf(0.975, 99) * 0.1
    assert (head["score"].low, head["score"].high) == pytest.approx((9 - half, 9 + half))
    assert head["attention"] == pytest.approx(0.45)
    assert head["confidence"] == 0.7


def test_one_example_makes_no_type_and_certainty_does():
    scores = flat()
    scores[0, 0, REPEATED] = 9
    (alone,) = answers(attention(scores, error=np.nan, n=1), {})
    assert summary(alone)["other_types"] == "none 12"
    (exact,) = answers(attention(scores, error=0.0), {})
    assert summary(exact)["other_types"] == "none 11, repeated 1"


def test_the_strength_of_a_head_is_that_of_its_strongest_shallow_pattern():
    scores = flat(2, 3)
    scores[0, 0, REPEATED], scores[0, 0, SEP] = 8, 4
    scores[0, 1, CLS] = 16  # no shallow pattern
    scores[0, 2] = 0.25  # below chance counts as chance
    scores[1, 1, SEP] = 2
    (result,) = answers(attention(scores), {1: ["L0H0", "L1H0"]})
    assert result.verdict.effect.value == pytest.approx(3 / 2 - (0 + 0.5) / 2)
    strengths = {row["unit"]: row["strength"] for row in result.rows["shallow-strengths"]}
    assert strengths == {"L0H0": 3, "L0H1": 0, "L0H2": 0, "L1H0": 0, "L1H1": 1, "L1H2": 0}
    core = [row["unit"] for row in result.rows["shallow-strengths"] if row["in_core"]]
    assert core == ["L0H0", "L1H0"]


def planted(core_score: float, other_score: float, rng: np.random.Generator) -> pd.DataFrame:
    scores = flat(6, N_HEADS) * rng.lognormal(0, 0.1, (6, N_HEADS, len(PATTERNS)))
    scores[:, :2, REPEATED] = core_score * rng.lognormal(0, 0.3, (6, 2))
    scores[:, 2:, REPEATED] = other_score * rng.lognormal(0, 0.3, (6, N_HEADS - 2))
    return attention(scores)


CORE = [f"L{layer}H{head}" for layer in range(6) for head in range(2)]


def test_a_shallow_core_is_seen():
    (result,) = answers(planted(6, 1, np.random.default_rng(0)), {1: CORE})
    assert result.verdict.decision == SUPPORTED
    assert "12 of 12 core heads" in result.verdict.reason
    assert result.verdict.effect.low > 1.5
    assert result.verdict.p < 0.01


def test_a_core_that_attends_to_less_shallow_features_contradicts():
    (result,) = answers(planted(1, 6, np.random.default_rng(0)), {1: CORE})
    assert result.verdict.decision == CONTRADICTED


def test_shallow_heads_everywhere_do_not_decide():
    (result,) = answers(planted(6, 6, np.random.default_rng(0)), {1: CORE})
    row = summary(result)
    assert row["core_shallow"].value == row["other_shallow"].value == 1
    assert result.verdict.decision == UNDECIDED


#: The spread of heads' strengths within layers, as in the published study.
SPREADS = np.array([1.46, 1.29, 1.43, 0.78, 0.77, 0.29])


def study(rng: np.random.Generator, difference: float) -> pd.DataFrame:
    """Three suites that correlate by about 0.9, in which twelve core heads are stronger."""
    strength = SPREADS[:, None] * rng.normal(size=(6, N_HEADS)) + 4
    strength[:, :2] += difference
    tables = []
    for suite in ("mnli", "mnli-mismatched", "hans"):
        scores = np.ones((6, N_HEADS, len(PATTERNS)))
        scores[:, :, PREVIOUS] = 2 ** (strength + 0.35 * rng.normal(size=strength.shape))
        tables.append(attention(scores, suite=suite))
    return pd.concat(tables)


@pytest.mark.parametrize(
    ("difference", "n", "least", "most"),
    [
        (0.8, 20, 0.4, 1.0),
        pytest.param(0.0, 1000, 0.0, 0.065, marks=pytest.mark.slow),
        pytest.param(0.8, 1000, 0.55, 1.0, marks=pytest.mark.slow),
    ],
)
def test_error_and_power_in_a_world_like_the_published_study(difference, n, least, most):
    rng = np.random.default_rng(0)
    found = [
        answers(study(rng, difference), {1: CORE}, seed=i)[0].verdict.decision for i in range(n)
    ]
    wrong = n - found.count(UNDECIDED) if difference == 0 else found.count(CONTRADICTED)
    assert wrong <= 0.065 * n
    assert least <= found.count(SUPPORTED) / n <= most


@pytest.mark.parametrize("n", [100, pytest.param(1000, marks=pytest.mark.slow)])
def test_noise_decides_nothing_too_often(n):
    """Cores drawn at random in models whose heads differ much."""
    rng = np.random.default_rng(2)
    wrong = 0
    for number in range(n):
        table = attention(rng.lognormal(0, 0.8, (3, N_HEADS, len(PATTERNS))))
        core = [f"L{i % 3}H{j}" for i, j in enumerate(rng.choice(N_HEADS, 7, replace=False))]
        wrong += decisions(answers(table, {1: core}, seed=number)) != [UNDECIDED]
    assert wrong / n <= 0.065


def test_intervals_of_scores_cover_the_truth():
    rng = np.random.default_rng(4)
    examples = rng.gamma(2, 1.5, (500, 40))  # mean 3, skewed
    errors = examples.std(1, ddof=1) / 40**0.5
    found = [mean_interval(m, e, 40) for m, e in zip(examples.mean(1), errors, strict=True)]
    assert 0.90 <= np.mean([one.low <= 3 <= one.high for one in found]) <= 0.99


def test_scores_at_the_bound_make_no_types():
    rng = np.random.default_rng(3)
    wrong = 0
    for _ in range(200):
        examples = rng.gamma(2, 0.75, (60, 3, 4, len(PATTERNS)))  # mean 1.5, skewed
        error = examples.std(0, ddof=1) / 60**0.5
        (result,) = answers(attention(examples.mean(0), error=error, n=60), {})
        wrong += summary(result)["other_types"] != "none 12"
    assert wrong / 200 <= 0.09


@pytest.mark.parametrize(
    ("core", "reason"),
    [
        ({}, "this fine-tuning has no supported core"),
        ({2: ["L0H0"]}, "this fine-tuning has no supported core"),
        ({1: ["L0H0", "L0H1", "L0H2", "L0H3"]}, "no layer has both core heads and others"),
    ],
)
def test_too_little_decides_nothing(core, reason):
    (result,) = answers(attention(flat()), core)
    assert result.verdict.decision == UNDECIDED
    assert reason in result.verdict.reason
    assert (result.verdict.effect, result.verdict.p) == (None, None)


@pytest.mark.parametrize(
    ("measured", "named"),
    [
        (PATTERNS, "repeated, previous, next or [SEP] tokens"),
        (("previous", "next", "sep"), "previous, next or [SEP] tokens"),  # of single texts
        (("next", "cls"), "next tokens"),
    ],
)
def test_only_patterns_that_were_measured_are_named(measured, named):
    (result,) = answers(attention(np.ones((3, 4, len(measured))), patterns=measured), {1: ["L0H0"]})
    assert f"0 of 1 core heads clearly attend to {named};" in result.verdict.reason


def test_without_a_shallow_pattern_there_is_nothing_to_say():
    (result,) = answers(attention(np.ones((3, 4, 1)), patterns=("cls",)), {1: ["L0H0"]})
    assert result.verdict.decision == UNDECIDED
    assert result.verdict.reason == "no shallow pattern has a target in these examples"


def test_one_core_head_is_too_few():
    scores = flat()
    scores[0, 0, REPEATED] = 9
    (result,) = answers(attention(scores), {1: ["L0H0"]})
    assert result.verdict.decision == UNDECIDED


def test_suites_are_one_test_of_their_mean():
    rng = np.random.default_rng(0)
    tables = [planted(core, 2, rng).assign(suite=s) for s, core in (("id", 4), ("ood", 3))]
    one, other = (answers(table, {1: CORE})[0] for table in tables)
    (both,) = answers(pd.concat(tables), {1: CORE})
    means = [answer.verdict.effect.value for answer in (one, other)]
    assert both.verdict.effect.value == pytest.approx(np.mean(means))
    assert [row["suite"] for row in both.rows["head-types"]] == ["id", "ood"]
    assert "12 (id), 11 (ood) of 12 core heads" in both.verdict.reason
    # The same suite twice says no more than once.
    (twice,) = answers(pd.concat([tables[0], tables[0].assign(suite="ood")]), {1: CORE})
    assert (twice.verdict.effect, twice.verdict.p) == (one.verdict.effect, one.verdict.p)


def test_weightings_are_corrected_and_checkpoints_are_claims_of_their_own():
    last = planted(6, 1, np.random.default_rng(0))
    first = last.assign(checkpoint=0)
    weighted = last.assign(weighting="value_norm")
    alone = answers(last, {1: CORE})[0].verdict.p
    before, after = answers(pd.concat([first, last]), {1: CORE})
    assert (before.verdict.p, after.verdict.p) == (alone, alone)
    assert before.verdict.claim == f"already before fine-tuning, {QUESTION.claim}"
    assert after.verdict.claim == QUESTION.claim
    both = answers(pd.concat([last, weighted]), {1: CORE})
    assert [result.subject["weighting"] for result in both] == ["attention", "value_norm"]
    assert [result.verdict.p for result in both] == pytest.approx([2 * alone] * 2)


def test_single_texts_have_fewer_patterns():
    scores = flat()[:, :, 2:]
    (result,) = answers(attention(scores, patterns=PATTERNS[2:]), {1: ["L0H0"]})
    assert {pattern for _, pattern in rows_of(result)} == set(PATTERNS[2:])


def test_an_empty_table_gives_nothing():
    assert answers(attention(flat()).iloc[:0], {1: ["L0H0"]}) == []


def test_rows_are_the_cores_scores_and_the_mean_of_others():
    scores = flat(1, 3)
    scores[0, 0, REPEATED], scores[0, 1, SEP], scores[0, 2, SEP] = 8, 3, 0.2
    (result,) = answers(attention(scores), {1: ["L0H0"]})
    rows = rows_of(result)
    assert [unit for unit, pattern in rows if pattern == "sep"] == ["L0H0", OTHERS]
    first = rows["L0H0", "repeated"]
    assert (first["score"].value, first["log2_score"], first["is_type"]) == (8, 3, True)
    assert rows[OTHERS, "sep"]["score"].value == pytest.approx(1.6)
    assert rows[OTHERS, "sep"]["log2_score"] == pytest.approx(np.log2(1.6))
    assert rows[OTHERS, "repeated"]["log2_score"] == 0
    (none,) = answers(attention(scores), {})
    assert none.rows["attention-by-head"] == []


def test_tables_and_the_core_that_searches_share():
    kept = {
        (seed, 0.5): {"L0H0", "L1H1", f"L0H{seed % 3 + 1}", f"L{seed // 3}MLP"} for seed in range(6)
    }
    tables = {"subnetworks": subnetworks(kept), "attention": attention(flat(2, 4))}
    found = conclude(Evidence(tables), (QUESTION,))
    rows = found.tables["attention-by-head"]
    assert rows["unit"].unique().tolist() == ["L0H0", "L1H1", OTHERS]
    assert len(rows) == 3 * len(PATTERNS)
    assert rows["is_type"].isna().tolist() == (rows["unit"] == OTHERS).tolist()
    assert found.verdicts[["checkpoint", "weighting"]].values.tolist() == [[250, "attention"]]
