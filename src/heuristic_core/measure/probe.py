"""What units matter before fine-tuning: a classifier on the frozen encoder's features."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int
from scipy.optimize import minimize
from scipy.special import log_softmax
from torch import Tensor

from ..errors import InputError
from ..models.ablation import AblationValues
from ..models.classifier import Classifier, Progress
from ..tasks.task import Examples, Suite
from .removal import measured
from .removal_sets import Removal
from .rerun import features_of


@dataclass(frozen=True, eq=False)
class Probe:
    """A linear classifier of what a model's last layer reads.

    Args:
        labels: The label names in the order of its classes.
        weight: Its weights.
        bias: Its biases.
    """

    labels: tuple[str, ...]
    weight: Float[np.ndarray, "label width"]
    bias: Float[np.ndarray, " label"]

    def __call__(self, features: Float[Tensor, "example width"]) -> Float[Tensor, "example label"]:
        """Give the logits for some features."""
        weight, bias = torch.from_numpy(self.weight), torch.from_numpy(self.bias)
        return torch.nn.functional.linear(features, weight.to(features), bias.to(features))


@dataclass(frozen=True, eq=False)
class ProbeRemovals:
    """What removals do to a probe's answers.

    Args:
        removal: Rows as :func:`.removal.removals` gives them, ``head`` being ``probe``.
        discrimination: The same of its second table.
        train_accuracy: The probe's accuracy on what it was trained on.
        accuracy: That on the in-domain suites, all units in place; ``None`` without such suites.
    """

    removal: pd.DataFrame
    discrimination: pd.DataFrame
    train_accuracy: float
    accuracy: float | None


def probe_removals(
    model: Classifier,
    train: Examples,
    suites: Iterable[Suite],
    sets: Sequence[Removal],
    values: AblationValues,
    *,
    penalty: float = 1.0,
    batch_size: int = 64,
    progress: Progress | None = None,
) -> ProbeRemovals:
    """Measure removals by a probe in place of the model's last layer, which may be untrained.

    The probe is trained once, on the full model, and stays as it is when units are removed.

    Args:
        model: The model, whose encoder stays as it is.
        train: What the probe is trained on.
        suites: What to measure on.
        sets: What to remove.
        values: What stands in for removed units.
        penalty: As for :func:`fit_probe`.
        batch_size: Examples a forward pass.
        progress: Called with (examples done, examples in all) while removals are measured.

    Returns:
        The tables, and how good the probe is.

    Raises:
        InputError: If there is nothing to train on, or as :func:`.removal.removals`.
    """
    features = features_of(model, model.encode(train), batch_size=batch_size)
    probe = fit_probe(features, train.label_ids, train.labels, penalty=penalty)
    right = probe(torch.from_numpy(features)).numpy().argmax(1) == train.label_ids
    removal, discrimination = measured(
        model,
        "probe",
        train.labels,
        suites,
        sets,
        values,
        readout=probe,
        batch_size=batch_size,
        progress=progress,
    )
    known = removal[(removal["group"] == "none") & (removal["role"] == "id")]
    accuracy = float(known["correct"].sum() / known["n"].sum()) if len(known) else None
    return ProbeRemovals(removal, discrimination, float(right.mean()), accuracy)


def fit_probe(
    features: Float[np.ndarray, "example width"],
    labels: Int[np.ndarray, " example"],
    names: tuple[str, ...],
    *,
    penalty: float = 1.0,
) -> Probe:
    """Fit multinomial logistic regression with an L2 penalty.

    Args:
        features: What to classify.
        labels: The right classes.
        names: Names of the classes.
        penalty: What half the sum of squared weights counts beside the sum of the losses in
            nats, each feature being scaled to a standard deviation of 1; above 0, which leaves
            one optimum. Biases are free.

    Returns:
        The probe, for features as they were given.

    Raises:
        InputError: If there are no examples, or the penalty is not above 0.
    """
    if not len(features):
        raise InputError("a probe needs at least one training example")
    if not penalty > 0:
        raise InputError(f"the probe's penalty is {penalty:g}, but must be above 0")
    mean, deviation = features.mean(0), features.std(0)
    # A feature that never changes says nothing: it gets no weight, whatever it is scaled by.
    scale = np.where(deviation > 1e-12 * np.abs(features).max(0), deviation, np.inf)
    x = (features - mean) / scale
    target = np.eye(len(names))[labels]
    n, n_labels, width = len(x), len(names), x.shape[1]

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        weight, bias = flat[:-n_labels].reshape(n_labels, width), flat[-n_labels:]
        log_p = log_softmax(x @ weight.T + bias, axis=1)
        error = (np.exp(log_p) - target) / n
        value = -(log_p * target).sum() / n + penalty / (2 * n) * (weight**2).sum()
        slope = error.T @ x + penalty / n * weight
        return float(value), np.concatenate([slope.ravel(), error.sum(0)])

    start = np.zeros(n_labels * (width + 1))
    found = minimize(
        loss,
        start,
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": 2000, "ftol": 1e-14, "gtol": 1e-8},
    )
    weight = found.x[:-n_labels].reshape(n_labels, width) / scale
    return Probe(tuple(names), weight, found.x[-n_labels:] - weight @ mean)
