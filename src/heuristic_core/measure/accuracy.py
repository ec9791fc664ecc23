"""Accuracy, agreement and margin of a model or subnetwork, per case."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float
from scipy.special import log_softmax, logsumexp

from ..errors import InputError, expect
from ..models.classifier import Classifier, Progress, check_classifier
from ..models.encoding import Encoded
from ..subnetwork import Subnetwork
from ..tables import EVALUATION, conform
from ..tasks.task import Suite, Task

Logits = Float[np.ndarray, "example label"]


def predict(
    model: Classifier,
    encoded: Encoded,
    *,
    subnetwork: Subnetwork | None = None,
    batch_size: int = 64,
    bf16: bool = False,
    progress: Progress | None = None,
) -> Logits:
    """Give a model's or subnetwork's logits for examples, in their order.

    Args:
        model: The full model.
        encoded: The examples as tokens.
        subnetwork: What to run in its place.
        batch_size: Examples a forward pass.
        bf16: Compute in bfloat16 where that is safe; weights stay as they are.
        progress: Called with (examples done, examples in all).

    Returns:
        The logits, in float32.

    Raises:
        InputError: If an argument is of another type, or the subnetwork is another model's.
    """
    check_classifier(model)
    expect("the subnetwork", subnetwork, Subnetwork, type(None))
    if subnetwork is not None:
        model = subnetwork.compact(model)  # the same logits, sooner
    return model.logits(encoded, batch_size=batch_size, bf16=bf16, progress=progress).numpy()


def evaluate(
    model: Classifier,
    task: Task | Suite | Iterable[Suite],
    *,
    subnetwork: Subnetwork | None = None,
    batch_size: int = 64,
    bf16: bool = False,
) -> pd.DataFrame:
    """Measure a model or subnetwork on every case of some suites.

    Args:
        model: The full model.
        task: A task, a suite or several suites.
        subnetwork: What to measure in the model's place.
        batch_size: Examples a forward pass.
        bf16: Compute in bfloat16 where that is safe; weights stay as they are.

    Returns:
        One row per suite and case with the columns suite, role, case, case_kind, n, correct, kl
        (mean KL to the full model, nats) and margin (mean log-odds of the right label).

    Raises:
        InputError: If an argument is of another type, there is no suite, or the model's labels do
            not fit a suite's.
    """
    check_classifier(model)
    expect("the subnetwork", subnetwork, Subnetwork, type(None))
    given: Any = task.suites if isinstance(task, Task) else task
    several = isinstance(given, Iterable) and not isinstance(given, str)
    suites: list[Suite] = list(given) if several else [given]
    for suite in suites:
        expect("what is evaluated on", suite, Suite, hint="load it with load_task or load_suite")
    if not suites:
        raise InputError("there is no suite to evaluate on; give at least one")
    rows = []
    for suite in suites:
        suite.class_map(model.labels)  # fails before anything is run
        encoded = model.encode(suite.examples)
        reference = predict(model, encoded, batch_size=batch_size, bf16=bf16)
        logits = reference
        if subnetwork is not None:
            logits = predict(
                model, encoded, subnetwork=subnetwork, batch_size=batch_size, bf16=bf16
            )
        rows.append(score(suite, model.labels, logits, reference))
    return pd.concat(rows, ignore_index=True)


def score(
    suite: Suite, model_labels: tuple[str, ...], logits: Logits, reference: Logits
) -> pd.DataFrame:
    """Turn logits into one row per case.

    Predictions are the model's most probable class, then mapped to the suite's labels, as is
    usual for HANS (neutral and contradiction both count as non-entailment).

    Args:
        suite: What the logits are for.
        model_labels: The model's label names in the order of its classes.
        logits: The system's logits.
        reference: The full model's logits on the same examples.

    Returns:
        Rows with the columns suite, role, case, case_kind, n, correct, kl and margin.

    Raises:
        InputError: If the labels do not fit, or a logit is not finite.
    """
    frame = per_example(suite, model_labels, logits, reference)
    table = (
        frame.groupby("case", sort=False)
        .agg(
            n=("correct", "size"),
            correct=("correct", "sum"),
            kl=("kl", "mean"),
            margin=("margin", "mean"),
        )
        .reset_index()
    )
    table.insert(0, "suite", suite.name)
    table.insert(1, "role", suite.role)
    table.insert(3, "case_kind", [suite.kind(case) for case in table["case"]])
    return table


def per_example(
    suite: Suite, model_labels: tuple[str, ...], logits: Logits, reference: Logits
) -> pd.DataFrame:
    """Turn logits into one row per example, with the columns case, correct, kl and margin.

    Args:
        suite: What the logits are for.
        model_labels: The label names in the order of the classes.
        logits: The system's logits.
        reference: The full model's logits on the same examples.

    Raises:
        InputError: If the labels do not fit, or a logit is not finite.
    """
    class_map = suite.class_map(model_labels)
    if not (np.isfinite(logits).all() and np.isfinite(reference).all()):
        raise InputError(
            f"the model gives logits on suite {suite.name!r} that are not finite numbers; its "
            "weights are damaged, or its dtype is too narrow: try float32"
        )
    labels = suite.examples.label_ids
    log_p = log_softmax(logits.astype(np.float64), axis=1)
    log_q = log_softmax(reference.astype(np.float64), axis=1)
    return pd.DataFrame(
        {
            "case": suite.examples.table["case"].to_numpy(),
            "correct": class_map[logits.argmax(1)] == labels,
            "kl": (np.exp(log_q) * (log_q - log_p)).sum(1),
            "margin": log_odds(logits, class_map[None, :] == labels[:, None]),
        }
    )


def log_odds(
    logits: Logits, chosen: Bool[np.ndarray, "example label"]
) -> Float[np.ndarray, " example"]:
    """Give the log-odds of some classes against all the others; infinite where those are none."""
    log_p = log_softmax(logits.astype(np.float64), axis=1)
    return _log_sum(log_p, chosen) - _log_sum(log_p, ~chosen)


def with_system(table: pd.DataFrame, system: Mapping[str, Any]) -> pd.DataFrame:
    """Put the columns that name a system before a table of measurements."""
    return conform(table.assign(**system), EVALUATION)


def _log_sum(log_p: Logits, chosen: np.ndarray) -> Float[np.ndarray, " example"]:
    # A suite whose labels cover one class only leaves an empty side: log 0.
    return logsumexp(np.where(chosen, log_p, -np.inf), axis=1)
