"""Mending a model: units that are blamed for bad generalisation are dropped, scaled or trained.

Whatever is fitted is fitted on few out-of-domain examples, and kept near the full model in-domain.
The result is a plain transformers model.
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from transformers import PreTrainedModel

from ..errors import InputError, expect, expect_number, expect_whole, unknown
from ..models.anatomy import KEY, QUERY, VALUE, Anatomy, weight_of
from ..models.classifier import Classifier, check_classifier
from ..models.encoding import Encoded
from ..models.folding import folded, last_maps
from ..models.sharing import share_nothing
from ..models.steady import steady
from ..search.aim import Aim, aim_at
from ..search.checks import search_data_of
from ..search.data import SearchData
from ..search.gate_training import kl_divergence
from ..tasks.task import Suite
from ..units import Unit

#: Ways of mending. The first three are about some units; the others are what they are compared to.
How = Literal["drop", "scale", "train_units", "train_last_layer", "train_all"]
#: Of a scale, so that no unit is turned into its opposite or far beyond what the model knows.
_SCALES = (0.0, 3.0)
#: Standard deviation of the noise on scales at the start.
_NOISE = 0.5
#: Step sizes by way.
_RATES = {"scale": 0.05, "train_units": 1e-4, "train_last_layer": 1e-3, "train_all": 2e-5}


@dataclass(frozen=True, eq=False)
class Mended:
    """A mended model.

    Args:
        model: The model, of the same architecture; ``save`` writes a plain checkpoint.
        how: How it was mended.
        units: The units that were changed; none where the last layer or everything was.
        scales: What the outputs of units are multiplied by, where they were dropped or scaled.
    """

    model: Classifier
    how: How
    units: frozenset[Unit]
    scales: dict[Unit, float]

    def __repr__(self) -> str:
        of = f" of {len(self.units)} units" if self.units else ""
        return f"Mended({self.how}{of})"


@steady()
def mend(
    model: Classifier,
    suite: Suite,
    data: SearchData,
    *,
    how: How | str,
    units: Collection[Unit | str] = (),
    steps: int = 100,
    batch_size: int = 16,
    learning_rate: float | None = None,
    fidelity: float = 1.0,
    seed: int = 0,
) -> Mended:
    """Mend a model with few out-of-domain examples.

    Minimised is the mean negative log-probability of the right label on these examples, in which
    adversarial and friendly ones count alike, and so do cases of a kind; and the divergence from
    the full model on mask-learning examples.

    Args:
        model: The full model, which stays as it is.
        suite: The out-of-domain examples to fit on.
        data: Mask-learning examples, on which the model is to stay as it is; their ablation values
            replace what scales take away.
        how: ``drop`` units; ``scale`` each by one number; train these units' weights alone
            (``train_units``); or, without units, ``train_last_layer`` or ``train_all``.
        units: The units that are blamed.
        steps: Optimiser steps.
        batch_size: Examples of each kind of data a step.
        learning_rate: Step size; 0.05 for scales, 1e-4 for units, 1e-3 for the last layer, 2e-5 for
            everything, if not given.
        fidelity: Weight of the divergence from the full model.
        seed: Seed of the order of examples.

    Returns:
        The mended model.

    Raises:
        InputError: If the way is unknown, units are missing or given where none are changed, an
            argument does not fit, or the model's labels do not fit the suite's.
    """
    check_classifier(model)
    expect("data", data, SearchData, hint="compute them with prepare")
    search_data_of(model, data, None)
    for what, whole, least in (
        ("steps", steps, 1),
        ("batch_size", batch_size, 1),
        ("seed", seed, 0),
    ):
        expect_whole(what, whole, least)
    expect_number("fidelity", fidelity)
    if learning_rate is not None:
        expect_number("learning_rate", learning_rate, above=True)
    way = next((one for one in get_args(How) if one == how), None)
    if way is None:
        raise unknown("way of mending", how, get_args(How))
    chosen = model.space.from_mask(model.space.mask(units))
    about_units = how in ("drop", "scale", "train_units")
    if about_units != bool(chosen):
        needs = "name the units to change" if about_units else "changes no single units; name none"
        raise InputError(f"the way of mending {how!r}: {needs}")
    aim = aim_at(model, suite, towards="well", bound=1.0)
    scales = dict.fromkeys(sorted(chosen), 0.0) if how == "drop" else {}
    fitting = _Fitting(
        aim, data, steps, batch_size, learning_rate or _RATES.get(how, 0.0), fidelity, seed
    )
    if how == "scale":
        scales = fitting.scales(model, sorted(chosen))
    if about_units and how != "train_units":
        hf = folded(model.anatomy, scales, data.values)
    else:
        hf = copy.deepcopy(model.hf)
        if how == "train_units":
            share_nothing(hf)
        with _in_float32(hf):
            own = Classifier(hf, model.tokenizer, model.name, model.max_length)
            fitting.train(own, way, chosen)
    mended = Classifier(hf.eval(), model.tokenizer, f"{model.name} ({how})", model.max_length)
    return Mended(mended, way, chosen, scales)


@contextmanager
def _in_float32(hf: PreTrainedModel) -> Iterator[None]:
    """Hold weights of narrower types in float32 for a while, as these lose small steps."""
    narrow = [
        (tensor, tensor.dtype)
        for tensor in (*hf.parameters(), *hf.buffers())
        if tensor.dtype in (torch.float16, torch.bfloat16)
    ]
    for tensor, _ in narrow:
        tensor.data = tensor.data.float()
    yield
    for tensor, dtype in narrow:
        tensor.data = tensor.data.to(dtype)


@dataclass(frozen=True)
class _Fitting:
    """What is minimised, and how."""

    aim: Aim
    data: SearchData
    steps: int
    batch_size: int
    rate: float
    fidelity: float
    seed: int

    def scales(self, model: Classifier, units: list[Unit]) -> dict[Unit, float]:
        """Fit one number a unit.

        A model that is sure of itself has no slope where it is. Each example therefore has numbers
        of its own, with noise about the fitted ones that falls to nothing.
        """
        z = torch.ones(len(units), device=model.device, requires_grad=True)
        generator = torch.Generator(model.device).manual_seed(self.seed)
        places = torch.tensor([model.space.index(unit) for unit in units], device=model.device)
        optimiser = torch.optim.Adam([z], lr=self.rate)
        with model.frozen(), model.gated(self.data.values) as gates:
            for step, some in enumerate(self._batches()):
                shape = len(some[0]), len(units)
                noise = torch.randn(shape, generator=generator, device=model.device, dtype=z.dtype)
                own = (z + _NOISE * (1 - step / self.steps) * noise).clamp(*_SCALES)
                ones = torch.ones(len(own), len(model.space), dtype=z.dtype, device=model.device)
                gates.z = ones.index_copy(1, places, own)
                optimiser.zero_grad()
                self._loss(model, *some).backward()
                optimiser.step()
                with torch.no_grad():
                    z.clamp_(*_SCALES)
        return dict(zip(units, z.detach().cpu().tolist(), strict=True))

    def train(self, model: Classifier, how: How, units: Collection[Unit]) -> None:
        """Train some or all weights of a model in place."""
        hf = model.hf
        readout = hf.get_submodule(model.family.readout)
        masks = _masks(model.anatomy, units) if how == "train_units" else {}
        kept = {id(p) for p in (readout.parameters() if how == "train_last_layer" else masks)}
        trained = [p for p in hf.parameters() if how == "train_all" or id(p) in kept]
        before = [p.requires_grad for p in hf.parameters()]
        for parameter in hf.parameters():
            parameter.requires_grad_(any(parameter is one for one in trained))
        # No weight decay: it would move what the gradient's mask leaves alone.
        optimiser = torch.optim.AdamW(trained, lr=self.rate, weight_decay=0.0)
        for some in self._batches():
            optimiser.zero_grad()
            self._loss(model, *some).backward()
            for parameter, mask in masks.items():
                assert parameter.grad is not None
                parameter.grad.mul_(mask)
            nn.utils.clip_grad_norm_(trained, 1.0)
            optimiser.step()
        for parameter, needed in zip(hf.parameters(), before, strict=True):
            parameter.requires_grad_(needed)
            parameter.grad = None

    def _loss(self, model: Classifier, others: np.ndarray, rows: np.ndarray) -> Tensor:
        aim, data = self.aim, self.data
        logits = _run(model, aim.encoded, others)
        right, weights = aim.right[others].to(model.device), aim.weights[others].to(logits)
        log_p = torch.log_softmax(logits, dim=-1)
        # What no class of the model answers has no right class, and no slope.
        known = right.any(-1, keepdim=True)
        log_chance = log_p.masked_fill(~right & known, -torch.inf).logsumexp(-1)
        loss = -(weights * log_chance).sum() / weights.sum()
        if not self.fidelity:
            return loss
        reference = data.reference[rows].to(model.device)
        apart = kl_divergence(reference, _run(model, data.encoded, rows)).mean()
        return loss + self.fidelity * apart

    def _batches(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        rng = np.random.default_rng(self.seed)
        both = self.aim.encoded, self.data.encoded
        # As many of both, so that an example of each has the same numbers.
        size = min(self.batch_size, *map(len, both))
        orders = [encoded.shuffled(size, self.steps, rng) for encoded in both]
        return zip(*orders, strict=True)


def _run(model: Classifier, encoded: Encoded, rows: np.ndarray) -> Float[Tensor, "row label"]:
    logits: Tensor = model(**encoded.batch(rows, model.device)).logits
    return logits.float()


def _users(anatomy: Anatomy, unit: Unit, kind: int) -> set[Unit]:
    """Return the heads whose output a head's queries, keys or values move."""
    n_heads = anatomy.space.heads[unit.layer]
    joint = kind < len(anatomy.family.joint_norms)  # a norm over all heads
    n = n_heads if joint else anatomy.n_sharing(unit.layer, kind)
    first = (unit.head or 0) // n * n
    return {Unit(unit.layer, head) for head in range(first, first + n)}


