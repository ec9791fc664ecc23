"""The table of properties that must hold for every family, and the subjects they are checked on."""

from __future__ import annotations

import atexit
import copy
import math
import tempfile
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from heuristic_core.checks.editing import edited as by_editing
from heuristic_core.checks.looking import seen_in
from heuristic_core.checks.state import state_of
from heuristic_core.models.ablation import AblationValues
from heuristic_core.models.classifier import Classifier, CompactClassifier
from heuristic_core.models.families import FAMILIES
from heuristic_core.models.loading import load_model
from heuristic_core.models.means import mean_values
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

#: The table of properties: how many cells each has, by the name of its test.
CELLS: dict[str, int] = {}


def for_every_family(families: tuple[str, ...] = NAMES, **variants: tuple[Any, ...]) -> Any:
    """Enter a test of a prepared subject into the table, and make each of its cells a test.

    Args:
        families: The families that the property must hold for.
        variants: Further arguments of the test and the values each of them takes.
    """

    def enter(test: Any) -> Any:
        CELLS[test.__name__] = len(families) * math.prod(map(len, variants.values()))
        for name, values in variants.items():
            test = pytest.mark.parametrize(name, values)(test)
        return pytest.mark.parametrize("subject", families, indirect=True)(test)

    return enter


_FOLDERS = tempfile.TemporaryDirectory(prefix="tiny-families-")
atexit.register(_FOLDERS.cleanup)


@cache
def folder_of(family: str) -> Path:
    """A folder with a tiny random model, made once."""
    folder = Path(_FOLDERS.name) / family
    folder.mkdir()
    return save_tiny(folder, family=family)


class Subject:
    """A family's tiny model, which no test changes, and what several properties need of it."""

    def __init__(self, family: str) -> None:
        self.family = family
        self.folder = folder_of(family)
        self.model: Classifier = load_model(self.folder)
        self.state = state_of(self.model, weights=True)
        self._compact: dict[tuple[str, str], tuple[Subnetwork, CompactClassifier]] = {}

    def copy(self) -> Classifier:
        """A model for one test to change."""
        return copy.deepcopy(self.model)

    def assert_unchanged(self) -> None:
        assert state_of(self.model, weights=True) == self.state

    @cached_property
    def encoded(self) -> Any:
        """All pairs as the model reads them."""
        return self.model.encode(pairs())

    @cached_property
    def batch(self) -> dict[str, torch.Tensor]:
        """Some of the pairs as one batch."""
        return batch_of(self.model)

    @cached_property
    def plain(self) -> torch.Tensor:
        """The whole model's logits of the batch."""
        return logits(self.model, self.batch)

    @cached_property
    def means(self) -> AblationValues:
        """The units' means over all pairs."""
        return mean_values(self.model, self.encoded)

    @cached_property
    def seen(self) -> Any:
        """The batch's attention maps, values and outputs of heads."""
        return seen_in(self.model, self.batch)

    @cached_property
    def masks(self) -> dict[str, np.ndarray]:
        return masks_of(self.model)

    def compact(self, mask: str, ablation: str) -> tuple[Subnetwork, CompactClassifier]:
        """A subnetwork by the name of its mask, and its compact model, made once."""
        key = (mask, ablation)
        if key not in self._compact:
            subnetwork = some_subnetwork(self.model, self.masks[mask], ablation)
            self._compact[key] = subnetwork, subnetwork.compact(self.model)
        return self._compact[key]


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
    zeros = AblationValues.zeros(model.anatomy)
    return AblationValues(
        tuple(0.5 * torch.randn(v.shape, generator=generator) for v in zeros.heads),
        tuple(0.5 * torch.randn(v.shape, generator=generator) for v in zeros.mlps),
    )


def some_mask(model: Classifier, seed: int) -> np.ndarray:
    """Half of the units, at random."""
    return np.random.default_rng(seed).random(len(model.space)) < 0.5


def masks_of(model: Classifier) -> dict[str, np.ndarray]:
    """Random masks, and those that leave a layer or a model with nothing."""
    space = model.space
    layer = np.array([unit.layer for unit in space])
    return {
        "random": some_mask(model, 0),
        "other": some_mask(model, 1),
        "nothing": np.zeros(len(space), bool),
        "no heads": ~space.is_head,
        "no MLPs": space.is_head,
        "no heads in layer 0": ~(space.is_head & (layer == 0)),
        "one head a layer": space.mask([f"L{i}H{i % 4}" for i in range(space.n_layers)]),
        "first head gone": np.arange(len(space)) != 0,
        "last heads gone": ~space.mask([f"L0H{h}" for h in (2, 3)]),
        "whole": np.ones(len(space), bool),
    }


def some_subnetwork(model: Classifier, mask: np.ndarray, ablation: str) -> Subnetwork:
    values = some_values(model).arrays() if ablation == "mean" else {}
    return Subnetwork(model.space, model.space.from_mask(mask), ablation=ablation, values=values)


def edited(model: Classifier, mask: np.ndarray, values: AblationValues) -> Any:
    """The same subnetwork by editing weights: no hooks, and no table of families."""
    return by_editing(model.anatomy, mask, values, LAST_MAPS[model.family.name])
