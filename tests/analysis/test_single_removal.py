from __future__ import annotations

import numpy as np
import pytest
from simulated_removals import CASES, decisions, evidence, heads, share_decided, simulate, singles

from heuristic_core.analysis.conclusions import conclude
from heuristic_core.analysis.question import Answer
from heuristic_core.analysis.single_removal import QUESTION, single_removal

CORE = ("L0H1", "L1H2", "L2H0")
UNITS = [*heads(3, 6), "L0MLP", "L1MLP", "L2MLP"]
REMOVALS = [*singles(UNITS), ("core", -1, "+".join(CORE))]
IN_CORE = np.array([unit in CORE for _, _, unit in REMOVALS])
OF_KIND = {name: np.array([case[0] == name[0] for case in CASES]) for name in ("id", "adv", "fri")}
OOD = OF_KIND["adv"] | OF_KIND["fri"]


def changes(in_domain: float, ood: float, of: np.ndarray = IN_CORE) -> np.ndarray:
    """Changes of the margin of some removals, the same for all OOD cases."""
    return of[:, None] * np.where(OOD, ood, in_domain)


def ask(table, aurocs=None) -> Answer:
    (answer,) = single_removal(evidence(table, aurocs))
    return answer


def test_a_core_whose_heads_generalisation_rests_on():
    table, aurocs = simulate(
        np.random.default_rng(0),
        REMOVALS,
        change=changes(-0.1, -1.5),
        auroc=-0.3 * IN_CORE[:, None],
        n=100,
    )
    answer = ask(table, aurocs)
    rows = answer.rows["removals"]
    assert {row["unit"] for row in rows[:3]} == set(CORE)
    assert {row["unit"] for row in rows if row["in_core"]} == set(CORE)
    assert [row["change"].value for row in rows] == sorted(row["change"].value for row in rows)
    worst = rows[0]
    assert worst["p"] < 1e-6
    assert worst["clear"]
    assert worst["measure"] == "AUROC"
    assert worst["change"] == worst["auc"]
    assert worst["balanced"].value == pytest.approx(-1.5, abs=0.2)
    # The full margins are all 2: without 0.1 of them in-domain, 0.1 less OOD would be the same.
    assert worst["beyond_in_domain"] == pytest.approx(-1.4, abs=0.2)
    alone = aurocs[(aurocs["group"] == "single") & (aurocs["removed"] == worst["unit"])]
    assert worst["change"].value == pytest.approx(alone["auc_change"].mean())
    contrast, of_margin = answer.rows["core-heads"]
    assert contrast["n_heads"] == of_margin["n_heads"] == 3
    assert of_margin["measure"] == "balanced margin"
    assert of_margin["difference"].value == pytest.approx(-1.5, abs=0.2)
    assert of_margin["p"] < 0.05
    verdict = answer.verdict
    assert verdict.decision == "supported"
    assert "removing 3 of 3 core heads hurts OOD, 3 of them more than ID" in verdict.reason
    assert (verdict.measure, verdict.effect, verdict.p) == (
        "AUROC",
        contrast["difference"],
        contrast["p"],
    )
    assert verdict.effect.value == pytest.approx(-0.3, abs=0.05)
    without = ask(table)
    assert without.rows["core-heads"] == [of_margin]
    assert without.verdict.measure == "balanced margin, nats"
    assert without.rows["removals"][0]["auc"] is None
    assert without.rows["removals"][0]["change"] == without.rows["removals"][0]["balanced"]
    assert without.verdict.decision == "supported"


def test_rows_fill_the_tables():
    table, aurocs = simulate(np.random.default_rng(0), REMOVALS)
    conclusions = conclude(evidence(table, aurocs), (QUESTION,))
    rows = conclusions.tables["removals"]
    assert rows["readout"].unique().tolist() == ["model"]
    assert set(rows["unit"]) == set(UNITS)
    assert rows["auc_low"].notna().all()
    assert rows["adversarial_points"].tolist() == [0.0] * len(UNITS)
    contrasts = conclusions.tables["core-heads"]
    assert contrasts["measure"].tolist() == ["AUROC", "balanced margin"]
    assert conclusions.verdicts["effect"].tolist() == contrasts["difference"].tolist()[:1]
    (figure,) = [f for f in QUESTION.figures if f.where["measure"] == "AUROC"]
    assert {*figure.columns.values(), *figure.where} <= set(rows)


def test_a_core_that_hurts_both_alike_is_not_decided():
    table, aurocs = simulate(
        np.random.default_rng(0),
        REMOVALS,
        change=changes(-1.0, -1.0),
        auroc=-0.3 * IN_CORE[:, None],
        n=100,
    )
    assert ask(table, aurocs).verdict.decision == "not decided by these data"


def test_a_margin_that_is_smaller_ood_may_shrink_by_less():
    """In nats ID loses more here, but both lose half."""
    table, aurocs = simulate(
        np.random.default_rng(0),
        REMOVALS,
        change=changes(-2.0, -0.5),
        auroc=-0.3 * IN_CORE[:, None],
    )
    table["margin"] = np.where(table["role"] == "id", 4.0, 1.0)
    answer = ask(table, aurocs)
    core = [row for row in answer.rows["removals"] if row["in_core"]]
    assert all(abs(row["beyond_in_domain"]) < 0.5 for row in core)
    assert answer.verdict.decision == "not decided by these data"