def _masks(anatomy: Anatomy, units: Collection[Unit]) -> dict[nn.Parameter, Tensor]:
    """Return for each parameter of some units which of its entries are theirs, and no other's."""
    masks: dict[nn.Parameter, Tensor] = {}

    def mark(parameter: nn.Parameter | None, mask: Tensor) -> None:
        if parameter is not None:
            masks[parameter] = torch.maximum(masks.get(parameter, torch.zeros_like(mask)), mask)

    for unit in units:
        layer = anatomy.layers[unit.layer]
        if unit.head is None:
            for path in (*anatomy.family.mlp_before, last_maps(anatomy.family, layer)[1]):
                for parameter in layer.get_submodule(path).parameters():
                    mark(parameter, torch.ones_like(parameter))
            continue
        for kind in (QUERY, KEY, VALUE):
            if not _users(anatomy, unit, kind) <= set(units):
                continue
            maps = anatomy.projections[unit.layer]
            module = maps[kind if len(maps) == 3 else 0]
            rows = anatomy.rows(unit.layer, kind, [unit.head])
            of_weight = torch.zeros_like(weight_of(module))
            of_weight[rows] = 1
            weight = module.get_parameter("weight")
            mark(weight, of_weight if of_weight.shape == weight.shape else of_weight.T)
            if getattr(module, "bias", None) is not None:
                of_bias = torch.zeros_like(module.get_parameter("bias"))
                of_bias[rows] = 1
                mark(module.get_parameter("bias"), of_bias)
        out = anatomy.attention_out[unit.layer]
        of_weight = torch.zeros_like(weight_of(out))
        of_weight[:, anatomy.slice_of(unit)] = 1
        weight = out.get_parameter("weight")
        mark(weight, of_weight if isinstance(out, nn.Linear) else of_weight.T)
    return masks
