"""Accuracy, KL divergence and margin of a model or subnetwork, per case."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float
from scipy.special import log_softmax, logsumexp

from ..errors import InputError, expect
from ..models.classifier import Classifier, CompactClassifier, check_runnable
from ..models.encoding import Encoded
from ..models.lean import lean
from ..models.steady import steady
from ..precision import check_precision
from ..progress import Progress
from ..subnetwork import Subnetwork
from ..tasks.task import Suite, Task
from .remarks import majorities, remarks

Logits = Float[np.ndarray, "example label"]


@steady()
def predict(
    model: Classifier | CompactClassifier,
    encoded: Encoded,
    *,
    subnetwork: Subnetwork | None = None,
    other_model: bool = False,
    compact: bool = True,
    batch_size: int | None = None,
    precision: str = "float32",
    progress: Progress | None = None,
) -> Logits:
    """Compute the logits of a model or subnetwork, in the order of the examples.

    Args:
        model: The full model.
        encoded: The tokenised examples.
        subnetwork: A subnetwork to run in place of the full model.
        other_model: Accept a subnetwork that was found in other weights, with a ``Remark``.
        compact: Run the subnetwork as a model without the dropped units, which is faster; else by
            gates, as ``without`` does, to the last digit.
        batch_size: Examples per forward pass; if not given, as many as suit the device.
        precision: What to compute in: ``float32``, or ``bfloat16`` or ``float16`` where that is
            safe; weights stay in float32.
        progress: Called with (examples done, examples in all).

    Returns:
        The logits, in float32.

    Raises:
        InputError: If an argument has the wrong type, or the subnetwork does not fit the model.
    """
    expect("encoded", encoded, Encoded, hint="encode examples with model.encode")
    (logits,) = predict_each(
        model,
        [encoded],
        subnetwork=subnetwork,
        other_model=other_model,
        compact=compact,
        batch_size=batch_size,
        precision=precision,
        progress=progress,
    )
    return logits


@steady()
def predict_each(
    model: Classifier | CompactClassifier,
    encodings: Sequence[Encoded],
    *,
    subnetwork: Subnetwork | None = None,
    other_model: bool = False,
    compact: bool = True,
    batch_size: int | None = None,
    precision: str = "float32",
    progress: Progress | None = None,
) -> list[Logits]:
    """Compute logits as ``predict`` does on several sets of examples, batched together.

    Args:
        model: As for ``predict``, and so are those that follow the encodings.
        encodings: The tokenised examples of each set, at least one set.
        subnetwork: The subnetwork.
        other_model: Accept other weights.
        compact: Run it without the dropped units.
        batch_size: Examples per forward pass.
        precision: What to compute in.
        progress: Called with (examples done, examples in all), over all sets.

    Returns:
        The logits of each set, in float32.
    """
    check_runnable(model)
    expect("the subnetwork", subnetwork, Subnetwork, type(None))
    checked = check_precision(precision)
    with ExitStack() as stack:
        if subnetwork is not None and compact:
            model = subnetwork.compact(model, other_model=other_model)
        elif subnetwork is not None:
            stack.enter_context(subnetwork.applied(model, other_model=other_model))
        stack.enter_context(lean(model.hf, model.family, precision=checked))
        logits = model.logits(
            Encoded.joined(encodings), batch_size=batch_size, precision=precision, progress=progress
        )
    return [part.numpy() for part in logits.split([len(encoded) for encoded in encodings])]


@steady()
def evaluate(
    model: Classifier | CompactClassifier,
    task: Task | Suite | Iterable[Suite],
    *,
    subnetwork: Subnetwork | None = None,
    other_model: bool = False,
    compact: bool = True,
    batch_size: int | None = None,
    precision: str = "float32",
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Evaluate a model or subnetwork on every case of some suites.

    Args:
        model: The full model.
        task: A task, a suite or several suites.
        subnetwork: A subnetwork to evaluate in place of the full model.
        other_model: Accept a subnetwork that was found in other weights, with a ``Remark``.
        compact: As for ``predict``.
        batch_size: Examples per forward pass; if not given, as many as suit the device.
        precision: What to compute in: ``float32``, or ``bfloat16`` or ``float16`` where that is
            safe; weights stay in float32.
        progress: Called with (examples done, examples in all), over the model and the subnetwork.

    Returns:
        One row per suite and case with the columns suite, role, case, case_kind, n, correct, kl
        (mean KL to the full model, nats), margin (mean log-odds of the right label), kl_se (the
        error of kl over examples; not a number for a single one), worst_label, worst_n and
        worst_correct (as ``score`` says), majority (accuracy of always giving the case's most
        frequent label) and majority_label. Its ``attrs`` hold ``remarks``, sentences on odd answers
        (``remarks.remarks``), and for a subnetwork ``ablation``: what became of the dropped units'
        outputs, and from which data.

    Raises:
        InputError: If an argument has the wrong type, there is no suite, or the model's labels do
            not fit a suite's.
    """
    check_runnable(model)
    expect("the subnetwork", subnetwork, Subnetwork, type(None))
    given: Any = task.suites if isinstance(task, Task) else task
    several = isinstance(given, Iterable) and not isinstance(given, str)
    suites: list[Suite] = list(given) if several else [given]
    for suite in suites:
        expect("what is evaluated on", suite, Suite, hint="load it with load_task or load_suite")
    if not suites:
        raise InputError("there is no suite to evaluate on; give at least one")
    suites = [suite.for_labels(model.labels) for suite in suites]
    for suite in suites:
        suite.class_map(model.labels)  # fails before anything is run
    encodings = [model.encode(suite.examples) for suite in suites]
    systems = [None] if subnetwork is None else [None, subnetwork]
    n = sum(len(suite.examples) for suite in suites)
    results = []
    for before, system in zip((0, n), systems, strict=False):

        def step(done: int, _: int, before: int = before) -> None:
            if progress is not None:
                progress(before + done, len(systems) * n)

        results.append(
            predict_each(
                model,
                encodings,
                subnetwork=system,
                other_model=other_model,
                compact=compact,
                batch_size=batch_size,
                precision=precision,
                progress=step,
            )
        )
    rows, said = [], []
    for suite, reference, logits in zip(suites, results[0], results[-1], strict=True):
        scored = score(suite, model.labels, logits, reference)
        rows.append(scored.merge(majorities(suite), on="case", validate="1:1"))
        said += remarks(suite, model.labels, logits)
    table = pd.concat(rows, ignore_index=True)
    table.attrs["remarks"] = said
    if subnetwork is not None:
        table.attrs["ablation"] = subnetwork.replacement
    return table


