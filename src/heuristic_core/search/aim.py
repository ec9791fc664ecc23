"""What a search may aim at besides agreeing with the model: to generalise well, or badly."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ..errors import InputError, expect, unknown
from ..models.classifier import Classifier
from ..models.encoding import Encoded
from ..tasks.task import Suite

#: Where a search can aim.
TOWARDS = ("well", "badly")
#: What a divergence of twice the bound costs, in units of the probability that is aimed at.
_BEYOND = 5.0


@dataclass(frozen=True, eq=False)
class Aim:
    """Generalise as well, or as badly, as a bound on the divergence allows.

    Aimed at is the mean probability of the right label over out-of-domain examples, in which every
    label counts alike, so that favouring one label gains nothing.

    Args:
        encoded: The out-of-domain examples as tokens.
        right: Which of the model's classes are right, of shape (example, class).
        weights: Their weights, of shape (example,).
        well: Whether to raise the probability, or to lower it.
        bound: The highest divergence from the full model in-domain, in nats.
    """

    encoded: Encoded
    right: Bool[Tensor, "example label"]
    weights: Float[Tensor, " example"]
    well: bool
    bound: float

    def __repr__(self) -> str:
        towards = TOWARDS[0] if self.well else TOWARDS[1]
        return f"Aim(generalise {towards} on {len(self.encoded)} examples, KL <= {self.bound:g})"

    @property
    def sign(self) -> float:
        """What the probability is multiplied by, so that lower is better."""
        return -1.0 if self.well else 1.0

    def value(
        self, chance: Float[Tensor, "*choice"], divergence: Float[Tensor, "*choice"]
    ) -> Float[Tensor, "*choice"]:
        """Return what is to be lowered: the aim, and what a divergence beyond the bound costs.

        Args:
            chance: The weighted mean probability of the right label.
            divergence: The mean divergence in-domain, in nats.
        """
        return self.sign * chance + _BEYOND * (divergence / self.bound - 1).clamp(min=0)


def aim_at(model: Classifier, suite: Suite, *, towards: str, bound: float) -> Aim:
    """Aim a search at generalising well or badly on a suite.

    Args:
        model: The full model.
        suite: The out-of-domain examples. Adversarial and friendly ones count alike, and so do all
            cases of a kind; without friendly ones, all labels count alike.
        towards: ``well`` or ``badly``.
        bound: The highest divergence from the full model on the mask-learning examples, in nats.

    Returns:
        The aim, for ``find_subnetworks``.

    Raises:
        InputError: If an argument is of another type, the bound is not above 0, there are no
            examples, or the model's labels do not fit the suite's.
    """
    expect("the suite to aim at", suite, Suite, hint="load it with load_suite")
    if towards not in TOWARDS:
        raise unknown("aim", towards, TOWARDS)
    if not (isinstance(bound, int | float) and 0 < bound < float("inf")):
        raise InputError(f"the bound on the divergence is {bound!r}, but must be a number above 0")
    if not len(suite.examples):
        raise InputError(f"the suite {suite.name!r} has no example to aim at")
    known = suite.for_labels(model.labels)
    class_map = known.class_map(model.labels)
    labels = known.examples.label_ids
    right = torch.from_numpy(class_map[None, :] == labels[:, None])
    cases = known.examples.table["case"]
    kinds = cases.map(known.kind).to_numpy()
    halves = kinds if {"adversarial", "friendly"} <= set(kinds) else labels.astype(str)
    return Aim(
        model.encode(known.examples),
        right,
        torch.from_numpy(_balanced(halves, cases.to_numpy())),
        towards == TOWARDS[0],
        float(bound),
    )


def _balanced(halves: np.ndarray, cases: np.ndarray) -> Float[np.ndarray, " example"]:
    """Weigh examples so that all halves count alike, and all cases within one; their mean is 1."""
    weights = np.zeros(len(cases))
    for half in np.unique(halves):
        of_half = halves == half
        names = np.unique(cases[of_half])
        for case in names:
            rows = of_half & (cases == case)
            weights[rows] = 1 / (len(names) * rows.sum())
    return weights * len(weights) / weights.sum()


def chance_of(
    right: Bool[Tensor, "example label"], logits: Float[Tensor, "*choice example label"]
) -> Float[Tensor, "*choice example"]:
    """Compute the probability that a model gives to the right classes.

    Args:
        right: Which classes are right.
        logits: The logits, or those of several choices of units.
    """
    return (torch.softmax(logits, dim=-1) * right).sum(-1)
