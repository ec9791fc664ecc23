from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from scipy import stats
from simulated_removals import CASES, heads, share_wrong, simulate, singles

from heuristic_core.analysis.core_removal import core_removal, freedom, widening
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


def test_a_core_that_matters():
    removals, _ = layout(6, 20)
    ood = np.array([case[0] != "i" for case in CASES])
    table, apart = simulate(
        np.random.default_rng(0),
        removals,
        area=-0.4 * is_core(removals),
        change=-2.0 * of_core(removals) * ood,
        n=100,
    )
    (result,) = core_removal(table, apart)
    assert len(result.core) == 6
    assert result.n_controls == 20
    area, balanced, *_, in_domain = result.measures
    assert area.measure == "area under the curve"
    assert area.core.value == pytest.approx(-0.4, abs=0.05)
    assert area.percentile == 0
    assert area.p_more < 1e-6
    assert area.p_less == pytest.approx(1)
    assert area.beyond.high < -0.3
    assert balanced.core.value == pytest.approx(-2, abs=0.2)
    assert in_domain.measure == "in-domain margin"
    assert result.verdict.decision == "supported"
    (result,) = core_removal(table)
    assert result.measures[0].measure == "balanced margin"
    assert result.verdict.decision == "supported"


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
    (result,) = core_removal(table)
    balanced = result.measures[0]
    assert (balanced.controls, balanced.lowest, balanced.highest) == (-1.0, -4.0, 1.0)
    assert balanced.percentile == 25
    # One head of 12 in each layer: the widening is sqrt(12 / 10), and 4 times 10 others are free.
    assert result.widening == pytest.approx(1.2**0.5)
    free = 1 / (1 / 3 + 1 / 40)
    # Controls at -4, -1, 0 and 1 have a variance of 14 / 3.
    error = (14 / 3 * 1.2 * (1 + 1 / 4)) ** 0.5
    half = stats.t.ppf(0.975, free) * error
    assert balanced.beyond.value == -2
    assert (balanced.beyond.low, balanced.beyond.high) == pytest.approx((-2 - half, -2 + half))
    assert balanced.p_more == pytest.approx(stats.t.cdf(-2 / error, free))
    assert balanced.p_less == pytest.approx(1 - balanced.p_more)


@pytest.mark.parametrize("n_controls", [5, 20, 40])
def test_few_groups_allow_both_verdicts(n_controls):
    removals, _ = layout(6, n_controls)
    for harm, expected in ((of_core(removals), "supported"), (~of_core(removals), "contradicted")):
        table, apart = simulate(
            np.random.default_rng(0), removals, area=-0.4 * harm, change=-1.0 * harm, n=100
        )
        (result,) = core_removal(table, apart)
        assert result.n_controls == n_controls
        assert result.verdict.decision == expected


def test_differences_by_rounding_decide_nothing():
    """No unit matters: changes are 1e-5 nats, and the core's are the largest every time."""
    removals, _ = layout(6, 20)
    table, _ = simulate(
        np.random.default_rng(0), removals, change=-1e-5 * is_core(removals), noise=1e-7
    )
    (result,) = core_removal(table)
    assert result.measures[0].core.high < 0
    assert result.verdict.decision == "not decided by these data"


def test_a_core_that_matters_less():
    removals, _ = layout(6, 20)
    harm = ~of_core(removals)
    table, apart = simulate(
        np.random.default_rng(0), removals, area=-0.4 * harm, change=-1.0 * harm, n=100
    )
    (result,) = core_removal(table, apart)
    assert result.verdict.decision == "contradicted"


def test_a_core_with_the_one_head_that_matters_is_not_decided():
    """Of twelve heads one matters: a core of one head in each layer has it in one of 12 cases."""
    removals, _ = layout(4, 20)
    has_it = np.array([unit.split("+")[0] == "L0H0" for _, _, unit in removals])[:, None]
    table, apart = simulate(
        np.random.default_rng(0), removals, area=-0.4 * has_it, change=-1.0 * has_it, n=100
    )
    (result,) = core_removal(table, apart)
    assert result.measures[0].beyond.high < -0.2
    assert result.alone.p_value > 0.05
    assert result.verdict.decision == "not decided by these data"


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
    table, apart = simulate(
        np.random.default_rng(0),
        removals,
        area=-0.4 * core,
        area_interaction=beyond * core,
        change=-2.0 * core,
        n=100,
        noise=0.05,
        area_noise=0.02,
    )
    (result,) = core_removal(table, apart)
    assert result.interaction.value == pytest.approx(beyond, abs=0.05)
    assert result.only_together == (expected == "supported")
    assert result.verdict.decision == expected


