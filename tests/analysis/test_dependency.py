from __future__ import annotations

from collections import Counter

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from heuristic_core.analysis.conclusions import conclude
from heuristic_core.analysis.dependency import QUESTION, dependency
from heuristic_core.analysis.evidence import Evidence
from heuristic_core.tables import DEPENDENCY

#: Three layers of two core heads and three controls; three added heads above them all.
SENDERS = {
    f"L{layer}H{head}": ("core" if head < 2 else "control")
    for layer in range(3)
    for head in range(5)
}
RECEIVERS = {"L3H0": "added", "L3H1": "added", "L4H0": "added"}


def answers(table, seed=0):
    return dependency(Evidence({"dependency": table}, seed=seed))


def paths(answer, measure="added head"):
    return {r["path"]: r for r in answer.rows["dependency"] if r["measure"] == measure}


def dependencies(
    examples: np.ndarray,
    margins: np.ndarray | None = None,
    senders=SENDERS,
    receivers=RECEIVERS,
    path="direct",
    reads="v",
) -> pd.DataFrame:
    """A table from per-example changes and sizes of margin changes: sender, receiver, example."""
    margins = examples if margins is None else margins
    layer, control = np.array([int(s[1]) for s in senders]), np.array(list(senders.values()))
    excess = [np.full(examples.shape, np.nan) for _ in range(2)]
    for one in set(layer):
        here = layer == one
        controls = here & (control == "control")
        if controls.any():
            for size, over in zip((examples, margins), excess, strict=True):
                over[here] = size[here] - size[controls].mean(0)
    columns = {}
    for name, x in zip(
        ("change", "excess", "margin_change", "margin_excess"),
        (examples, excess[0], margins, excess[1]),
        strict=True,
    ):
        columns[name] = x.mean(-1).ravel()
        columns[f"{name}_se"] = x.std(-1, ddof=1).ravel() / x.shape[-1] ** 0.5
    index = pd.MultiIndex.from_product([senders, receivers], names=["sender", "receiver"])
    frame = index.to_frame(index=False).assign(
        finetune_seed=1,
        checkpoint=300,
        path=path,
        reads=reads,
        n=examples.shape[-1],
        sender_group=lambda t: t["sender"].map(senders),
        receiver_group=lambda t: t["receiver"].map(receivers),
        **columns,
    )
    return DEPENDENCY.conform(frame)


def noise(rng, effect=0.0, spread=0.05, sampling=0.05, n=20) -> np.ndarray:
    """Heads that differ from each other for no reason, and examples within them."""
    heads = rng.normal(0.3, spread, size=(len(SENDERS), 1, 1))
    heads[[group == "core" for group in SENDERS.values()]] += effect
    return heads + rng.normal(0, sampling, size=(len(SENDERS), len(RECEIVERS), n))


def two_values(mean: float, error: float) -> np.ndarray:
    """Two examples with this mean and standard error."""
    return np.array([mean - error, mean + error])


def test_edges_by_hand():
    senders = {"L0H0": "core", "L0H1": "core", "L0H2": "control", "L0H3": "control"}
    receivers = {"L1H0": "added", "L1H1": "added", "L1H2": "core", "L0H1": "added"}
    rng = np.random.default_rng(0)
    x = np.full((4, 4, 30), 0.1) + 1e-3 * rng.normal(size=(4, 4, 30))
    x[0, 0] += 0.6
    x[1, 0] += 0.4
    x[0, 1] += 0.04  # clear, but less than counts
    x[1, 2] += 0.4  # of no added head
    x[:, 3] = 0  # no path
    (found,) = answers(dependencies(x, x / 10, senders, receivers))
    row, edges = paths(found)["direct"], found.rows["edges"]
    assert (row["tested"], row["n_heads"], row["edges"]) == (4, 2, 2)
    assert found.verdict.reason.startswith("2 core heads and 2 others of their layers")
    pairs = [(edge["sender"], edge["receiver"]) for edge in edges]
    assert pairs == [("L0H0", "L1H0"), ("L0H1", "L1H0")]
    edge, excess = edges[0], x[0, 0] - x[2:, 0].mean(0)
    half = stats.t.ppf(0.975, 29) * excess.std(ddof=1) / 30**0.5
    assert edge["change"] == pytest.approx(x[0, 0].mean())
    assert edge["excess"].value == pytest.approx(excess.mean())
    assert edge["excess"].high - edge["excess"].low == pytest.approx(2 * half)
    assert edge["margin_change"] == pytest.approx(x[0, 0].mean() / 10)
    assert edge["margin_excess"].value == pytest.approx(excess.mean() / 10)
    assert edge["p"] < 1e-10
    assert (edge["reads"], edge["path"]) == ("v", "direct")


def test_a_control_that_writes_more_forbids_an_edge():
    senders = {"L0H0": "core", "L0H1": "control", "L0H2": "control"}
    for control, n_edges in [(0.6, 0), (0.4, 1)]:
        x = np.array([0.5, control, 0.0])[:, None, None] + 1e-3 * np.arange(4)
        (found,) = answers(dependencies(x, senders=senders, receivers={"L1H0": "added"}))
        assert len(found.rows["edges"]) == n_edges


