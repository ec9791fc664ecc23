"""Every property of the program that must hold for every family, and the models to see it on."""

from __future__ import annotations

import atexit
import math
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from heuristic_core.check.editing import edited as by_editing
from heuristic_core.models.ablation import AblationValues
from heuristic_core.models.classifier import Classifier
from heuristic_core.models.families import FAMILIES
from heuristic_core.models.loading import load_model
from heuristic_core.subnetwork import Subnetwork
from tiny import save_tiny, some_pairs

NAMES = tuple(FAMILIES)
DECODERS = tuple(name for name, family in FAMILIES.items() if family.kind == "decoder")
#: Families whose keys and values serve several query heads, in the tiny models.
GROUPED = ("llama", "mistral", "qwen2", "qwen3", "gemma", "gemma2", "gemma3_text", "olmo2", "olmo3")

#: For each family the last map of attention and of the MLP, within a layer. They are named a second
#: time here, so that the table of families is held against something.
LAST_MAPS = {
    **dict.fromkeys(
        ("bert", "roberta", "xlm-roberta", "camembert", "electra", "deberta-v2"),
        ("attention.output.dense", "output.dense"),
    ),
    "mpnet": ("attention.attn.o", "output.dense"),
    "distilbert": ("attention.out_lin", "ffn.lin2"),
    "albert": ("albert_layers.0.attention.dense", "albert_layers.0.ffn_output"),
    "modernbert": ("attn.Wo", "mlp.Wo"),
    "gpt2": ("attn.c_proj", "mlp.c_proj"),
    "gpt_neo": ("attn.attention.out_proj", "mlp.c_proj"),
    "gpt_neox": ("attention.dense", "mlp.dense_4h_to_h"),
    **dict.fromkeys(GROUPED, ("self_attn.o_proj", "mlp.down_proj")),
    "phi": ("self_attn.dense", "mlp.fc2"),
    "opt": ("self_attn.out_proj", "fc2"),
    "bart": ("self_attn.out_proj", "fc2"),
    "t5": ("layer.0.SelfAttention.o", "layer.1.DenseReluDense.wo"),
}

#: How many cells each property has, by its test's name.
CELLS: dict[str, int] = {}


def for_every_family(families: tuple[str, ...] = NAMES, **more: tuple[Any, ...]) -> Any:
    """Mark a test as a property that holds for every family, or for those named.

    Args:
        families: The families.
        more: Further arguments of the test and the values each of them takes.
    """

    def mark(test: Any) -> Any:
        CELLS[test.__name__] = len(families) * math.prod(map(len, more.values()))
        for name, values in more.items():
            test = pytest.mark.parametrize(name, values)(test)
        return pytest.mark.parametrize("family", families)(test)

    return mark


_FOLDERS = tempfile.TemporaryDirectory(prefix="tiny-families-")
atexit.register(_FOLDERS.cleanup)


@cache
def folder_of(family: str) -> Path:
    """A folder with a tiny random model, made once."""
    folder = Path(_FOLDERS.name) / family
    folder.mkdir()
    return save_tiny(folder, family=family)


@cache
def shared(family: str) -> Classifier:
    """A tiny model that no test changes."""
    return load_model(folder_of(family))


def own(family: str) -> Classifier:
    """A tiny model for one test to change."""
    return load_model(folder_of(family))


@cache
def pairs():
    """Ten pairs of different lengths, longer than any model's attention window."""
    return some_pairs(10, seed=3)


def batch_of(model: Classifier, n: int = 6) -> dict[str, torch.Tensor]:
    """Some pairs as the model takes them."""
    encoded = model.encode(pairs())
    lengths = encoded.lengths[:n]
    assert len(set(lengths)) > 1
    assert lengths.min() > 8
    return encoded.batch(range(n), model.device)


def logits(model: Any, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    with torch.no_grad():
        return model(**batch).logits


def some_values(model: Classifier, seed: int = 5) -> AblationValues:
    """Ablation values that are nothing in particular."""
    generator = torch.Generator().manual_seed(seed)
    zeros = AblationValues.zeros(model)
    return AblationValues(
        tuple(0.5 * torch.randn(v.shape, generator=generator) for v in zeros.heads),
        tuple(0.5 * torch.randn(v.shape, generator=generator) for v in zeros.mlps),
    )


def some_mask(model: Classifier, seed: int) -> np.ndarray:
    """Half of the units, at random."""
    return np.random.default_rng(seed).random(len(model.space)) < 0.5


def some_subnetwork(model: Classifier, mask: np.ndarray, ablation: str) -> Subnetwork:
    values = some_values(model).arrays() if ablation == "mean" else {}
    return Subnetwork(model.space, model.space.from_mask(mask), ablation, values)


def edited(model: Classifier, mask: np.ndarray, values: AblationValues) -> Any:
    """The same subnetwork by editing weights: no hooks, and no table of families."""
    return by_editing(model, mask, values, LAST_MAPS[model.family.name])
