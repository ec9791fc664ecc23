from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from simulated_removals import (
    CASES,
    decisions,
    evidence,
    full_aurocs,
    heads,
    of_scores,
    probits,
    share_decided,
    simulate,
    singles,
)

from heuristic_core.analysis.conclusions import collect, conclude
from heuristic_core.analysis.core_removal import QUESTION, core_removal
from heuristic_core.analysis.evidence import Evidence
from heuristic_core.analysis.question import Answer
from heuristic_core.analysis.removals import removals as read_removals
from heuristic_core.measure.removal_sets import matched_controls
from heuristic_core.units import UnitSpace


def layout(n_core: int, n_controls: int, n_layers: int = 4, n_heads: int = 12, seed: int = 0):
    """Removals with a core spread over the layers, and which heads each removes."""
    space = UnitSpace((n_heads,) * n_layers)
    units = [unit for unit in space if unit.is_head]
    core = [space.units[space.index(f"L{i % n_layers}H{i // n_layers}")] for i in range(n_core)]
    controls, _ = matched_controls(space, core, n_controls, seed)
    removals = [
        *singles(heads(n_layers, n_heads)),
        ("core", -1, "+".join(map(str, sorted(core)))),
        *(("control", c.draw, "+".join(map(str, c.units))) for c in controls),
    ]
    member = np.array([[str(u) in r[2].split("+") for u in units] for r in removals])
    return removals, member.astype(float)


def is_core(removals) -> np.ndarray:
    return np.array([group == "core" for group, _, _ in removals])[:, None]


def of_core(removals) -> np.ndarray:
    """Which removals are of the core or of one of its heads."""
    (core,) = [units.split("+") for group, _, units in removals if group == "core"]
    own = [group == "core" or (group == "single" and unit in core) for group, _, unit in removals]
    return np.array(own)[:, None]


def ask(table, aurocs=None) -> Answer:
    (answer,) = core_removal(evidence(table, aurocs))
    return answer


def test_a_core_that_matters():
    removals, _ = layout(6, 20)
    ood = np.array([case[0] != "i" for case in CASES])
    table, aurocs = simulate(
        np.random.default_rng(0),
        removals,
        auroc=-0.4 * of_core(removals),
        change=-2.0 * of_core(removals) * ood,
        n=100,
    )
    answer = ask(table, aurocs)
    auroc, balanced, *_, in_domain = answer.rows["core-removal"]
    assert auroc["measure"] == "AUROC"
    assert (auroc["core_size"], auroc["n_controls"]) == (6, 20)
    assert auroc["core"].value == pytest.approx(-0.4, abs=0.05)
    assert auroc["percentile"] == 0
    assert auroc["p_more"] < 1e-6
    assert auroc["p_less"] == pytest.approx(1)
    assert auroc["beyond"].high < -0.3
    assert balanced["core"].value == pytest.approx(-2, abs=0.2)
    assert in_domain["measure"] == "in-domain margin"
    verdict = answer.verdict
    assert verdict.decision == "supported"
    assert (verdict.measure, verdict.effect, verdict.p) == (
        "AUROC",
        auroc["beyond"],
        auroc["p_more"],
    )
    answer = ask(table)
    assert answer.rows["core-removal"][0]["measure"] == "balanced margin"
    assert answer.verdict.measure == "balanced margin, nats"
    assert answer.verdict.decision == "supported"


def test_the_core_beside_its_controls_by_hand():
    removals, _ = layout(4, 4)
    table, _ = simulate(np.random.default_rng(0), removals)
    ood = (table["role"] == "ood") & (table["group"] != "none")
    values = {("core", -1): -3.0, ("control", 0): -4.0, ("control", 1): -1.0, ("control", 2): 0.0}
    for (group, draw), value in values.items():
        table.loc[ood & (table["group"] == group) & (table["draw"] == draw), "margin_change"] = (
            value
        )
    table.loc[ood & (table["draw"] == 3), "margin_change"] = 1.0
    answer = ask(table)
    balanced = answer.rows["core-removal"][0]
    assert [balanced[name] for name in ("controls", "lowest", "highest")] == [-1.0, -4.0, 1.0]
    assert balanced["percentile"] == 25
    # One head of 12 in each layer: the widening is sqrt(12 / 10), and 4 times 10 others are free.
    free = 1 / (1 / 3 + 1 / 40)
    # Controls at -4, -1, 0 and 1 have a variance of 14 / 3.
    error = (14 / 3 * 1.2 * (1 + 1 / 4)) ** 0.5
    half = stats.t.ppf(0.975, free) * error
    beyond = balanced["beyond"]
    assert beyond.value == -2
    assert (beyond.low, beyond.high) == pytest.approx((-2 - half, -2 + half))
    assert balanced["p_more"] == pytest.approx(stats.t.cdf(-2 / error, free))
    assert balanced["p_less"] == pytest.approx(1 - balanced["p_more"])