def test_p_values_of_edges_are_corrected():
    """Benjamini and Hochberg: of m p-values in order, the smallest p_j m / j from j on."""
    senders = {"L0H0": "core", "L0H1": "control"}
    receivers = {f"L1H{i}": "added" for i in range(4)}
    x = np.zeros((2, 4, 2))
    errors = [0.001, 0.004, 0.006, 1.0]
    for i, error in enumerate(errors):
        x[0, i] = two_values(0.2, error)
    p = stats.t.sf(0.2 / np.array(errors), 1)
    corrected = [min(p[j] * 4 / (j + 1) for j in range(i, 4)) for i in range(4)]
    (found,) = answers(dependencies(x, senders=senders, receivers=receivers))
    kept = {edge["receiver"]: edge["p"] for edge in found.rows["edges"]}
    assert kept == pytest.approx({f"L1H{i}": corrected[i] for i in range(3)})


def test_the_effect_is_the_mean_over_receivers_within_layers():
    x = np.random.default_rng(1).normal(0.3, 0.1, size=(15, 3, 6))
    (found,) = answers(dependencies(x, x**2))
    scores = x.mean((1, 2)).reshape(3, 5)
    assert list(paths(found)) == ["direct"]
    row = paths(found)["direct"]
    assert row["n_heads"] == 6
    assert row["core"] == pytest.approx(scores[:, :2].mean())
    assert row["others"] == pytest.approx(scores[:, 2:].mean())
    assert (found.verdict.effect, found.verdict.p) == (row["difference"], row["p"])
    sizes = (x**2).mean((1, 2)).reshape(3, 5)
    wanted = sizes[:, :2].mean() - sizes[:, 2:].mean()
    margin = paths(found, "margin")["direct"]
    assert margin["difference"].value == pytest.approx(wanted)


def test_verdicts_of_clear_cases():
    rng = np.random.default_rng(8)
    strong, none = noise(rng, 0.3), noise(rng)
    decisions = {
        name: answers(dependencies(*values))[0].verdict
        for name, values in {
            "both": (strong, strong / 10),
            "neither": (none, none / 10),
            "z alone": (strong, none / 10),
            "margin alone": (none, strong / 10),
            "lower": (1 - strong, 1 - strong / 10),
        }.items()
    }
    assert {name: v.decision for name, v in decisions.items()} == {
        "both": "supported",
        "neither": "not decided by these data",
        "z alone": "not decided by these data",
        "margin alone": "not decided by these data",
        "lower": "contradicted",
    }
    assert "6 core heads and 9 others" in decisions["both"].reason
    assert "on the direct path" in decisions["both"].reason


def test_the_verdict_rests_on_the_path_whose_margins_were_measured():
    rng = np.random.default_rng(3)
    strong, none = noise(rng, 0.3), noise(rng)
    direct = dependencies(none, none, path="direct")
    total = dependencies(strong, strong, path="total")
    blank = ["margin_change", "margin_change_se", "margin_excess", "margin_excess_se"]
    (both,) = answers(pd.concat([total, direct]))
    assert list(paths(both)) == ["direct", "total"]
    assert both.verdict.decision == "not decided by these data"
    (found,) = answers(pd.concat([total, direct.assign(**dict.fromkeys(blank, np.nan))]))
    assert found.verdict.decision == "supported"
    assert "on the total path" in found.verdict.reason
    (found,) = answers(total.assign(**dict.fromkeys(blank, np.nan)))
    assert found.verdict.decision == "not decided by these data"
    assert "was not measured" in found.verdict.reason
    assert list(paths(found)) == ["total"]
    assert paths(found, "margin") == {}
    assert all(np.isnan(edge["margin_excess"].value) for edge in found.rows["edges"])


@pytest.mark.parametrize(
    "senders",
    [
        {"L0H0": "core", "L0H1": "control", "L0H2": "control"},
        {"L0H0": "core", "L0H1": "control", "L1H0": "core", "L1H1": "control"},
        {"L0H0": "core", "L0H1": "core"},
        {"L0H0": "control", "L0H1": "control"},
        {"L0H0": "core", "L1H1": "control"},
        {"L5H0": "core", "L5H1": "control", "L5H2": "control"},
    ],
)
def test_too_few_controls_decide_nothing(senders):
    x = np.ones((len(senders), 3, 4)) * np.arange(1, len(senders) + 1)[::-1, None, None]
    (found,) = answers(dependencies(x, senders=senders))
    assert found.verdict.decision == "not decided by these data"
    assert "too few" in found.verdict.reason or "no core head" in found.verdict.reason