def test_no_more_harm_is_no_support():
    """A core whose removal helps a little where controls help a lot does no harm."""
    removals, _ = layout(6, 20)
    help_ = 0.3 - 0.2 * is_core(removals)
    table, apart = simulate(np.random.default_rng(0), removals, area=help_, n=200, area_noise=0.05)
    (result,) = core_removal(table, apart)
    assert result.measures[0].beyond.high < 0
    assert result.verdict.decision == "not decided by these data"


def test_too_little_does_not_decide():
    removals, _ = layout(6, 4)
    table, apart = simulate(
        np.random.default_rng(0), removals, area=-0.4 * is_core(removals), n=100
    )
    (result,) = core_removal(table, apart)
    assert result.verdict.decision == "not decided by these data"
    assert result.verdict.reason.endswith("fewer than 5 groups allow neither verdict")
    (result,) = core_removal(table[(table["group"] != "control") | (table["draw"] == 0)], apart)
    assert np.isnan(result.measures[0].beyond.low)
    assert "nan" not in result.verdict.reason
    assert result.verdict.decision == "not decided by these data"
    assert core_removal(table.iloc[:0], apart.iloc[:0]) == []
    assert core_removal(table[table["group"] != "control"]) == []
    assert core_removal(table[table["group"] != "core"]) == []
    assert core_removal(table[table["role"] == "id"]) == []
    (result,) = core_removal(table[table["group"] != "single"], apart)
    assert result.widening is None
    assert "too few heads" in result.verdict.reason


def test_a_group_drawn_twice_counts_once():
    removals, _ = layout(2, 5)
    again = ("control", 5, removals[-1][2])
    table, _ = simulate(np.random.default_rng(0), [*removals, again])
    assert core_removal(table)[0].n_controls == 5


def test_widening_is_the_ratio_of_deviations():
    rng = np.random.default_rng(0)
    layers, core = Counter({0: 8, 1: 6}), Counter({0: 3, 1: 1})
    effects = {layer: rng.normal(size=(20000, n)) for layer, n in layers.items()}
    # Heads in random order: the first are the core, the next a control, then all others.
    whole = sum(effects[i][:, :n].sum(1) for i, n in core.items())
    control = sum(effects[i][:, n : 2 * n].sum(1) for i, n in core.items())
    mean = sum(n * effects[i][:, n:].mean(1) for i, n in core.items())
    ratio = (whole - mean).std() / (control - mean).std()
    assert widening(layers, core) == pytest.approx(ratio, rel=0.03)


def test_widening_where_heads_are_few():
    assert widening(Counter({0: 4, 1: 4}), Counter({0: 3})) == pytest.approx((8 / 2) ** 0.5)
    assert widening(Counter({0: 4}), Counter({0: 2})) is None
    assert widening(Counter(), Counter({0: 2})) is None


def test_freedom_is_of_groups_and_of_heads():
    # Ten others in each of two layers, of which one is drawn: 18 free; 19 groups: 18 free.
    assert freedom(Counter({0: 11, 1: 11}), Counter({0: 1, 1: 1}), 19) == pytest.approx(9)
    assert freedom(Counter({0: 11}), Counter({0: 1}), 10**9) == pytest.approx(9)


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


@pytest.mark.parametrize("effects", HEAD_EFFECTS)
@pytest.mark.parametrize("power", [1.0, pytest.param(2.0, marks=pytest.mark.slow)])
@pytest.mark.parametrize("setting", LAYOUTS)
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
    table, apart = simulate(
        rng,
        removals,
        n_studies=200,
        change=5 * change[:, :, None],
        area=change[:, :, None],
        area_interaction=beyond[:, :, None],
        n=20,
        cases=("a1", "f1"),
    )
    results = core_removal(table, apart)
    assert len(results) == 200
    assert share_wrong(results) <= 0.09
