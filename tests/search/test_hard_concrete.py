from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from heuristic_core.search.hard_concrete import open_probability, sample_gates, soft_value

alphas = st.floats(-12, 12)


def by_formula(u: float, log_alpha: float) -> float:
    u = min(max(u, 1e-6), 1 - 1e-6)
    s = 1 / (1 + math.exp(-(math.log(u) - math.log(1 - u) + log_alpha) / (2 / 3)))
    return min(max(s * 1.2 - 0.1, 0.0), 1.0)


@given(st.floats(0, 1, exclude_max=True), alphas)
def test_samples_equal_the_published_formula(u, log_alpha):
    z = sample_gates(
        torch.tensor([log_alpha], dtype=torch.float64), torch.tensor([u], dtype=torch.float64)
    )
    assert z.item() == pytest.approx(by_formula(u, log_alpha), abs=1e-9)


@pytest.mark.parametrize("log_alpha", [-3.0, -1.0, 0.0, 0.5, 2.0])
def test_open_probability_is_the_share_of_samples_above_zero(log_alpha):
    uniform = (torch.arange(200_000, dtype=torch.float64) + 0.5) / 200_000
    z = sample_gates(torch.tensor([[log_alpha]], dtype=torch.float64), uniform[:, None])
    p = open_probability(torch.tensor([log_alpha], dtype=torch.float64)).item()
    assert p == pytest.approx((z > 0).double().mean().item(), abs=1e-4)


def test_open_probability_of_an_undecided_gate():
    # sigmoid(2/3 log 11), from P(s > 1/12) with log alpha 0.
    expected = 1 / (1 + 11 ** (-2 / 3))
    assert open_probability(torch.zeros(1)).item() == pytest.approx(expected, abs=1e-6)


@given(alphas, alphas)
def test_soft_values_keep_the_order(a, b):
    x, y = soft_value(torch.tensor([a, b], dtype=torch.float64)).tolist()
    assert x == pytest.approx(1 / (1 + math.exp(-a * 1.2)), rel=1e-9)
    if a < b - 1e-9:
        assert x < y


def test_extreme_noise_gives_finite_gates_and_gradients():
    log_alpha = torch.tensor([[0.0, 0.0, 0.0]], requires_grad=True)
    z = sample_gates(log_alpha, torch.tensor([[0.0, 0.5, np.nextafter(np.float32(1), 0)]]))
    z.sum().backward()
    assert z.tolist() == [[0.0, 0.5, 1.0]]
    assert torch.isfinite(log_alpha.grad).all()
    assert log_alpha.grad[0, 1] > 0