def test_the_figure_draws_the_numbers_of_the_verdict():
    """Only the first case is separable: in the second, the removal of any group seems to help."""
    removals, _ = layout(6, 20)
    table, aurocs = simulate(np.random.default_rng(0), removals, auroc=-0.4 * is_core(removals))
    second = (aurocs["case"] == "a2") & (aurocs["group"] != "none")
    aurocs.loc[second, "auc_change"] += 0.5
    tables = {"removal": table, "removal_discrimination": aurocs}
    tables["discrimination"] = full_aurocs(a1=0.9, a2=0.4)
    (answer,) = core_removal(Evidence(tables))
    assert len(answer.rows["core-removal"]) == 5
    for row in answer.rows["core-removal"]:
        marks = [m for m in answer.rows["core-removal-groups"] if m["measure"] == row["measure"]]
        (core,) = [mark["change"] for mark in marks if mark["removed"] == "core"]
        drawn = [mark["change"].value for mark in marks if mark["removed"] == "matched group"]
        (band,) = [m["change"] for m in marks if m["removed"] == "95 % of matched groups"]
        assert core == row["core"]
        assert len(drawn) == row["n_controls"] == 20
        assert (min(drawn), max(drawn)) == (row["lowest"], row["highest"])
        assert np.mean(drawn) == pytest.approx(row["controls"])
        assert band.value == row["controls"]
        # The core's mark lies in the band if 0 lies in the interval of the difference.
        assert core.value - band.high == pytest.approx(row["beyond"].low)
        assert core.value - band.low == pytest.approx(row["beyond"].high)
    judged = answer.rows["core-removal"][0]
    first = aurocs[(aurocs["case"] == "a1") & (aurocs["group"] == "control")]["auc_change"]
    assert (judged["lowest"], judged["highest"]) == (first.min(), first.max())
    assert f"by {judged['beyond'].value:+.3f} [" in answer.verdict.reason
    assert "beyond the mean of 20 matched groups" in answer.verdict.reason
    assert {m["scale"] for m in answer.rows["core-removal-groups"] if m["measure"] == "AUROC"} == {
        "AUROC"
    }
    (figure,) = QUESTION.figures
    assert figure.table == "core-removal-groups"
    assert any("separates" in limit for limit in QUESTION.limits)


def test_rows_fill_the_tables():
    removals, _ = layout(6, 20)
    table, aurocs = simulate(np.random.default_rng(0), removals)
    tables = conclude(evidence(table, aurocs), (QUESTION,)).tables
    assert len(tables["core-removal"]) == 5
    marks = tables["core-removal-groups"]
    assert len(marks) == 5 * 22
    assert marks.loc[marks["removed"] == "matched group", "change_low"].isna().all()
    assert set(QUESTION.figures[0].columns.values()) <= set(marks)


@pytest.mark.parametrize("n_controls", [5, 20, 40])
def test_few_groups_allow_both_verdicts(n_controls):
    removals, _ = layout(6, n_controls)
    for harm, expected in ((of_core(removals), "supported"), (~of_core(removals), "contradicted")):
        table, aurocs = simulate(
            np.random.default_rng(0), removals, auroc=-0.4 * harm, change=-1.0 * harm, n=100
        )
        answer = ask(table, aurocs)
        assert answer.rows["core-removal"][0]["n_controls"] == n_controls
        assert answer.verdict.decision == expected


def test_one_control_group_has_no_spread_so_no_p():
    removals, _ = layout(6, 1)
    table, aurocs = simulate(np.random.default_rng(0), removals, n=100)
    made = collect({QUESTION: [ask(table, aurocs)]})
    assert made.tables["core-removal"]["p_more"].isna().all()
    (verdict,) = made.verdicts.to_dict("records")
    assert verdict["decision"] == "not decided by these data"
    assert pd.isna(verdict["p"])
    assert "mean of 1 matched groups;" in verdict["reason"]


def test_differences_by_rounding_decide_nothing():
    """No unit matters: changes are 1e-5 nats, and the core's are the largest every time."""
    removals, _ = layout(6, 20)
    table, _ = simulate(
        np.random.default_rng(0), removals, change=-1e-5 * is_core(removals), noise=1e-7
    )
    answer = ask(table)
    assert answer.rows["core-removal"][0]["core"].high < 0
    assert answer.verdict.decision == "not decided by these data"


