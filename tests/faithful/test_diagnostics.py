"""R-hat, effective sample size and intervals of chains whose mixing is known."""

from __future__ import annotations

import numpy as np
import pytest

from heuristic_core.faithful.diagnostics import effective_size, inclusion, mixing


def autoregressive(rho, n=4000, seed=0):
    """Four stationary chains whose draws correlate with those before."""
    rng = np.random.default_rng(seed)
    draws = rng.normal(size=(4, n))
    for i in range(1, n):
        draws[:, i] = rho * draws[:, i - 1] + np.sqrt(1 - rho**2) * draws[:, i]
    return draws


@pytest.mark.parametrize("rho", [0.0, 0.6, 0.9])
def test_the_effective_sample_size_of_an_autoregression(rho):
    """In closed form it is n (1 - rho) / (1 + rho)."""
    draws = autoregressive(rho)
    expected = draws.size * (1 - rho) / (1 + rho)
    assert effective_size(draws) == pytest.approx(expected, rel=0.15)
    rhat, ess = mixing(draws)
    assert ess == pytest.approx(expected, rel=0.15)
    assert rhat == pytest.approx(1, abs=0.02)


def test_chains_that_differ_are_found():
    draws = autoregressive(0.0, n=100)
    rhat, ess = mixing(draws + np.array([[0], [0], [0], [4]]))
    assert rhat > 1.5
    assert ess < 20


def test_intervals_are_those_of_as_many_independent_draws():
    kept = np.zeros((4, 1000, 4), dtype=bool)
    rng = np.random.default_rng(0)
    kept[..., 0] = rng.random((4, 1000)) < 0.3
    kept[..., 1] = True
    kept[:2, :, 2] = True  # two chains always keep it, two never do
    kept[..., 3] = autoregressive(0.9, n=1000) > 0
    table = inclusion(["a", "b", "c", "d"], kept, ess_of_kl=50.0).set_index("unit")
    share = table.loc["a"]
    assert share["low"] < 0.3 < share["high"]
    half = 1.96 * np.sqrt(0.3 * 0.7 / share["ess"])
    assert (share["high"] - share["low"]) / 2 == pytest.approx(half, rel=0.05)
    assert share["ess"] > 3000
    # A unit that all keep has no size of its own: its interval is that of 50 draws.
    assert table.loc["b", "rhat"] == 1
    assert table.loc["b", "high"] == 1
    assert 0.9 < table.loc["b", "low"] < 0.95
    assert table.loc["c", "rhat"] > 1e3
    assert table.loc["c", "ess"] < 10
    assert table.loc["d", "ess"] < 1000


@pytest.mark.parametrize("n", [4, 17, 250, 1001])
def test_the_interval_of_a_share_holds_the_share(n):
    """That of a unit in all draws, or in none, ends at 1 or 0 to the last digit."""
    kept = np.zeros((4, n, 3), dtype=bool)
    kept[..., 0] = True
    kept[:, ::2, 2] = True
    for effective in np.linspace(2, 4 * n, 40):
        table = inclusion(["L0H0", "L0H1", "L0MLP"], kept, float(effective))
        assert (table["low"] <= table["share"]).all()
        assert (table["high"] >= table["share"]).all()
        assert table["share"].iloc[0] == table["high"].iloc[0] == 1
        assert table["share"].iloc[1] == table["low"].iloc[1] == 0
