from __future__ import annotations

import math

import numpy as np
import pytest
from simulated import decisions, simulated
from simulated_scores import scored

from heuristic_core.analysis.conclusions import conclude
from heuristic_core.analysis.discrimination import discrimination
from heuristic_core.analysis.equality import cohen_h
from heuristic_core.analysis.evidence import Evidence
from heuristic_core.analysis.spread import OUTSIDE, QUESTION, WIDE, spread
from heuristic_core.tables import PREDICTIONS
from tables_by_hand import (
    areas,
    discriminations,
    evaluation,
    evaluations,
    found,
    subnetworks,
)


def table(swap=(95, 60, 40), ids=(99, 98, 97), full_id=99):
    return evaluations(
        evaluation({"in": full_id, "aswap": 98, "aprep": 10, "feasy": 100}),
        *[
            evaluation({"in": i, "aswap": s, "aprep": 10, "feasy": 99}, **found(seed))
            for seed, (s, i) in enumerate(zip(swap, ids, strict=True))
        ],
    )


def at_size(rows, n):
    """The same accuracies on so many examples of each case."""
    return rows.assign(correct=(rows["correct"] / rows["n"] * n).round().astype(int), n=n)


def with_answers(rows, right):
    """Tables in which the subnetworks' answers to some cases are known, a row per seed."""
    some = rows[(rows["kind"] == "subnetwork") & rows["case"].isin(right)]
    packed = [
        np.packbits(right[case][seed]).tobytes()
        for case, seed in zip(some["case"], some["seed"], strict=True)
    ]
    predictions = some.assign(correct=packed, label="", case_group="", scores=None)
    return {"evaluations": rows, "predictions": PREDICTIONS.conform(predictions)}


def answers(rows, **measured):
    return spread(Evidence({"evaluations": rows, **measured}))


def overview(answer):
    """From the cases that accuracies are means over to their row."""
    return {row["mean_over"]: row for row in answer.rows["by-sparsity"]}


def test_a_wide_case_at_equal_id_accuracy_is_supported():
    (answer,) = answers(table())
    assert answer.subject == {
        "finetune_seed": 1,
        "checkpoint": 300,
        "method": "learned",
        "sparsity": 0.5,
    }
    means = overview(answer)
    assert means["in-domain"]["matching"] == 3
    systems = answer.rows["subnetwork-accuracies"]
    assert [row["seed"] for row in systems] == [0, 1, 2]
    assert [row["difference"] for row in systems] == pytest.approx([0, -1, -2])
    assert [row["kl"] for row in systems] == pytest.approx([0.01] * 3)
    widest = answer.rows["cases"][0]
    assert (widest["case"], widest["lowest"], widest["highest"]) == ("aswap", 0.40, 0.95)
    assert widest["span"] == pytest.approx(55)
    assert widest["mean"] == pytest.approx(0.65)
    assert widest["full"] == 0.98
    assert means["adversarial"]["full"] == pytest.approx(0.54)
    assert means["adversarial"]["accuracy"].value == pytest.approx((0.65 + 0.10) / 2)
    assert means["friendly"]["accuracy"].value == pytest.approx(0.99)
    verdict = answer.verdict
    assert verdict.decision == "supported"
    assert verdict.claim == QUESTION.claim
    assert "accuracy on adversarial and friendly cases" in verdict.claim
    assert "the widest, aswap, goes from 40.0% to 95.0% (p = " in verdict.reason
    assert verdict.effect.value == pytest.approx(2 * (np.arcsin(0.95**0.5) - np.arcsin(0.4**0.5)))
    assert verdict.effect.value == widest["h"]
    assert np.isnan(verdict.effect.low)
    assert verdict.p == widest["p"]


def test_twenty_points_about_one_half_are_wide_and_fewer_are_at_a_floor():
    half = cohen_h(np.array([0.4, 0.6]))
    assert np.ptp(half) > WIDE - 1e-9
    assert np.ptp(half) == pytest.approx(WIDE, abs=0.003)
    (answer,) = answers(at_size(table(swap=(60, 50, 40)), 1000))
    assert answer.verdict.decision == "supported"
    # As on the paper's QQP: a factor of four near the floor is neither nothing nor wide enough.
    (floor,) = answers(at_size(table(swap=(3, 6, 12)), 8696))
    assert floor.rows["cases"][0]["p"] < 1e-100
    assert floor.verdict.decision == "not decided by these data"
    (more,) = answers(at_size(table(swap=(1, 6, 13)), 8696))
    assert more.verdict.decision == "supported"