def test_a_core_that_matters_less():
    removals, _ = layout(6, 20)
    harm = ~of_core(removals)
    table, aurocs = simulate(
        np.random.default_rng(0), removals, auroc=-0.4 * harm, change=-1.0 * harm, n=100
    )
    answer = ask(table, aurocs)
    assert answer.verdict.decision == "contradicted"


def test_a_core_with_the_one_head_that_matters_is_not_decided():
    """Of twelve heads one matters: a core of one head in each layer has it in one of 12 cases."""
    removals, _ = layout(4, 20)
    has_it = np.array([unit.split("+")[0] == "L0H0" for _, _, unit in removals])[:, None]
    table, aurocs = simulate(
        np.random.default_rng(1), removals, auroc=-0.4 * has_it, change=-1.0 * has_it, n=100
    )
    answer = ask(table, aurocs)
    assert answer.rows["core-removal"][0]["beyond"].high < -0.2
    (model,) = read_removals(evidence(table, aurocs))
    assert model.core_heads("AUROC", seed=0).p > 0.05
    assert answer.verdict.decision == "not decided by these data"


@pytest.mark.parametrize(
    ("n_core", "n_controls", "beyond", "expected"),
    [
        (6, 20, -0.4, "supported"),
        (6, 20, -0.2, "not decided by these data"),  # half of it is the sum
        (6, 10, -0.4, "not decided by these data"),  # few groups
        (16, 20, -0.4, "not decided by these data"),  # a third of the heads
    ],
)
def test_heads_that_stand_in_for_each_other(n_core, n_controls, beyond, expected):
    removals, _ = layout(n_core, n_controls)
    core = is_core(removals)
    table, aurocs = simulate(
        np.random.default_rng(0),
        removals,
        auroc=-0.4 * core,
        auroc_interaction=beyond * core,
        change=-2.0 * core,
        n=100,
        noise=0.05,
        auroc_noise=0.02,
    )
    answer = ask(table, aurocs)
    (model,) = read_removals(evidence(table, aurocs))
    assert model.core.beyond_sum.value == pytest.approx(beyond, abs=0.05)
    together = f"together, by {model.core.beyond_sum.value:+.3f}" in answer.verdict.reason
    only_together = "as no matched group does" in answer.verdict.reason
    assert together == only_together == (expected == "supported")
    assert answer.verdict.decision == expected


def test_no_more_harm_is_no_support():
    """A core whose removal helps a little where controls help a lot does no harm."""
    removals, _ = layout(6, 20)
    help_ = 0.3 - 0.2 * is_core(removals)
    table, aurocs = simulate(
        np.random.default_rng(0), removals, auroc=help_, n=200, auroc_noise=0.05
    )
    answer = ask(table, aurocs)
    assert answer.rows["core-removal"][0]["beyond"].high < 0
    assert answer.verdict.decision == "not decided by these data"


def test_too_little_does_not_decide():
    removals, _ = layout(6, 4)
    table, aurocs = simulate(
        np.random.default_rng(0), removals, auroc=-0.4 * is_core(removals), n=100
    )
    answer = ask(table, aurocs)
    assert answer.verdict.decision == "not decided by these data"
    assert answer.verdict.reason.endswith("fewer than 5 groups allow no verdict")
    answer = ask(table[(table["group"] != "control") | (table["draw"] == 0)], aurocs)
    assert np.isnan(answer.rows["core-removal"][0]["beyond"].low)
    assert "nan" not in answer.verdict.reason
    assert answer.verdict.decision == "not decided by these data"
    for rows in (
        table.iloc[:0],
        table[table["group"] != "control"],
        table[table["group"] != "core"],
        table[table["role"] == "id"],
    ):
        assert core_removal(evidence(rows)) == []
    answer = ask(table[table["group"] != "single"], aurocs)
    assert "too few heads" in answer.verdict.reason


def test_a_group_drawn_twice_counts_once():
    removals, _ = layout(2, 5)
    again = ("control", 5, removals[-1][2])
    table, _ = simulate(np.random.default_rng(0), [*removals, again])
    assert ask(table).rows["core-removal"][0]["n_controls"] == 5


#: Effects of heads out of whose sum a group's change is made, all with a standard deviation of 1.
HEAD_EFFECTS = {
    "normal": lambda rng, shape: rng.normal(size=shape) - 1,
    "skewed": lambda rng, shape: -rng.exponential(size=shape),
    "helpful": lambda rng, shape: rng.exponential(size=shape),
    "few": lambda rng, shape: rng.exponential(size=shape) * -3 * (rng.random(shape) < 0.1),
    "heavy-tailed": lambda rng, shape: rng.standard_t(3, size=shape) / 3**0.5,
}