def test_exact_numbers_single_examples_and_empty_tables():
    assert answers(DEPENDENCY.empty()) == []
    x = np.where(np.array(list(SENDERS.values()))[:, None, None] == "core", 0.3, 0.0)
    exact = np.broadcast_to(x, (15, 3, 2)).copy()
    table = dependencies(exact)
    (found,) = answers(table)
    assert found.verdict.decision == "supported"
    assert len(found.rows["edges"]) == 18
    alone = table.assign(n=1, excess_se=np.nan, margin_excess_se=np.nan)
    (found,) = answers(alone)
    assert found.rows["edges"] == []
    zero = dependencies(np.zeros((15, 3, 2)))
    (found,) = answers(zero)
    assert found.rows["edges"] == []
    assert found.verdict.decision == "not decided by these data"
    assert paths(found)["direct"]["difference"].value == 0


def test_models_are_apart_and_the_order_of_rows_does_not_matter():
    table = dependencies(noise(np.random.default_rng(4), 0.2))
    other = table.assign(checkpoint=0)
    found = answers(pd.concat([table, other]))
    assert [result.subject["checkpoint"] for result in found] == [0, 300]
    shuffled = table.sample(frac=1, random_state=0)
    one, two = found[1], answers(shuffled)[0]
    assert one.rows["edges"] == two.rows["edges"]
    assert one.verdict == two.verdict


@pytest.mark.slow
@pytest.mark.parametrize(
    ("n_core", "n_controls", "skewed"),
    [((2, 1, 1, 2), 4, True), ((2, 2, 2), 3, False), ((3, 1), 4, True), ((1, 1, 1), 4, False)],
)
def test_pure_noise_is_seldom_decided(n_core, n_controls, skewed):
    """Which heads of a layer are core is chance; sizes are normal, or spread over magnitudes."""
    senders = {
        f"L{layer}H{head}": "core" if head < n else "control"
        for layer, n in enumerate(n_core)
        for head in range(n + n_controls)
    }
    receivers = {f"L{len(n_core)}H{head}": "added" for head in range(6)}
    rng = np.random.default_rng(5)
    decisions: Counter[str] = Counter()
    for trial in range(200):
        shape = (len(senders), 1, 1)
        heads = rng.lognormal(-3, 0.8, shape) if skewed else rng.normal(0.3, 0.05, shape)
        # Receivers do not hear all heads alike, and examples differ.
        x = heads * rng.lognormal(0, 0.5, (len(senders), 6, 1)) * rng.lognormal(0, 0.3, (1, 6, 12))
        # The answers follow the outputs, so that both measures err together.
        found = answers(dependencies(x, x / 10, senders, receivers), trial)[0]
        decisions[found.verdict.decision] += 1
    assert 0 < decisions["supported"] + decisions["contradicted"] <= 18


@pytest.mark.slow
def test_edges_of_pure_noise_are_seldom_kept():
    rng = np.random.default_rng(6)
    wrong = 0
    for trial in range(200):
        # Sampling alone, large enough for chance to reach what counts as an edge.
        x = noise(rng, spread=0, sampling=0.3, n=12)
        wrong += bool(answers(dependencies(x), trial)[0].rows["edges"])
    assert wrong <= 18


@pytest.mark.slow
def test_intervals_cover():
    rng = np.random.default_rng(7)
    heads, edges, n_edges = 0, 0, 0
    for trial in range(200):
        (found,) = answers(dependencies(noise(rng, effect=0.1)), trial)
        inside = paths(found)["direct"]["difference"]
        heads += inside.low <= 0.1 <= inside.high
    for trial in range(50):
        (found,) = answers(dependencies(noise(rng, 0.2, spread=0, n=40)), trial)
        intervals = [edge["excess"] for edge in found.rows["edges"]]
        edges += sum(excess.low <= 0.2 <= excess.high for excess in intervals)
        n_edges += len(intervals)
    assert 0.90 <= heads / 200 <= 0.99
    assert n_edges == 50 * 18
    assert 0.90 <= edges / n_edges <= 0.99


def test_the_figure_draws_each_pairs_strongest_edge_on_one_path():
    x = noise(np.random.default_rng(0), 0.3)
    parts = [dependencies(x, reads="v"), dependencies(2 * x, reads="k")]
    parts += [dependencies(3 * x, path="total")]
    (found,) = answers(pd.concat(parts))
    drawn = [edge for edge in found.rows["edges"] if edge["drawn"]]
    assert {(edge["path"], edge["reads"]) for edge in drawn} == {("direct", "k")}
    assert len(drawn) == len({(edge["sender"], edge["receiver"]) for edge in drawn}) == 18
    (total,) = answers(parts[2])
    assert {edge["path"] for edge in total.rows["edges"] if edge["drawn"]} == {"total"}


def test_tables():
    table = dependencies(noise(np.random.default_rng(4), 0.2))
    found = conclude(Evidence({"dependency": table}), (QUESTION,))
    assert found.tables["dependency"]["path"].tolist() == ["direct", "direct"]
    assert found.tables["dependency"]["measure"].tolist() == ["added head", "margin"]
    assert found.tables["edges"]["drawn"].all()
    assert found.verdicts["decision"].tolist() == ["supported"]
