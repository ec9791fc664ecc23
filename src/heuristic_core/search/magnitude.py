"""Activation magnitude: units whose output stays near its ablation value are dropped first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from jaxtyping import Bool, Float
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from ..models.ablation import AblationValues
from ..models.classifier import Classifier, Progress
from ..models.hooks import Change, on_heads, on_mlp, weight_of
from .data import SearchData
from .ranking import Ranking, by_label, from_scores


class MagnitudeOptions(BaseModel):
    """Settings of the search by magnitude."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    examples: int = Field(2000, ge=1, description="Use at most so many examples.")
    batch_size: int = Field(64, ge=1, description="Examples a pass.")


def magnitude(
    model: Classifier,
    data: SearchData,
    sparsities: Sequence[float],
    seed: int,
    prunable: Bool[np.ndarray, " unit"],
    options: MagnitudeOptions,
    progress: Progress | None = None,
) -> list[Ranking]:
    """Score each unit by how far dropping it moves the residual stream, on average.

    Args:
        model: The full model.
        data: Examples and ablation values.
        sparsities: Shares of the prunable units to drop, rising.
        seed: Which examples are used, where there are more than asked for.
        prunable: Which units may be dropped.
        options: Settings.
        progress: Called with (examples done, examples in all) after each batch.

    Returns:
        The same ranking for every sparsity, the scores among its facts.
    """
    data = data.sample(options.examples, seed)
    scores = mean_distances(model, data, batch_size=options.batch_size, progress=progress)
    facts = {"scores": by_label(model.space, scores, prunable)}
    return [from_scores(scores, prunable, facts=facts)] * len(sparsities)


def mean_distances(
    model: Classifier,
    data: SearchData,
    *,
    batch_size: int = 64,
    progress: Progress | None = None,
) -> Float[np.ndarray, " unit"]:
    """Average the norm of each unit's output minus its ablation value over all real tokens.

    Heads are measured as written into the residual stream, after the output projection, so that
    they compare with MLPs.

    Args:
        model: The model, in any mode; it is left as found.
        data: Examples and ablation values.
        batch_size: Examples a forward pass.
        progress: Called with (examples done, examples in all) after each batch.

    Returns:
        One mean distance per unit, in float64.
    """
    real: list[Tensor] = []
    n_tokens = done = 0
    with model.inference(), _measuring(model, data.values.to(model.device), real) as sums:
        for rows in data.encoded.by_length(batch_size):
            batch = data.encoded.batch(rows, model.device)
            real[:] = [batch["attention_mask"].bool()]
            n_tokens += int(real[0].sum())
            model(**batch)
            done += len(rows)
            if progress is not None:
                progress(done, len(data.encoded))
    return torch.cat(sums).cpu().numpy() / n_tokens


@contextmanager
def _measuring(
    model: Classifier, values: AblationValues, real: list[Tensor]
) -> Iterator[list[Tensor]]:
    """Sum distances at every forward pass of a ``with`` block, in the order of the units."""
    sums: list[Tensor] = []
    handles = []

    def head_hook(slot: int, value: Tensor, factors: Tensor) -> Change:
        def hook(heads: Tensor) -> None:
            output = heads[real[0]].unflatten(-1, value.shape)  # token, head, d_head
            written = torch.einsum("thd,hed->the", (output - value).float(), factors)
            sums[slot] += written.norm(dim=-1).sum(0, dtype=torch.float64)

        return hook

    def mlp_hook(slot: int, value: Tensor) -> Change:
        def hook(output: Tensor) -> None:
            written = (output[real[0]] - value).float()
            sums[slot] += written.norm(dim=-1).sum(dtype=torch.float64)

        return hook

    try:
        for layer, n_heads in enumerate(model.space.heads):
            slot = len(sums)
            sums += [torch.zeros(n, dtype=torch.float64, device=model.device) for n in (n_heads, 1)]
            weight = weight_of(model.attention_out(layer))
            projection = weight.float().unflatten(1, (n_heads, -1))
            # ||W x|| = ||R x|| for W = QR, and R is far smaller than a head's columns of W.
            factors = torch.linalg.qr(projection.transpose(0, 1), mode="r").R
            hook = head_hook(slot, values.heads[layer], factors)
            handles.append(on_heads(model, layer, hook))
            handles.append(on_mlp(model, layer, mlp_hook(slot + 1, values.mlps[layer])))
        yield sums
    finally:
        for handle in handles:
            handle.remove()
