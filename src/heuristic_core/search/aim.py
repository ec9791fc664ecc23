"""What a search may aim at besides agreeing with the model: to generalise well, or badly."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from ..errors import InputError, expect, expect_number, unknown
from ..models.classifier import Classifier
from ..models.encoding import Encoded
from ..tasks.task import Suite

#: Where a search can aim.
TOWARDS = ("well", "badly")
#: What a divergence of twice the bound costs, where all of the score is 1.
_BEYOND = 5.0
#: Differences of log-odds that count as much as any larger one, in nats.
_CLEAR = 1.0


@dataclass(frozen=True, eq=False)
class Aim:
    """Generalise as well, or as badly, as a bound on the divergence allows.

    Aimed at is a *score*: the share of pairs of an adversarial and a friendly example of one group
    of which the first has the higher log-odds of its own label, made smooth. It is an AUROC, so
    that favouring one label gains nothing. Without such pairs it is the mean probability of the
    right label, all labels alike.

    Args:
        encoded: The out-of-domain examples as tokens.
        right: Which of the model's classes are right, of shape (example, class).
        weights: Their weights, of shape (example,): all cases of a kind count alike.
        side: 1 for adversarial examples, -1 for friendly ones, else 0.
        group: The number of each example's group.
        well: Whether to raise the score, or to lower it.
        bound: The highest divergence from the full model in-domain, in nats.
    """

    encoded: Encoded
    right: Bool[Tensor, "example label"]
    weights: Float[Tensor, " example"]
    side: Int[Tensor, " example"]
    group: Int[Tensor, " example"]
    well: bool
    bound: float

    def __repr__(self) -> str:
        towards = TOWARDS[0] if self.well else TOWARDS[1]
        return f"Aim(generalise {towards} on {len(self.encoded)} examples, KL <= {self.bound:g})"

    @property
    def sign(self) -> float:
        """What the score is multiplied by, so that lower is better."""
        return -1.0 if self.well else 1.0

    def value(
        self, score: Float[Tensor, "*choice"], divergence: Float[Tensor, "*choice"]
    ) -> Float[Tensor, "*choice"]:
        """Return what is to be lowered: the aim, and what a divergence beyond the bound costs.

        Args:
            score: The score.
            divergence: The mean divergence in-domain, in nats.
        """
        return self.sign * score + _BEYOND * (divergence / self.bound - 1).clamp(min=0)

    def score(
        self, rows: Int[np.ndarray, " row"], logits: Float[Tensor, "*choice row label"]
    ) -> Float[Tensor, "*choice"]:
        """Compute the score of some examples; 0 where they make no pair.

        Args:
            rows: The examples.
            logits: Their logits, or those under several choices of units.
        """
        right, weights = self.right[rows].to(logits.device), self.weights[rows].to(logits)
        if not self.side.any():
            return (chance_of(right, logits) * weights).sum(-1) / weights.sum()
        side, group = self.side[rows].to(logits.device), self.group[rows].to(logits.device)
        log_p = torch.log_softmax(logits, dim=-1)
        odds = _log_sum(log_p, right) - _log_sum(log_p, ~right)
        # The log-odds of the adversarial label, on both kinds.
        adversarial, friendly = side > 0, side < 0
        one, other = odds[..., adversarial], -odds[..., friendly]
        pairs = weights[adversarial, None] * weights[friendly]
        pairs = pairs * (group[adversarial, None] == group[friendly])
        above = torch.sigmoid((one[..., :, None] - other[..., None, :]) / _CLEAR)
        return (above * pairs).sum((-2, -1)) / pairs.sum().clamp(min=torch.finfo(pairs.dtype).tiny)


def _log_sum(
    log_p: Float[Tensor, "*choice row label"], chosen: Bool[Tensor, "row label"]
) -> Float[Tensor, "*choice row"]:
    return log_p.masked_fill(~chosen, -torch.inf).logsumexp(-1)


def aim_at(model: Classifier, suite: Suite, *, towards: str, bound: float) -> Aim:
    """Aim a search at generalising well or badly on a suite.

    Args:
        model: The full model.
        suite: The out-of-domain examples. All cases of a kind count alike; without adversarial and
            friendly ones, all labels do.
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
    expect_number("the bound on the divergence", bound, above=True)
    if not len(suite.examples):
        raise InputError(f"the suite {suite.name!r} has no example to aim at")
    known = suite.for_labels(model.labels)
    labels = known.examples.label_ids
    right = torch.from_numpy(known.class_map(model.labels)[None, :] == labels[:, None])
    cases = known.examples.table["case"]
    kinds, groups = cases.map(known.kind).to_numpy(), cases.map(known.group).to_numpy()
    side = (kinds == "adversarial").astype(np.int64) - (kinds == "friendly")
    group = np.unique(groups, return_inverse=True)[1]
    # Examples that no class or every class of the model answers have no log-odds.
    side[right.all(1).numpy() | ~right.any(1).numpy()] = 0
    paired = set(group[side > 0]) & set(group[side < 0])
    if not paired:
        side[:] = 0
    halves = kinds if paired else labels.astype(str)
    return Aim(
        model.encode(known.examples),
        right,
        torch.from_numpy(_balanced(halves, cases.to_numpy())),
        torch.from_numpy(side),
        torch.from_numpy(group),
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
