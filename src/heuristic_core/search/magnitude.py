"""Activation magnitude: units whose output stays near its ablation value are dropped first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from ..models.ablation import AblationValues
from ..models.anatomy import weight_of
from ..models.classifier import Classifier
from ..models.device import widest_float
from ..models.hooks import Change, on_heads, on_mlp
from ..progress import Progress
from .data import SearchData
from .options import Count, DeterministicOptions
from .problem import Problem, no_progress
from .ranking import Ranking, from_scores


class MagnitudeOptions(DeterministicOptions):
    """Settings of the search by magnitude."""

    examples: Count = Field(2000, description="Use at most so many examples.")
    batch_size: Count = Field(64, description="Examples a pass.")

    def n_examples(self, sparsities: Sequence[float]) -> int:
        """Return half the number of examples: each is run once, forward alone."""
        return self.examples // 2


def magnitude(problem: Problem, options: MagnitudeOptions) -> list[Ranking]:
    """Score each unit by how far dropping it moves the residual stream, on average.

    Returns:
        The same ranking for every number of units, the scores among its facts.
    """
    data = problem.sample(options)
    scores = mean_distances(
        problem.model, data, batch_size=options.batch_size, progress=problem.progress
    )
    facts = {"scores": problem.named(scores)}
    return [from_scores(scores, problem.prunable, facts=facts)] * len(problem.keep)


def mean_distances(
    model: Classifier,
    data: SearchData,
    *,
    batch_size: int = 64,
    progress: Progress = no_progress,
) -> Float[np.ndarray, " unit"]:
    """Average the norm of each unit's output minus its ablation value over all real tokens.

    Heads are measured as written into the residual stream, after the output projection, so that
    they compare with MLPs.

    Args:
        model: The model, in any mode; it is left as it was.
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
            progress(done, len(data.encoded))
    return torch.cat(sums).cpu().numpy() / n_tokens


@contextmanager
def _measuring(
    model: Classifier, values: AblationValues, real: list[Tensor]
) -> Iterator[list[Tensor]]:
    """Sum distances at every forward pass of a ``with`` block, in the order of the units."""
    sums: list[Tensor] = []
    handles = []
    widest = widest_float(model.device)

    def head_hook(slot: int, value: Tensor, factors: Tensor) -> Change:
        def hook(heads: Tensor) -> None:
            output = heads[real[0]].unflatten(-1, value.shape)  # token, head, d_head
            written = torch.einsum("thd,hed->the", (output - value).float(), factors)
            sums[slot] += written.norm(dim=-1).sum(0, dtype=widest)

        return hook

    def mlp_hook(slot: int, value: Tensor) -> Change:
        def hook(output: Tensor) -> None:
            written = (output[real[0]] - value).float()
            sums[slot] += written.norm(dim=-1).sum(dtype=widest)

        return hook

    try:
        for layer, n_heads in enumerate(model.space.heads):
            slot = len(sums)
            sums += [torch.zeros(n, dtype=widest, device=model.device) for n in (n_heads, 1)]
            weight = weight_of(model.anatomy.attention_out[layer])
            projection = weight.float().unflatten(1, (n_heads, -1))
            # ||W x|| = ||R x|| for W = QR, and R is far smaller than a head's columns of W.
            factors = torch.linalg.qr(projection.transpose(0, 1), mode="r").R
            hook = head_hook(slot, values.heads[layer], factors)
            handles.append(on_heads(model.anatomy, layer, hook))
            handles.append(on_mlp(model.anatomy, layer, mlp_hook(slot + 1, values.mlps[layer])))
        yield sums
    finally:
        for handle in handles:
            handle.remove()
