"""The model that is checked, and what all checks share: texts, logits, tolerances."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ..errors import InputError
from ..models.ablation import AblationValues
from ..models.classifier import Classifier, check_classifier
from ..models.device import check_float64
from ..models.encoding import Encoded
from ..models.loading import check_model, has_head, load_model, new_classifier
from ..models.means import mean_values
from ..subnetwork import Subnetwork
from ..tasks.grammar import training_mix
from ..tasks.task import Examples

#: How many texts a model is checked on.
N_TEXTS = 8

#: How many in-domain examples accuracies are compared on.
N_IN_DOMAIN = 200

#: Labels of a head that is made for the check alone.
FRESH_LABELS = ("entailment", "non-entailment")

#: Differences that rounding may make, relative to the largest number, by the weights' type.
ROUNDING = {torch.float32: 2e-4, torch.float16: 2e-2, torch.bfloat16: 0.1}


@dataclass(eq=False)
class Subject:
    """A model to be checked.

    Args:
        model: The model.
        load: Loads it again.
        examples: Texts or pairs to run it on.
        fresh_head: Whether its classification head was made for the check.
        in_domain: Labelled examples of the task, if one was given.
    """

    model: Classifier
    load: Callable[[], Classifier]
    examples: Examples
    fresh_head: bool = False
    in_domain: Examples | None = None

    @cached_property
    def encoded(self) -> Encoded:
        """The examples as tokens."""
        return self.model.encode(self.examples)

    @cached_property
    def batch(self) -> dict[str, Tensor]:
        """All examples as the model takes them."""
        return self.encoded.batch(range(len(self.encoded)), self.model.device)

    @cached_property
    def plain(self) -> Float[Tensor, "example label"]:
        """The model's own logits."""
        return logits_of(self.model, self.batch)

    @cached_property
    def values(self) -> AblationValues:
        """The units' mean outputs over the examples."""
        return mean_values(self.model, self.encoded)

    @cached_property
    def wide(self) -> Classifier:
        """The model in float64."""
        model = self.model
        hf = copy.deepcopy(model.hf).double()
        return Classifier(hf, model.tokenizer, model.name, model.max_length)

    @property
    def dtype(self) -> str:
        """Type of the weights, such as ``float32``."""
        return str(self.model.hf.dtype).removeprefix("torch.")

    @property
    def rounding(self) -> float:
        """Differences that rounding may make, relative to the largest number compared."""
        return ROUNDING[self.model.hf.dtype]

    @property
    def tolerance(self) -> float:
        """How far two ways to the same logits may be apart."""
        return self.rounding * float(self.plain.abs().max())

    def mask(self, seed: int) -> Bool[np.ndarray, " unit"]:
        """Keep half of the heads at random and every other MLP; odd seeds drop layer 0's heads."""
        space = self.model.space
        mask = np.random.default_rng(seed).random(len(space)) < 0.5
        for unit in space:
            if not unit.is_head:
                mask[space.index(unit)] = (unit.layer + seed) % 2
        if seed % 2:
            mask[: space.heads[0]] = False
        return mask

    def subnetwork(self, seed: int, ablation: str) -> Subnetwork:
        """Return the subnetwork of the units that ``mask`` keeps."""
        space = self.model.space
        kept = space.from_mask(self.mask(seed))
        values = self.values.arrays() if ablation == "mean" else {}
        return Subnetwork(space, kept, ablation=ablation, values=values)


def logits_of(model: Any, batch: dict[str, Tensor]) -> Float[Tensor, "example label"]:
    """Return the logits of a classifier, or of a transformers model."""
    with torch.no_grad():
        return model(**batch).logits


def open_subject(
    source: str | os.PathLike[str],
    *,
    device: str = "cpu",
    dtype: str = "float32",
    examples: Examples | None = None,
) -> Subject:
    """Load a model to be checked; one without a classification head gets a fresh one.

    Args:
        source: A packaged name, a local folder, or a hub id.
        device: Where to put it.
        dtype: Type of the weights.
        examples: Texts or pairs, of which some are used; generated pairs if not given.

    Raises:
        InputError: If it cannot be loaded, is compacted, or cannot be run on the texts.
    """
    check_float64(torch.device(device), "the check of a model")
    config = check_model(source, fresh_head=True)
    fresh = not has_head(source, config)

    def load() -> Classifier:
        if fresh:
            return new_classifier(source, FRESH_LABELS, seed=0, device=device, dtype=dtype)
        return load_model(source, device=device, dtype=dtype)

    model = load()
    check_classifier(model)
    in_domain = None if examples is None else examples.sample(N_IN_DOMAIN, seed=0)
    subject = Subject(model, load, _some(examples), fresh, in_domain)
    if len(subject.encoded) < 2:
        raise InputError("a model is checked on two texts or more; give a task that has them")
    return subject


def _some(examples: Examples | None) -> Examples:
    if examples is not None:
        return examples.sample(N_TEXTS, seed=0)
    table = training_mix(N_TEXTS, seed=3, split="train")
    return Examples.build(
        table["premise"], table["hypothesis"], table["label"], table["subcase"], FRESH_LABELS
    )