def test_by_sparsity_holds_means_ranges_and_differences():
    (answer,) = answers(table())
    rows = overview(answer)
    assert {name: (row["lowest"], row["highest"]) for name, row in rows.items()} == {
        "in-domain": (0.97, 0.99),
        "adversarial": pytest.approx((0.25, 0.525)),
        "friendly": (0.99, 0.99),
    }
    assert {name: row["difference"] for name, row in rows.items()} == pytest.approx(
        {"in-domain": -1, "adversarial": -16.5, "friendly": -1}
    )
    assert {name: row["n"] for name, row in rows.items()} == dict.fromkeys(rows, 3)
    assert rows["adversarial"]["matching"] is None


def test_the_full_model_stands_beside_every_sparsity():
    dense = table()
    sparse = dense[dense["kind"] == "subnetwork"].assign(sparsity=0.7)
    tables = {"evaluations": evaluations(dense.to_dict("records"), sparse.to_dict("records"))}
    conclusions = conclude(Evidence(tables), (QUESTION,))
    frame = conclusions.tables["by-sparsity"]
    assert frame["sparsity"].tolist() == [0.5] * 3 + [0.7] * 3
    assert conclusions.verdicts["sparsity"].tolist() == [0.5, 0.7]
    assert frame["full"].tolist() == pytest.approx([0.99, 0.54, 1.0] * 2)


def test_sizes_come_from_the_units():
    heads = ({"L0H0", "L1H1", "L1H2"}, {"L0H0", "L1H1", "L1H3"})
    units = subnetworks({(seed, 0.5): heads[seed] | {"L1MLP"} for seed in range(2)})
    tables = {"evaluations": table(), "subnetworks": units}
    frame = conclude(Evidence(tables), (QUESTION,)).tables["subnetwork-accuracies"]
    first, last = frame.iloc[0], frame.iloc[2]
    sizes = ["heads_kept", "heads", "mlps_kept", "mlps"]
    assert first[sizes].tolist() == [3, 8, 1, 2]
    assert frame.loc[2, sizes].isna().all()
    assert last["adversarial"] == pytest.approx(0.25)


def test_the_figures_marks_follow_the_ends_in_adversarial_mean():
    (answer,) = answers(table())
    marks = answer.rows["spread-marks"]
    strips = list(dict.fromkeys((row["section"], row["mean_or_case"]) for row in marks))
    assert strips == [
        ("means over cases", "in-domain"),
        ("means over cases", "adversarial"),
        ("means over cases", "friendly"),
        ("adversarial cases, widest first", "aswap"),
        ("adversarial cases, widest first", "aprep"),
        ("friendly cases, widest first", "feasy"),
    ]
    swap = [
        (row["series"], row["seed"], row["accuracy"])
        for row in marks
        if row["mean_or_case"] == "aswap"
    ]
    assert swap == [
        ("full model", -1, 0.98),
        ("highest in adversarial mean", 0, 0.95),
        ("lowest in adversarial mean", 2, 0.40),
        ("subnetwork", 1, 0.60),
    ]
    (same,) = answers(table(swap=(50, 50, 50)))
    series = {row["series"] for row in same.rows["spread-marks"]}
    assert series == {"full model", "subnetwork"}


def test_at_most_sixteen_cases_are_drawn():
    names = [f"a{i:02}" for i in range(14)] + [f"f{i}" for i in range(6)]
    # The later a case, the wider it is.
    low = {name: 50 - i for i, name in enumerate(names)}
    rows = evaluations(
        evaluation({"i": 99, **dict.fromkeys(names, 60)}),
        evaluation({"i": 99, **dict.fromkeys(names, 60)}, **found(0)),
        evaluation({"i": 99, **low}, **found(1)),
    )
    (answer,) = answers(rows)
    marks = answer.rows["spread-marks"]
    drawn = list(dict.fromkeys(row["mean_or_case"] for row in marks))[3:]
    assert drawn == [f"a{i:02}" for i in range(13, 1, -1)] + ["f5", "f4", "f3", "f2"]


