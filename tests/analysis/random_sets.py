"""Tables of subnetworks whose heads are drawn by chance, many studies in one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from heuristic_core.tables import SUBNETWORKS


def table_of(
    kept: np.ndarray,
    heads_per_layer: int,
    sparsities: Sequence[float] = (0.5,),
    checkpoints: Sequence[int] = (300,),
) -> pd.DataFrame:
    """Rows of the heads kept, (study, checkpoint, seed, sparsity, head), and of one MLP a layer.

    Each study has a fine-tuning seed of its own; all MLPs are kept.
    """
    layers = kept.shape[-1] // heads_per_layer
    split = kept.reshape(*kept.shape[:-1], layers, heads_per_layer)
    with_mlp = np.concatenate([split, np.ones((*split.shape[:-1], 1), dtype=bool)], axis=-1)
    study, checkpoint, seed, sparsity, layer, head = np.indices(with_mlp.shape).reshape(6, -1)
    is_mlp = head == heads_per_layer
    names = np.array(
        [[*(f"L{i}H{j}" for j in range(heads_per_layer)), f"L{i}MLP"] for i in range(layers)]
    )
    rows = pd.DataFrame(
        {
            "finetune_seed": study,
            "checkpoint": np.array(checkpoints)[checkpoint],
            "kind": "subnetwork",
            "method": "learned",
            "sparsity": np.array(sparsities)[sparsity],
            "seed": seed,
            "unit": names[layer, head],
            "layer": layer,
            "head": np.where(is_mlp, -1, head),
            "kept": with_mlp.ravel(),
            "soft": np.nan,
        }
    )
    return SUBNETWORKS.conform(rows)


def best(scores: np.ndarray, n: int) -> np.ndarray:
    """Keep the n heads with the highest scores, in the last axis."""
    return (-scores).argsort(-1).argsort(-1) < n