def score(
    suite: Suite, model_labels: tuple[str, ...], logits: Logits, reference: Logits
) -> pd.DataFrame:
    """Score logits, one row per case.

    The predicted label is the suite's label for the model's most probable class. As usual for
    HANS, neutral and contradiction both count as non-entailment.

    Args:
        suite: The suite.
        model_labels: The model's label names in the order of its classes.
        logits: The logits of a model or subnetwork on the suite.
        reference: The full model's logits on the same examples.

    Returns:
        Rows with the columns suite, role, case, case_kind, n, correct, kl, margin, kl_se, and of
        the case's group that is answered worst worst_label, worst_n and worst_correct; a group is
        the examples of one case and right label (Sagawa et al. 2020, group DRO).

    Raises:
        InputError: If the labels do not fit, or a logit is not finite.
    """
    return by_case(suite, per_example(suite, model_labels, logits, reference))


def by_case(suite: Suite, frame: pd.DataFrame, **more: tuple[str, str]) -> pd.DataFrame:
    """Aggregate rows per example to rows per case.

    Args:
        suite: The suite.
        frame: Rows as ``per_example`` returns them.
        **more: Further columns: for each the column of the frame and the aggregation.
    """
    aggregated = {
        "n": ("correct", "size"),
        "correct": ("correct", "sum"),
        "kl": ("kl", "mean"),
        "margin": ("margin", "mean"),
        "kl_se": ("kl", "sem"),
    }
    table = frame.groupby("case", sort=False).agg(**aggregated, **more).reset_index()
    table = table.merge(_worst_groups(frame), on="case", validate="1:1")
    table.insert(0, "suite", suite.name)
    table.insert(1, "role", suite.role)
    table.insert(3, "case_kind", [suite.kind(case) for case in table["case"]])
    return table


def _worst_groups(frame: pd.DataFrame) -> pd.DataFrame:
    """Find the label whose examples are answered worst in each case; of several the largest."""
    groups = frame.groupby(["case", "label"], sort=False)["correct"].agg(["size", "sum"])
    groups["accuracy"] = groups["sum"] / groups["size"]
    ranked = groups.reset_index().sort_values(
        ["accuracy", "size", "label"], ascending=[True, False, True], kind="stable"
    )
    names = {"label": "worst_label", "size": "worst_n", "sum": "worst_correct"}
    worst = ranked.drop_duplicates("case").rename(columns=names)
    return worst[["case", *names.values()]]


def per_example(
    suite: Suite, model_labels: tuple[str, ...], logits: Logits, reference: Logits
) -> pd.DataFrame:
    """Score logits, one row per example, with the columns case, label, correct, kl and margin.

    Args:
        suite: The suite.
        model_labels: The label names in the order of the classes.
        logits: The logits of a model or subnetwork on the suite.
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
            "label": suite.examples.table["label"].to_numpy(),
            "correct": class_map[logits.argmax(1)] == labels,
            # Rounding may leave a divergence a little below zero.
            "kl": (np.exp(log_q) * (log_q - log_p)).sum(1).clip(min=0),
            "margin": log_odds(logits, class_map[None, :] == labels[:, None]),
        }
    )


def log_odds(
    logits: Logits, chosen: Bool[np.ndarray, "example label"]
) -> Float[np.ndarray, " example"]:
    """Compute the log-odds of some classes against all others; infinite if there are no others."""
    log_p = log_softmax(logits.astype(np.float64), axis=1)
    return _log_sum(log_p, chosen) - _log_sum(log_p, ~chosen)


def _log_sum(log_p: Logits, chosen: np.ndarray) -> Float[np.ndarray, " example"]:
    # In a suite with a single label one of the two sets of classes is empty: log 0.
    return logsumexp(np.where(chosen, log_p, -np.inf), axis=1)
