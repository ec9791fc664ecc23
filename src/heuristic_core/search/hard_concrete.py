"""Hard-concrete gates: random gates in [0, 1] that are exactly 0 or 1 with positive probability.

Louizos, Welling and Kingma (2018), in the stretched form and with the constants that the paper
uses (section 3.1): temperature 2/3, stretched from (0, 1) to (-0.1, 1.1).
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor

TEMPERATURE = 2 / 3
LOW, HIGH = -0.1, 1.1
#: Uniform noise stays this far from 0 and 1, where its log-odds would be infinite.
EPSILON = 1e-6
#: Factor on the log-odds of the deterministic gate.
SOFT_SCALE = 0.8


def sample_gates(
    log_alpha: Float[Tensor, "*#batch unit"], uniform: Float[Tensor, "*batch unit"]
) -> Float[Tensor, "*batch unit"]:
    """Turn uniform noise into gates.

    Args:
        log_alpha: Location of each gate; larger is more open.
        uniform: Noise in [0, 1).

    Returns:
        Gates in [0, 1], differentiable in ``log_alpha`` where they are strictly inside.
    """
    noise = torch.logit(uniform, eps=EPSILON)
    stretched = torch.sigmoid((noise + log_alpha) / TEMPERATURE) * (HIGH - LOW) + LOW
    return stretched.clamp(0, 1)


def open_probability(log_alpha: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """Return the probability that a gate is not exactly 0."""
    return torch.sigmoid(log_alpha - TEMPERATURE * math.log(-LOW / HIGH))


def soft_value(log_alpha: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """Return the deterministic soft gate, in (0, 1), by which units are ranked."""
    return torch.sigmoid(log_alpha / TEMPERATURE * SOFT_SCALE)