@pytest.mark.parametrize("aurocs", [(0.7, 0.7, 0.7), (0.9, 0.7, 0.5)])
def test_accuracy_decides_whatever_the_aurocs(aurocs):
    """One test, one vote: AUROCs decide the question on discrimination alone."""
    rows = [areas({"aswap": x, "aprep": 0.6}, **found(s)) for s, x in enumerate(aurocs)]
    measured = discriminations(*rows)
    for some in (table(), table(swap=(95, 94, 96)), table(ids=(99, 80, 97))):
        assert answers(some, discrimination=measured) == answers(some)
    evidence = Evidence({"evaluations": table(), "discrimination": measured})
    (by_auroc,) = discrimination(evidence)
    assert spread(evidence)[0].verdict.decision == "supported"
    expected = "supported" if aurocs[0] == 0.9 else "contradicted"
    assert by_auroc.verdict.decision == expected


def test_chi_squared_by_hand():
    (answer,) = answers(table(swap=(60, 40, 50)))
    # 2 x 3 table with 50 expected everywhere: (10^2 + 10^2) / 50 x 2 = 8, two degrees of freedom.
    raw = np.exp(-8 / 2)
    p = {row["case"]: row["p"] for row in answer.rows["cases"]}
    assert p["aswap"] == pytest.approx(3 * raw)


def test_equal_subnetworks_contradict_where_they_are_measured_well():
    same = table(swap=(95, 94, 96))
    (few,) = answers(same)
    assert few.verdict.decision == "not decided by these data"
    (many,) = answers(at_size(same, 1000))
    assert many.verdict.decision == "contradicted"
    assert many.rows["cases"][0]["p_equal"] < 0.05
    (two,) = answers(at_size(same[same["seed"] < 2], 1000))
    assert two.verdict.decision == "not decided by these data"
    (between,) = answers(at_size(table(swap=(90, 82, 84)), 1000))
    assert between.verdict.decision == "not decided by these data"


def test_subnetworks_outside_the_margin_are_not_compared():
    (answer,) = answers(table(swap=(60, 5, 58), ids=(99, 80, 98)))
    assert "2 of 3 subnetworks are within 3 points in-domain" in answer.verdict.reason
    widest = answer.rows["cases"][0]
    assert (widest["case"], widest["lowest"], widest["highest"]) == ("aswap", 0.58, 0.60)
    series = {row["seed"]: row["series"] for row in answer.rows["spread-marks"]}
    assert series == {-1: "full model", 0: "subnetwork", 1: OUTSIDE, 2: "subnetwork"}
    (alone,) = answers(table(ids=(99, 80, 70)))
    assert alone.verdict.decision == "not decided by these data"
    assert "this takes two subnetworks that are" in alone.verdict.reason
    (none,) = answers(table(ids=(90, 80, 70)))
    assert none.rows["cases"] == []


@pytest.mark.parametrize(("hard", "friendly"), [(0, 0), (0, 1000), (1, 1000), (0, 999)])
def test_where_there_is_no_room_nothing_is_decided(hard, friendly):
    """All cases at one end, or those of a model that follows its heuristic, up to few answers."""
    correct = {"in": 990, "aswap": hard, "fswap": friendly}
    systems = ({}, *(found(seed) for seed in range(3)))
    floor = evaluations(*(evaluation(correct, n=1000, **system) for system in systems))
    (answer,) = answers(floor)
    assert answer.verdict.decision == "not decided by these data"
    assert "every mean accuracy is within 0.2 of the end of its scale" in answer.verdict.reason
    assert "would have been found" not in answer.verdict.reason + answer.verdict.power


def test_answers_to_the_same_examples_are_paired():
    """Subnetworks that answer alike are as good as equal with few examples, or differ clearly."""
    right = np.zeros((3, 200), bool)
    right[:, :160] = True
    right[1, 159], right[2, 158] = False, False
    rows = at_size(table(swap=(80, 80, 80)), 200)
    rows.loc[(rows["case"] == "aswap") & (rows["seed"] > 0), "correct"] = 159
    paired = with_answers(rows, {"aswap": right})
    (answer,) = answers(paired["evaluations"])
    (better,) = spread(Evidence(paired))
    by_case = {row["case"]: row for row in better.rows["cases"]}
    assert by_case["aswap"]["p_equal"] < 1e-6
    assert {row["case"]: row["p_equal"] for row in answer.rows["cases"]}["aswap"] > 0.02
    assert by_case["aswap"]["p"] == pytest.approx(1)  # two of 200 differ