#: Layers, heads in each, heads of the core and controls: many, few, half of all heads.
LAYOUTS = [
    (4, 12, 6, 5),
    (4, 12, 6, 20),
    (4, 12, 20, 20),
    (2, 4, 2, 8),
    (3, 8, 9, 8),
    (6, 4, 6, 20),
]


#: Every layout and every kind of effect is always tried once, all of their pairs where time allows.
RANDOM_CORES = [
    pytest.param(
        setting, power, effects, marks=() if power == 1 and i % 5 == j else pytest.mark.slow
    )
    for i, setting in enumerate(LAYOUTS)
    for j, effects in enumerate(HEAD_EFFECTS)
    for power in (1.0, 2.0)
]


@pytest.mark.slow
@pytest.mark.parametrize(("setting", "power", "effects"), RANDOM_CORES)
def test_a_random_core_rarely_decides(setting, power, effects):
    """Heads' effects add up, or more than that, and differ at random; the core is any of them."""
    rng = np.random.default_rng(3)
    n_layers, n_heads, n_core, n_controls = setting
    removals, member = layout(n_core, n_controls, n_layers, n_heads)

    def harm(effects: np.ndarray) -> np.ndarray:
        return 0.1 * np.sign(effects) * np.abs(effects) ** power

    of_heads = HEAD_EFFECTS[effects](rng, (200, member.shape[1]))
    change = harm(of_heads @ member.T)
    beyond = change - harm(of_heads) @ member.T
    table, aurocs = simulate(
        rng,
        removals,
        n_studies=200,
        change=5 * change[:, :, None],
        auroc=change[:, :, None],
        auroc_interaction=beyond[:, :, None],
        n=20,
        cases=("a1", "f1"),
    )
    answers = core_removal(evidence(table, aurocs))
    assert len(answers) == 200
    assert share_decided(answers) <= 0.09


#: Three core heads among 24, as in the paper's ablation, and 15 groups matched to them.
SMALL, MEMBER = layout(3, 15, 3, 8)
CORE_HEAD = np.array([of_core(SMALL)[i, 0] for i, r in enumerate(SMALL) if r[0] == "single"])


def from_scores(loss: np.ndarray, lean: np.ndarray | float = 0.0, beyond: float = 0.0, **settings):
    """Answers on studies whose heads take so much from examples' scores; (study, head)."""
    rng = np.random.default_rng(8)
    of_heads = np.broadcast_to(lean, loss.shape)
    return core_removal(
        evidence(
            *of_scores(
                rng,
                SMALL,
                loss=loss @ MEMBER.T + beyond * is_core(SMALL)[:, 0],
                lean=of_heads @ MEMBER.T,
                **settings,
            )
        )
    )


@pytest.mark.parametrize("friendly", [0.7, 0.95])
def test_the_effects_of_the_paper_are_found(friendly):
    alone, beyond = probits()
    loss = np.random.default_rng(7).normal(0.01, 0.03, (30, len(CORE_HEAD)))
    loss[:, CORE_HEAD] = alone
    answers = from_scores(loss, beyond=beyond, friendly=friendly)
    by_margin = friendly > 0.9
    assert np.mean([d == "supported" for d in decisions(answers)]) >= 0.9
    for answer in answers:
        assert by_margin or answer.verdict.measure == "AUROC"
        assert ("leaves no room" in answer.verdict.reason) == (answer.verdict.measure != "AUROC")


#: Cores without an effect of their own: heads differ at random, or the core's heads lean more than
#: others while nothing or everything is separated worse.
LEANING = {
    "random": lambda rng, shape: (
        rng.exponential(0.15, shape),
        rng.exponential(0.2, shape) * rng.choice([-1, 1], shape),
    ),
    "the core leans": lambda rng, shape: (
        np.zeros(shape),
        rng.normal(0, 0.05, shape) + 0.6 * CORE_HEAD,
    ),
    "the core leans, every head separates": lambda rng, shape: (
        rng.normal(0.25, 0.05, shape),
        rng.normal(0, 0.05, shape) + 0.6 * CORE_HEAD,
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("adversarial", [0.6, 0.95])
@pytest.mark.parametrize("friendly", [0.95, *(x for x in (0.5, 0.99))])
@pytest.mark.parametrize("world", LEANING)
def test_a_model_that_leans_rarely_decides(world, friendly, adversarial):
    """Log-odds saturate at 5 nats; there are 1,080 studies in all settings together."""
    n = 60
    loss, lean = LEANING[world](np.random.default_rng(9), (n, len(CORE_HEAD)))
    answers = from_scores(loss, lean, friendly=friendly, adversarial=adversarial, saturation=5.0)
    assert decisions(answers).count("supported") <= 0.065 * n