def test_label_bias_is_no_loss():
    """Adversarial margins fall, friendly ones rise: nothing is separated worse."""
    bias = IN_CORE[:, None] * (OF_KIND["adv"] * -1.5 + OF_KIND["fri"] * 1.5)
    table, aurocs = simulate(np.random.default_rng(0), REMOVALS, change=bias, n=100)
    assert ask(table, aurocs).verdict.decision != "supported"
    assert ask(table).verdict.decision != "supported"


def test_other_heads_that_do_more_harm_contradict():
    others = np.array([unit[0] == "single" for unit in REMOVALS]) & ~IN_CORE
    table, aurocs = simulate(
        np.random.default_rng(1),
        REMOVALS,
        change=changes(-0.1, -1.5, others),
        auroc=-0.3 * others[:, None],
        n=100,
    )
    verdict = ask(table, aurocs).verdict
    assert "removing 0 hurts ID, 0 of them more than OOD" in verdict.reason
    assert verdict.decision == "contradicted"


def test_other_heads_that_do_as_much_harm_leave_it_open():
    every = np.array([unit[0] == "single" for unit in REMOVALS])
    table, aurocs = simulate(
        np.random.default_rng(1),
        REMOVALS,
        change=changes(-0.1, -1.5, every),
        auroc=-0.3 * every[:, None],
        n=100,
    )
    verdict = ask(table, aurocs).verdict
    assert "3 of them more than ID" in verdict.reason
    assert verdict.decision == "not decided by these data"


def test_in_domain_harm_contradicts():
    table, aurocs = simulate(np.random.default_rng(0), REMOVALS, change=changes(-1.5, 0.0), n=100)
    answer = ask(table, aurocs)
    assert answer.verdict.decision == "contradicted"
    core = [row for row in answer.rows["removals"] if row["in_core"]]
    assert all(row["p_in_domain"] < 0.05 and row["p_beyond"] < 0.05 for row in core)


def test_mlps_are_listed_but_not_compared():
    others = np.array(["MLP" in unit for _, _, unit in REMOVALS])
    table, aurocs = simulate(
        np.random.default_rng(0), REMOVALS, auroc=-0.3 * others[:, None], n=100, noise=0.01
    )
    answer = ask(table, aurocs)
    assert {row["unit"] for row in answer.rows["removals"][:3]} == {"L0MLP", "L1MLP", "L2MLP"}
    contrast, _ = answer.rows["core-heads"]
    assert contrast["measure"] == "AUROC"
    assert abs(contrast["others"]) < 0.1


def test_too_little_does_not_decide():
    table, aurocs = simulate(np.random.default_rng(0), REMOVALS)
    assert single_removal(evidence(table.iloc[:0], aurocs.iloc[:0])) == []
    assert single_removal(evidence(table[table["role"] == "id"])) == []
    without_core = [frame[frame["group"] != "core"] for frame in (table, aurocs)]
    answer = ask(*without_core)
    assert not any(row["in_core"] for row in answer.rows["removals"])
    assert answer.rows["core-heads"] == []
    assert "no core was removed" in answer.verdict.reason
    assert answer.verdict.effect is answer.verdict.p is None
    answer = ask(table[table["role"] == "ood"], aurocs)
    assert answer.rows["removals"][0]["beyond_in_domain"] is None
    assert "not above 0 both OOD and ID" in answer.verdict.reason
    single = table[table["removed"].isin(["", "L0H1", "+".join(CORE)])]
    assert "no layer has enough heads" in ask(single).verdict.reason


def test_few_examples_give_no_false_numbers():
    table, aurocs = simulate(np.random.default_rng(0), REMOVALS)
    for frame in (table, aurocs):
        frame[[c for c in frame if c.endswith("_se")]] = np.nan
    answer = ask(table.assign(n=1, correct=1), aurocs.assign(n=1, n_friendly=1))
    assert all(row["p"] == 1 for row in answer.rows["removals"])


def test_a_probe_is_named():
    table, aurocs = simulate(np.random.default_rng(0), REMOVALS)
    answer = ask(table.assign(readout="probe"), aurocs.assign(readout="probe"))
    assert answer.subject["readout"] == "probe"
    assert answer.subject["readout"] == "probe"


@pytest.mark.slow
@pytest.mark.parametrize("measured", [True, False])
def test_noise_rarely_decides(measured):
    table, aurocs = simulate(np.random.default_rng(1), REMOVALS, n_studies=200, n=20)
    answers = single_removal(evidence(table, aurocs if measured else None))
    assert len(answers) == 200
    assert share_decided(answers) <= 0.09


@pytest.mark.slow
def test_heads_that_differ_at_random_rarely_decide():
    """Heads matter, but which of them are core is chance."""
    rng = np.random.default_rng(2)
    size = rng.normal(size=(200, len(REMOVALS), 1)) * 0.3
    table, aurocs = simulate(rng, REMOVALS, n_studies=200, change=size, auroc=size / 5, n=20)
    assert share_decided(single_removal(evidence(table, aurocs))) <= 0.09


def test_results_repeat():
    table, aurocs = simulate(np.random.default_rng(0), REMOVALS)
    one, other = (single_removal(evidence(table, aurocs)) for _ in range(2))
    assert decisions(one) == decisions(other)
    assert one == other