def test_nothing_to_compare_is_no_error():
    only_full = evaluations(evaluation({"in": 99, "aswap": 50}))
    assert answers(only_full) == []
    no_ood = evaluations(evaluation({"in": 99}), evaluation({"in": 98}, **found(1)))
    (answer,) = answers(no_ood)
    assert answer.rows["cases"] == []
    assert set(overview(answer)) == {"in-domain"}
    assert answer.verdict.decision == "not decided by these data"
    assert (answer.verdict.effect, answer.verdict.p, answer.caveat) == (None, None, "")


def test_the_order_of_rows_does_not_matter():
    rows = table()
    shuffled = rows.sample(frac=1, random_state=1)
    one, other = (answers(some)[0].rows for some in (rows, shuffled))
    assert one == other


def test_means_have_intervals_over_searches_and_examples():
    (answer,) = answers(table())
    adversarial = overview(answer)["adversarial"]["accuracy"]
    # Adversarial means 0.525, 0.35, 0.25: mean 0.375, standard deviation 0.1392, t(2) = 4.3027.
    over_seeds = 4.3027**2 * 0.139194**2 / 3
    # Single answers are not known, so at most all subnetworks answer alike: the variance is one's.
    rows = table()
    rows = rows[(rows["kind"] == "subnetwork") & (rows["case_kind"] == "adversarial")]
    share = rows["correct"] / rows["n"]
    own = (share * (1 - share) / (rows["n"] - 1)).groupby(rows["seed"]).agg(["mean", "size"])
    half = (over_seeds + 1.959964**2 * (own["mean"] / own["size"]).mean()) ** 0.5
    # Towards the middle it reaches as far as on the logit scale.
    logit = math.log(0.375 / 0.625) + half / (0.375 * 0.625)
    assert adversarial.high == pytest.approx(1 / (1 + math.exp(-logit)), abs=1e-4)
    assert adversarial.high > 0.375 + half
    assert adversarial.low == pytest.approx(0.375 - half, abs=1e-4)
    assert overview(answer)["friendly"]["accuracy"].high <= 1
    one = table()
    (single,) = answers(one[one["seed"] < 1])
    assert np.isnan(overview(single)["adversarial"]["accuracy"].low)
    assert single.verdict.decision == "not decided by these data"


def test_the_caveat_says_whether_label_bias_may_explain_the_spread():
    assert answers(table())[0].caveat == ""
    full = evaluation({"i": 99, "aswap": 50, "feasy": 50})

    def caveat(friendly):
        rows = [
            evaluation({"i": 99, "aswap": k, "feasy": friendly(k)}, **found(seed))
            for seed, k in enumerate((10, 30, 50, 70, 90))
        ]
        return answers(evaluations(full, *rows))[0].caveat

    biased = caveat(lambda k: 101 - k)
    assert "(r = -1.00 [-1.00, -1.00])" in biased
    assert "can be label bias" in biased
    assert caveat(lambda k: k + 5) == caveat(lambda k: 60 - (k - 50) ** 2 // 100) == ""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("p", "wrong"), [((0.5,) * 6, "supported"), ((0.35, 0.5, 0.65) * 2, "contradicted")]
)
def test_verdicts_are_calibrated(p, wrong):
    rng = np.random.default_rng(0)
    right = np.full((200, 1, 6, 2, 4), 59)
    right[:, 0, :, 1, 1:] = rng.binomial(60, np.array(p)[:, None], size=(200, 6, 3))
    results = answers(simulated(right, ["i", "a1", "a2", "a3"], [0.0, 0.5], 60))
    assert len(results) == 200
    assert decisions(results).count(wrong) <= 18


def test_different_label_biases_are_a_spread_of_accuracies():
    """What the claim says, and no more: it takes the AUROC to see that nothing else differs."""
    rng = np.random.default_rng(3)
    bias = np.linspace(-1.5, 1.5, 6)[None, None, :, None, None]
    drawn = scored(rng, np.full((20, 1, 6, 2, 3), 0.8), bias, sparsities=(0.0, 0.5))
    evidence = Evidence(dict(zip(("evaluations", "discrimination"), drawn, strict=True)))
    assert decisions(spread(evidence)).count("supported") == 20
    assert decisions(discrimination(evidence)).count("supported") <= 2
