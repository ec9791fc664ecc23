"""What each head attends to, compared with chance (paper, section 5: shallow features)."""

from __future__ import annotations

from contextlib import ExitStack
from functools import partial

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ..errors import unknown
from ..models.classifier import Classifier
from ..models.device import widened
from ..models.hooks import on_values
from ..progress import Progress
from ..tables import ATTENTION, MODEL_NAMES
from ..tasks.task import Examples
from .attention_maps import attention_maps, not_finite, showing_maps
from .patterns import PADDING, PATTERNS, describe_tokens, pattern_scores, relate

WEIGHTINGS = ("attention", "value_norm")

N_DRAWS = 1000

_TABLE = ATTENTION.without(MODEL_NAMES)


def attention_patterns(
    model: Classifier,
    examples: Examples,
    *,
    suite: str = "",
    weighting: str = "attention",
    batch_size: int = 32,
    seed: int = 0,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Measure how much every head attends to each kind of token, compared with chance.

    The queries are all tokens but special tokens and padding. The score of an example is the
    attention to a pattern's targets over what uniform attention would give them.

    Args:
        model: The model; it is not changed.
        examples: Texts or pairs.
        suite: Name of the examples in the table.
        weighting: ``attention``, or ``value_norm``: attention times the norm of what the value
            vector adds to the residual stream, scaled to sum to 1 (Kobayashi et al. 2020,
            "Attention is not only a weight").
        batch_size: Examples per forward pass.
        seed: Seed of the bootstrap.
        progress: Called with (examples done, examples in all) after each batch.

    Returns:
        Rows as in ``tables.ATTENTION`` without the columns that name a model. A pattern without
        targets in any example has no row. The standard error over one example is NaN.

    Raises:
        InputError: If the weighting is unknown, the tokenizer does not know words, or the model
            gives no attention maps or maps that are not finite.

    Source:
        Section 5 and its figures of attention maps, which show single examples without chance.
    """
    if weighting not in WEIGHTINGS:
        raise unknown("weighting", weighting, WEIGHTINGS)
    encoded = model.encode(examples)
    if not len(encoded):
        return _TABLE.empty()
    tokens = describe_tokens(model.tokenizer, examples, encoded, model.max_length)
    shape = (len(encoded), model.space.n_heads, len(PATTERNS))
    attention, score = np.empty(shape), np.empty(shape)
    chance = np.empty((shape[0], shape[2]))
    causal: bool | None = None
    done = 0
    with model.inference(), showing_maps(model), ExitStack() as hooks:
        norms = _ValueNorms(model, hooks) if weighting == "value_norm" else None
        for rows in encoded.by_length(batch_size):
            maps = attention_maps(model, encoded.batch(rows, model.device))
            kinds = tokens.batch(rows, model.device)
            if causal is None:  # decided on the first batch, which is the longest
                causal = _is_causal(maps, kinds["sentence"] != PADDING)
            relations = relate(
                kinds["sentence"], kinds["word"], kinds["punctuation"], causal=causal
            )
            first = 0
            for layer, layer_map in enumerate(maps):
                weights = layer_map if norms is None else norms.weigh(layer, layer_map)
                patterns = pattern_scores(weights, relations)
                heads = slice(first, first + weights.shape[1])
                attention[rows, heads] = patterns.attention.cpu().numpy()
                score[rows, heads] = patterns.score.cpu().numpy()
                chance[rows] = patterns.chance.cpu().numpy()
                first = heads.stop
            done += len(rows)
            if progress is not None:
                progress(done, len(encoded))
    if not np.isfinite(score[np.broadcast_to(~np.isnan(chance)[:, None], shape)]).all():
        raise not_finite(model)
    heads_of = [unit for unit in model.space.units if unit.is_head]
    names = pd.DataFrame(
        [(str(u), u.layer, u.head, p) for u in heads_of for p in PATTERNS],
        columns=["unit", "layer", "head", "pattern"],
    )
    numbers = _summary(attention, chance, score, seed)
    table = names.assign(suite=suite, weighting=weighting, **numbers)
    return _TABLE.conform(table[table["n"] > 0])


def _summary(
    attention: Float[np.ndarray, "example head pattern"],
    chance: Float[np.ndarray, "example pattern"],
    score: Float[np.ndarray, "example head pattern"],
    seed: int,
) -> dict[str, np.ndarray]:
    """Average over the examples in which a pattern has a target, for each head."""
    has = ~np.isnan(chance)
    n = has.sum(0)
    known = np.maximum(n, 1)
    some = has[:, None]
    mean = np.where(some, score, 0).sum(0) / known
    squares = (np.where(some, score - mean, 0) ** 2).sum(0)
    variance = np.divide(squares, n - 1, out=np.full_like(squares, np.nan), where=n > 1)
    n_heads = score.shape[1]
    return {
        "n": np.tile(n, n_heads),
        "attention": (np.where(some, attention, 0).sum(0) / known).ravel(),
        "chance": np.tile(np.where(has, chance, 0).sum(0) / known, n_heads),
        "score": mean.ravel(),
        "score_se": np.sqrt(variance / known).ravel(),
        "wins": _wins(score, has, seed).ravel(),
    }


def _wins(
    score: Float[np.ndarray, "example head pattern"],
    has: Bool[np.ndarray, "example pattern"],
    seed: int,
) -> Float[np.ndarray, "head pattern"]:
    """Compute the share of bootstrap draws of examples in which a pattern scores highest."""
    n, n_heads, n_patterns = score.shape
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(n, np.full(n, 1 / n), size=N_DRAWS).astype(np.float64)
    total = drawn @ np.where(has[:, None], score, 0).reshape(n, -1)
    count = (drawn @ has)[:, None]
    means = np.divide(
        total.reshape(N_DRAWS, n_heads, n_patterns),
        count,
        out=np.full((N_DRAWS, n_heads, n_patterns), -np.inf),
        where=count > 0,
    )
    best = means.argmax(-1)[..., None] == np.arange(n_patterns)
    return (best & np.isfinite(means)).mean(0)


def _is_causal(maps: tuple[Tensor, ...], real: Bool[Tensor, "batch position"]) -> bool:
    """Return whether no token attends to a later one in any head.

    A causal mask gives weights that are exactly zero, which no model has in all heads without it.
    """
    ahead = (real[:, :, None] & real[:, None, :]).triu(1)[:, None]
    return not any(bool((layer.ne(0) & ahead).any()) for layer in maps)


class _ValueNorms:
    """Norms of what each head's value vectors add to the residual stream.

    Args:
        model: The model.
        hooks: Removes the hooks that read the values of every forward pass.
    """

    def __init__(self, model: Classifier, hooks: ExitStack) -> None:
        layers = range(model.space.n_layers)
        self._values: dict[int, Tensor] = {}
        self._products = [_inner_products(model, layer) for layer in layers]
        for layer in layers:
            keep = partial(self._values.__setitem__, layer)
            hooks.callback(on_values(model.anatomy, layer, keep).remove)

    def weigh(
        self, layer: int, attention: Float[Tensor, "batch head query key"]
    ) -> Float[Tensor, "batch head query key"]:
        """Multiply attention by the norms and scale it to sum to 1; 0 where all norms are 0."""
        values = widened(self._values[layer])
        squares = torch.einsum("bkhi,hij,bkhj->bhk", values, self._products[layer], values)
        weighted = widened(attention) * squares.clamp(min=0).sqrt()[:, :, None]
        total = weighted.sum(-1, keepdim=True)
        return weighted / total.clamp(min=torch.finfo(total.dtype).tiny)


def _inner_products(model: Classifier, layer: int) -> Float[Tensor, "head d_head d_head"]:
    """Compute per head the inner products of what unit vectors add to the residual stream."""
    out = model.anatomy.attention_out[layer]
    n_heads, d_head = model.space.heads[layer], model.anatomy.d_heads[layer]
    weight = next(out.parameters())
    units = torch.eye(n_heads * d_head, dtype=weight.dtype, device=weight.device)
    with torch.inference_mode():
        # Computed by the module without its hooks: some families store the weights transposed.
        written = widened(out.forward(units) - out.forward(torch.zeros_like(units[:1])))
        heads = written.unflatten(0, (n_heads, d_head))
        return heads @ heads.transpose(1, 2)
