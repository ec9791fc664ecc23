from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from scipy import stats

from heuristic_core.analysis.controls import against_controls, freedom, widening
from heuristic_core.analysis.effect import Effect


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


@pytest.mark.parametrize("noise", [0.1, 0.5])
def test_only_what_heads_do_is_widened(noise):
    """Examples move each group by itself; without them controls differ by less, or not at all."""
    heads, members = Counter({0: 12, 1: 12}), Counter({0: 3, 1: 3})
    values = 0.4 * stats.zscore(np.arange(10.0), ddof=1)
    controls = [Effect(float(x), (noise**2,), (99.0,)) for x in values]
    core = Effect(-1.0, (noise**2,), (99.0,))
    row = against_controls(core, controls, heads, members, noise**2 * np.eye(11))
    spread = max(0.4**2 - noise**2, 1e-6)
    error = (1.1 * (spread * widening(heads, members) ** 2 + noise**2)) ** 0.5
    half = (row["beyond"].high - row["beyond"].low) / 2
    assert half == pytest.approx(stats.t.ppf(0.975, freedom(heads, members, 10)) * error, rel=1e-3)
    # What examples do to all alike does not change the distance.
    same = against_controls(core, controls, heads, members, noise**2 * np.eye(11) + 7.0)
    assert same["beyond"].high == pytest.approx(row["beyond"].high)
