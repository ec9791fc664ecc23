"""The data that all searches of one model share: tokens, predictions, ablation values."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from ..errors import InputError, expect, expect_whole, one_line, unknown
from ..models.ablation import AblationValues
from ..models.classifier import Classifier, check_classifier
from ..models.encoding import Encoded
from ..models.means import averaging, mean_values
from ..models.steady import steady
from ..subnetwork import ABLATION_KINDS
from ..tasks.labels import counterparts
from ..tasks.task import Examples, Suite, Task


@dataclass(frozen=True, eq=False)
class SearchData:
    """Mask-learning examples with the full model's predictions.

    Args:
        encoded: The examples as tokens.
        reference: The full model's log-probabilities, of shape (example, class).
        values: The ablation values: what dropped units become.
        ablation: The kind of these values.
        labels: The right classes, of shape (example,), for methods that follow the task's loss;
            ``None`` where the examples' labels are not the model's.
        task: The task's name; empty where the examples were given themselves.
        digest: The SHA-256 of the examples.
    """

    encoded: Encoded
    reference: Float[Tensor, "example label"]
    values: AblationValues
    ablation: str = "mean"
    labels: Int[Tensor, " example"] | None = None
    task: str = ""
    digest: str = ""

    def __repr__(self) -> str:
        of = f" of {one_line(self.task, 80)}" if self.task else ""
        return f"SearchData({len(self.encoded)} examples{of}, {self.ablation} ablation)"

    def sample(self, limit: int, seed: int) -> SearchData:
        """Return the same data with at most so many examples, drawn at random, in their order.

        Args:
            limit: Examples at most; where there are no more, all are used and nothing is drawn.
            seed: The source of randomness.

        Returns:
            The data of the chosen examples, with the ablation values of all.
        """
        if limit >= len(self.encoded):
            return self
        rng = np.random.default_rng(seed)
        return self.take(np.sort(rng.choice(len(self.encoded), limit, replace=False)))

    def take(self, rows: Int[np.ndarray, " row"]) -> SearchData:
        """Return the data of the examples at some positions, with the ablation values of all."""
        return replace(
            self,
            encoded=self.encoded.take(rows),
            reference=self.reference[rows],
            labels=None if self.labels is None else self.labels[rows],
        )


@steady()
def means(
    model: Classifier, task: Task | Suite | Examples, *, limit: int = 100_000, batch_size: int = 64
) -> AblationValues:
    """Average every unit's output over a task's mask-learning examples, padding excluded.

    Args:
        model: The model.
        task: The task; or a suite or examples, to average over all of these.
        limit: Use at most so many examples (paper: 100,000).
        batch_size: Examples a forward pass.

    Returns:
        The means.

    Raises:
        InputError: If an argument is of another type, or there are no examples.
    """
    expect_whole("limit", limit, 1)
    check_classifier(model)
    expect("the task", task, Task, Suite, Examples, hint="load it with load_task")
    if isinstance(task, Task):
        task.check_whole("search")
    given = task.search if isinstance(task, Task) else task
    examples = given.examples if isinstance(given, Suite) else given
    some = examples.sample(limit, seed=0)
    values = mean_values(model, model.encode(some), batch_size=batch_size)
    return replace(values, source=source_of(task, some) | _weights(model))


def _weights(model: Classifier) -> dict[str, Any]:
    return {"weights": model.fingerprint.digests()}


def source_of(task: Task | Suite | Examples, examples: Examples) -> dict[str, str]:
    """Say over which examples means are.

    Args:
        task: Where the examples are from.
        examples: The examples themselves.

    Returns:
        The examples in words, ``of``, and their ``sha256``.
    """
    n = len(examples)
    if isinstance(task, Examples):
        of = f"{n} examples"
    elif isinstance(task, Suite):
        of = f"{n} examples of the suite {one_line(task.name, 120)}"
    else:
        of = f"{n} mask-learning examples of {one_line(task.name, 120)}"
    return {"of": of, "sha256": examples.digest}


@steady()
def prepare(
    model: Classifier,
    task: Task | Examples,
    *,
    ablation: str = "mean",
    values: AblationValues | None = None,
    batch_size: int = 64,
) -> SearchData:
    """Compute the data that all searches of one model share.

    Args:
        model: The full model.
        task: The task, whose ``search`` examples are used, or the examples themselves.
        ablation: What dropped units become.
        values: Means computed earlier, to save time; computed here if not given.
        batch_size: Examples a forward pass.

    Returns:
        The shared data.

    Raises:
        InputError: If an argument is of another type, there are no examples, the ablation kind is
            unknown, the values are another model's, or the model gives no finite logits.
    """
    check_classifier(model)
    expect("the task", task, Task, Examples, hint="load it with load_task")
    if isinstance(task, Task):
        task.check_whole("search")
    examples = task.search if isinstance(task, Task) else task
    if not len(examples):
        raise InputError("the search needs at least one example to learn masks on")
    if ablation not in ABLATION_KINDS:
        raise unknown("ablation kind", ablation, ABLATION_KINDS)
    encoded = model.encode(examples)
    if ablation == "zero":
        values = replace(AblationValues.zeros(model.anatomy), source=_weights(model))
    if values is not None:
        expect("values", values, AblationValues, hint="compute them with means")
        values.check_fits(model.anatomy)
        model.check_weights(
            "the values are of other weights", values.source, "compute them with this model"
        )
    if values is None:  # one pass gives both: means are over the very examples of the search
        with averaging(model.anatomy) as computed:
            logits = model.logits(encoded, batch_size=batch_size)
        values = replace(computed.values(), source=source_of(task, examples) | _weights(model))
    else:
        logits = model.logits(encoded, batch_size=batch_size)
    if not torch.isfinite(logits).all():
        raise InputError(
            f"the model {model.name} gives logits that are not finite numbers; its weights are "
            "damaged, or its dtype is too narrow: try float32"
        )
    reference = torch.log_softmax(logits, dim=-1)
    return SearchData(
        encoded,
        reference,
        values,
        ablation,
        classes(model, examples),
        task=task.name if isinstance(task, Task) else "",
        digest=examples.digest,
    )


def classes(model: Classifier, examples: Examples) -> Int[Tensor, " example"] | None:
    """Return the examples' right classes, or ``None`` where their labels are not the model's."""
    of_model = counterparts(examples.labels, model.labels)
    if len(of_model) < len(examples.labels) or len(of_model) < len(model.labels):
        return None
    number = np.array([model.labels.index(of_model[name]) for name in examples.labels])
    return torch.from_numpy(number[examples.label_ids])
