"""A linear probe on the frozen encoder, to measure which units matter before fine-tuning."""

from __future__ import annotations

import os
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
from ..models.classifier import Classifier
from ..models.device import check_float64
from ..progress import Progress
from ..storage import as_path, digest
from ..tasks.task import Examples, Suite
from .removal import removals
from .removal_sets import Removal
from .rerun import features_of

#: Candidate penalties.
PENALTIES = (1.0, 10.0, 100.0, 1000.0)
_N_FOLDS = 5


@dataclass(frozen=True, eq=False)
class Probe:
    """A linear classifier of the features that a model's last layer reads.

    Args:
        labels: The label names in the order of the classes.
        weight: The weights.
        bias: The biases.
    """

    labels: tuple[str, ...]
    weight: Float[np.ndarray, "label width"]
    bias: Float[np.ndarray, " label"]

    def __call__(self, features: Float[Tensor, "example width"]) -> Float[Tensor, "example label"]:
        """Compute the logits for some features."""
        weight, bias = torch.from_numpy(self.weight), torch.from_numpy(self.bias)
        return torch.nn.functional.linear(features, weight.to(features), bias.to(features))


@dataclass(frozen=True, eq=False)
class ProbeRemovals:
    """The effects of removals on the predictions of a probe.

    Args:
        removal: Rows of the first table of ``removal.removals``; ``readout`` is ``probe``.
        discrimination: Rows of its second table.
        penalty: The penalty that the probe was trained with.
        train_accuracy: The probe's accuracy on its training examples.
        accuracy: Its accuracy on the in-domain suites without removals; ``None`` without such
            suites.
    """

    removal: pd.DataFrame
    discrimination: pd.DataFrame
    penalty: float
    train_accuracy: float
    accuracy: float | None


def probe_removals(
    model: Classifier,
    train: Examples,
    suites: Iterable[Suite],
    sets: Sequence[Removal],
    values: AblationValues,
    *,
    penalty: float | None = None,
    batch_size: int | None = None,
    unfinished: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
) -> ProbeRemovals:
    """Measure removals with a probe in place of the model's last layer, which may be untrained.

    The probe is trained once, on features of the full model, and then kept fixed.

    Args:
        model: The model, whose encoder is not changed.
        train: The training examples of the probe.
        suites: The suites to measure on.
        sets: The sets of units to remove.
        values: Ablation values, which replace the outputs of removed units.
        penalty: As for ``fit_probe``; chosen by ``choose_penalty`` if not given.
        batch_size: Examples per forward pass; if not given, as many as suit the device.
        unfinished: As for ``removal.removals``.
        progress: Called with (examples done, examples in all) while removals are measured.

    Returns:
        The tables, and the accuracy of the probe.

    Raises:
        InputError: If there are no training examples, or as ``removal.removals``.
    """
    check_float64(model.device, "a probe")
    features = features_of(model, model.encode(train), batch_size=batch_size)
    if penalty is None:
        penalty = choose_penalty(features, train.label_ids, train.labels)
    probe = fit_probe(features, train.label_ids, train.labels, penalty=penalty)
    right = probe(torch.from_numpy(features)).numpy().argmax(1) == train.label_ids
    if unfinished is not None:
        # By what it was trained on: its weights may differ by rounding when it is trained again.
        unfinished = as_path(unfinished) / digest([train.digest, penalty])[:16]
    removal, discrimination = removals(
        model,
        suites,
        sets,
        values,
        readout=probe,
        readout_name="probe",
        labels=train.labels,
        batch_size=batch_size,
        unfinished=unfinished,
        progress=progress,
    )
    known = removal[(removal["group"] == "none") & (removal["role"] == "id")]
    accuracy = float(known["correct"].sum() / known["n"].sum()) if len(known) else None
    return ProbeRemovals(removal, discrimination, penalty, float(right.mean()), accuracy)


def choose_penalty(
    features: Float[np.ndarray, "example width"],
    labels: Int[np.ndarray, " example"],
    names: tuple[str, ...],
) -> float:
    """Choose the one of ``PENALTIES`` with the lowest cross-validated loss.

    Args:
        features: The features.
        labels: The right classes.
        names: Names of the classes.

    Returns:
        The penalty; the largest if there are too few examples for cross-validation.
    """
    if len(features) < 2 * _N_FOLDS:
        return PENALTIES[-1]
    fold = np.arange(len(features)) % _N_FOLDS
    losses = np.zeros(len(PENALTIES))
    for out in range(_N_FOLDS):
        held = fold == out
        for i, penalty in enumerate(PENALTIES):
            probe = fit_probe(features[~held], labels[~held], names, penalty=penalty)
            log_p = log_softmax(features[held] @ probe.weight.T + probe.bias, axis=1)
            losses[i] -= log_p[np.arange(held.sum()), labels[held]].sum()
    return PENALTIES[int(losses.argmin())]


def fit_probe(
    features: Float[np.ndarray, "example width"],
    labels: Int[np.ndarray, " example"],
    names: tuple[str, ...],
    *,
    penalty: float = 1.0,
) -> Probe:
    """Fit multinomial logistic regression with an L2 penalty.

    Args:
        features: The features.
        labels: The right classes.
        names: Names of the classes.
        penalty: Factor of half the sum of squared weights in the objective, which adds the sum of
            the losses in nats; for features scaled to a standard deviation of 1. Above 0, so that
            the optimum is unique. Biases are not penalised.

    Returns:
        The probe, for unscaled features.

    Raises:
        InputError: If there are no examples, or the penalty is not above 0.
    """
    if not len(features):
        raise InputError("a probe needs at least one training example")
    if not penalty > 0:
        raise InputError(f"the probe's penalty is {penalty:g}, but must be above 0")
    mean, deviation = features.mean(0), features.std(0)
    # Constant features get no weight.
    scale = np.where(deviation > 1e-12 * np.abs(features).max(0), deviation, np.inf)
    x = (features - mean) / scale
    target = np.eye(len(names))[labels]
    n, n_labels, width = len(x), len(names), x.shape[1]
    # Correlated features make the problem ill-conditioned. Along the principal axes, scaled by a
    # bound on the curvature, all directions are about equally steep.
    variances, axes = np.linalg.eigh(x.T @ x / n)
    units = 1 / np.sqrt(np.maximum(variances, 0) / 4 + penalty / n)
    x = (x @ axes) * units

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        weight, bias = flat[:-n_labels].reshape(n_labels, width), flat[-n_labels:]
        log_p = log_softmax(x @ weight.T + bias, axis=1)
        error = (np.exp(log_p) - target) / n
        shrink = penalty / n * units**2 * weight
        value = -(log_p * target).sum() / n + (shrink * weight).sum() / 2
        return float(value), np.concatenate([(error.T @ x + shrink).ravel(), error.sum(0)])

    optimum = minimize(
        loss,
        np.zeros(n_labels * (width + 1)),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": 2000, "ftol": 1e-14, "gtol": 1e-8},
    )
    weight = (optimum.x[:-n_labels].reshape(n_labels, width) * units) @ axes.T / scale
    return Probe(tuple(names), weight, optimum.x[-n_labels:] - weight @ mean)
