"""A relaxed choice of k among n: sampling without replacement that can be differentiated."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def gumbel(uniform: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """Turn uniform noise in [0, 1) into standard Gumbel noise, finite everywhere."""
    eps = torch.finfo(uniform.dtype).eps
    return -torch.log(-torch.log(uniform.clamp(eps, 1 - eps)))


def relaxed_top_k(
    keys: Float[Tensor, "*batch unit"], k: int, temperature: float
) -> Float[Tensor, "*batch unit"]:
    """Choose the k largest keys softly: k softmaxes, each without what was chosen before.

    Args:
        keys: Real numbers; with Gumbel noise added the choice is a sample.
        k: How many to choose, from 0 to all.
        temperature: Positive; towards 0 the choice becomes the hard one.

    Returns:
        Gates that are not negative and sum to k; at a high temperature single ones can be far
        above 1.

    Source:
        Plötz and Roth (2018), Xie and Ermon (2019).
    """
    tiny = torch.finfo(keys.dtype).tiny
    chosen = torch.zeros_like(keys)
    for _ in range(k):
        share = torch.softmax(keys / temperature, dim=-1)
        chosen = chosen + share
        keys = keys + torch.log((1 - share).clamp_min(tiny))
    return chosen


def hard_top_k(keys: Float[Tensor, "*batch unit"], k: int) -> Float[Tensor, "*batch unit"]:
    """Choose exactly the k largest keys: 1 for them, 0 for the others."""
    return torch.zeros_like(keys).scatter(-1, keys.topk(k, dim=-1).indices, 1.0)
