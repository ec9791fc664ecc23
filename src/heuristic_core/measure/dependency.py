"""Dependency between heads, measured by path patching from head to head."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float

from ..errors import InputError, unknown
from ..models.ablation import AblationValues
from ..models.classifier import Classifier
from ..models.encoding import Encoded
from ..models.patching import READS
from ..models.steady import steady
from ..progress import Progress
from ..search.data import means as means_over
from ..tables import DEPENDENCY, MODEL_NAMES
from ..tasks.task import Examples, Suite, Task
from ..units import Unit
from .path_patching import PATHS, CleanRun

_TABLE = DEPENDENCY.without(MODEL_NAMES)
_ENDS = ("sender", "receiver")
#: How columns end that compare heads with their controls.
_OF_GROUPS = ("_group", "excess", "excess_se")


def dependencies(
    model: Classifier,
    suites: Suite | Iterable[Suite],
    *,
    senders: Mapping[str, str],
    receivers: Mapping[str, str],
    values: AblationValues,
    counterfactual: Examples | None = None,
    paths: Sequence[str] = PATHS,
    margin_paths: Collection[str] = ("direct",),
    batch_size: int = 64,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Measure how heads and the model's margin change if the output of a lower head is replaced.

    A sender's output is replaced, and one of a receiver's projections reads the input that
    results, while the other two read the clean input. On the direct path all heads and MLPs in
    between keep their clean outputs, and only residual sums and LayerNorms follow the change. On
    the total path everything in between follows it. Memory holds one number per pair, path,
    projection and example, and one batch. If heads share keys and values, a receiver reads the
    changed ones of its group.

    Args:
        model: The model; it is not changed.
        suites: The examples. Only adversarial cases are used.
        senders: The heads whose output is replaced: from label to group, ``core`` or ``control``.
        receivers: The heads that may depend on them: from label to group, ``core`` or ``added``.
        values: Mean outputs, which replace the senders' outputs. A receiver's change is relative
            to the distance of its output from its mean.
        counterfactual: One example for each example of the suites, in the same order and with the
            same number of tokens. If given, they provide the senders' new outputs.
        paths: ``direct``, ``total`` or both.
        margin_paths: The paths for which the receiver's new output is also patched into a clean
            run to measure the change of the margin. This takes most of the time.
        batch_size: Examples per forward pass.
        progress: Called with (senders done, senders in all), summed over batches.

    Returns:
        Rows with the columns of ``tables.DEPENDENCY`` without those that name a model, for every
        sender, receiver, projection and path. If the sender's layer is not below the receiver's,
        there is no path: change and margin change are exactly 0 and nothing is run. ``excess`` is
        relative to the mean of all controls of the sender's layer, itself included.

    Raises:
        InputError: If a unit, group or path is unknown, there is no adversarial example, labels
            do not fit, or counterfactual examples do not match.
    """
    for path in [*paths, *margin_paths]:
        if path not in paths or path not in PATHS:
            raise unknown("path", path, paths if path in PATHS else PATHS)
    values.check_fits(model.anatomy)
    sending = _heads(model, senders, ("core", "control"))
    receiving = _heads(model, receivers, ("core", "added"))
    encoded, others, right = _examples(model, suites, counterfactual)

    # Axes: path, projection, sender, receiver, example. Pairs without a path stay zero.
    shape = (len(paths), len(READS), len(sending), len(receiving), len(encoded))
    change, margin = np.zeros(shape), np.zeros(shape)
    margin[[path not in margin_paths for path in paths]] = np.nan
    done, todo = 0, len(sending) * -(-len(encoded) // batch_size)
    with model.inference():
        for rows in encoded.by_length(batch_size):
            run = CleanRun(model, values, encoded, others, right, rows)
            for s, sender in enumerate(sending):
                above = [(r, u) for r, u in enumerate(receiving) if u.layer > sender.layer]
                for p, path in enumerate(paths if above else ()):
                    for i, z in enumerate(run.outputs_after(sender, path)):
                        for r, receiver in above:
                            new, place = z[receiver.layer], (p, i, s, r, rows)
                            change[place] = run.change(receiver, new)
                            if path in margin_paths:
                                margin[place] = run.margin_change(receiver, new)
                done += 1
                if progress is not None:
                    progress(done, todo)
    return _table(change, margin, paths, sending, receiving, senders, receivers)


@steady()
def path_patching(
    model: Classifier,
    task: Task | Suite | Iterable[Suite],
    *,
    senders: Iterable[Unit | str],
    receivers: Iterable[Unit | str],
    means: AblationValues | None = None,
    paths: Sequence[str] = PATHS,
    batch_size: int = 64,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Measure what receiving heads give when only what sending heads wrote is changed.

    The output of one sender at a time is replaced by its mean, on adversarial examples.

    Args:
        model: The model; it is not changed.
        task: A task, a suite or several suites.
        senders: The heads whose output is replaced, such as ``["L1H1"]``.
        receivers: The heads that may read it. Each must be above a sender, and each sender below
            a receiver; other pairs have no path between them and no row.
        means: Mean outputs, from ``heuristic_core.means``; over the mask-learning examples if
            not given, which needs a task.
        paths: ``direct`` (units between write what they did), ``total`` (they are computed
            again), or both.
        batch_size: Examples per forward pass.
        progress: Called with (senders done, senders in all), summed over batches.

    Returns:
        One row for each sender, receiver above it, projection that ``reads`` (q, k or v) and
        ``path``, with ``n`` examples, the ``change`` of the receiver's output over its distance
        from its mean and the ``margin_change`` of the right label, nats, both with standard
        errors. Other columns are of studies, which compare with control heads.

    Raises:
        InputError: If a head or path is unknown, a head is in no pair with a path, there are no
            means or no adversarial examples, or the labels do not fit.
    """
    sending, receiving = ([str(unit) for unit in units] for units in (senders, receivers))
    _expect_paths(_layers(model, sending), _layers(model, receiving))
    suites = task.suites if isinstance(task, Task) else task
    if means is None:
        if not isinstance(task, Task):
            raise InputError(
                "nothing says what replaces the senders' outputs; give a task, or means=..."
            )
        means = means_over(model, task)
    table = dependencies(
        model,
        suites,
        senders=dict.fromkeys(sending, "core"),
        receivers=dict.fromkeys(receiving, "added"),
        values=means,
        paths=paths,
        margin_paths=paths,
        batch_size=batch_size,
        progress=progress,
    )
    low, high = (table[name].map(lambda unit: Unit.parse(unit).layer) for name in _ENDS)
    table = table[low < high].reset_index(drop=True)
    return table.drop(columns=[name for name in table if name.endswith(_OF_GROUPS)])


def dependency_passes(
    n_layers: int,
    senders: Iterable[str],
    receivers: Iterable[str],
    *,
    paths: Sequence[str] = PATHS,
    margin_paths: Collection[str] = ("direct",),
    counterfactual: bool = False,
) -> float:
    """Compute an upper bound of the forward passes that ``dependencies`` takes per example.

    Args:
        n_layers: Number of layers of the model.
        senders: Labels of the heads whose outputs are replaced.
        receivers: Labels of the heads that may depend on them.
        paths: As in ``dependencies``.
        margin_paths: As in ``dependencies``.
        counterfactual: Whether counterfactual examples are given.

    Returns:
        The number. A pass that starts above the first layer counts as the share of layers run.
    """
    sending = [Unit.parse(label).layer for label in senders]
    receiving = [Unit.parse(label).layer for label in receivers]
    layers = 0
    for sender in sending:
        above = [n_layers - layer for layer in receiving if layer > sender]
        if above:
            # One pass with the changed sender, then one per projection from the next layer on.
            layers += len(paths) * (n_layers - sender + len(READS) * (n_layers - sender - 1))
            layers += len(margin_paths) * len(READS) * sum(above)
    return 1 + bool(counterfactual) + layers / n_layers


def _layers(model: Classifier, labels: Sequence[str]) -> dict[str, int]:
    return {str(unit): unit.layer for unit in _heads(model, dict.fromkeys(labels, ""), ("",))}


def _expect_paths(senders: Mapping[str, int], receivers: Mapping[str, int]) -> None:
    """Refuse heads, given with their layers, that no path joins to any head of the other kind."""
    for label, layer in senders.items():
        if not any(layer < other for other in receivers.values()):
            raise InputError(
                f"no receiver is in a layer above the sender {label}, so no path leads from it to "
                f"one; leave {label} out, or give a receiver above it"
            )
    for label, layer in receivers.items():
        if not any(other < layer for other in senders.values()):
            raise InputError(
                f"no sender is in a layer below the receiver {label}, so no path leads to it from "
                f"one; leave {label} out, or give a sender below it"
            )


def _heads(model: Classifier, groups: Mapping[str, str], known: Sequence[str]) -> list[Unit]:
    for group in groups.values():
        if group not in known:
            raise unknown("group of heads", group, known)
    heads = [Unit.parse(label) for label in groups]
    for head in heads:
        model.anatomy.slice_of(head)  # fails before anything is run
    return heads


def _examples(
    model: Classifier, suites: Suite | Iterable[Suite], counterfactual: Examples | None
) -> tuple[Encoded, Encoded | None, Bool[np.ndarray, "example label"]]:
    """Return the adversarial examples, their counterfactuals, and which classes are right."""
    suites = [suites] if isinstance(suites, Suite) else list(suites)
    right = [s.class_map(model.labels) == s.examples.label_ids[:, None] for s in suites]
    kinds = [suite.kind(case) for suite in suites for case in suite.examples.table["case"]]
    rows = np.array([i for i, kind in enumerate(kinds) if kind == "adversarial"], dtype=np.int64)
    if not len(rows):
        raise InputError("dependency is measured on adversarial examples, and there are none")
    names = tuple(dict.fromkeys(label for suite in suites for label in suite.examples.labels))
    examples = Examples.concat([suite.examples for suite in suites], names)
    encoded, others = model.encode(examples.take(rows)), None
    if counterfactual is not None:
        if len(counterfactual) != len(examples):
            raise InputError(
                f"{len(counterfactual)} counterfactual examples do not match {len(examples)} "
                "examples; give one for each, in the same order"
            )
        others = model.encode(counterfactual.take(rows))
        differ = np.flatnonzero(others.lengths != encoded.lengths)
        if len(differ):
            raise InputError(
                f"counterfactual example {rows[differ[0]]}, from 0, has "
                f"{others.lengths[differ[0]]} tokens, its example {encoded.lengths[differ[0]]}; "
                "they must have the same number"
            )
    return encoded, others, np.concatenate(right)[rows]


def _table(
    change: Float[np.ndarray, "path reads sender receiver example"],
    margin: Float[np.ndarray, "path reads sender receiver example"],
    paths: Sequence[str],
    sending: Sequence[Unit],
    receiving: Sequence[Unit],
    senders: Mapping[str, str],
    receivers: Mapping[str, str],
) -> pd.DataFrame:
    names = [list(paths), list(READS), [str(u) for u in sending], [str(u) for u in receiving]]
    index = pd.MultiIndex.from_product(names, names=["path", "reads", "sender", "receiver"])
    groups, layers = list(senders.values()), [unit.layer for unit in sending]
    sizes = {
        "change": change,
        "margin_change": margin,
        "excess": _over_controls(change, layers, groups),
        "margin_excess": _over_controls(np.abs(margin), layers, groups),
    }
    table = index.to_frame(index=False)
    for name, of_examples in sizes.items():
        table[name], table[f"{name}_se"] = _mean(of_examples)
    table["n"] = change.shape[-1]
    table["sender_group"] = table["sender"].map(dict(zip(names[2], groups, strict=True)))
    receiver_groups = dict(zip(names[3], receivers.values(), strict=True))
    table["receiver_group"] = table["receiver"].map(receiver_groups)
    return _TABLE.conform(table)


def _over_controls(
    size: Float[np.ndarray, "path reads sender receiver example"],
    layers: Sequence[int],
    groups: Sequence[str],
) -> Float[np.ndarray, "path reads sender receiver example"]:
    """Subtract from the numbers of each sender the mean over the controls of its layer."""
    excess = np.full(size.shape, np.nan)
    layer, control = np.array(layers, dtype=int), np.array(groups) == "control"
    for one in set(layers):
        here = layer == one
        if (here & control).any():
            reference = size[:, :, here & control].mean(2, keepdims=True)
            excess[:, :, here] = size[:, :, here] - reference
    return excess


def _mean(
    of_examples: Float[np.ndarray, "path reads sender receiver example"],
) -> tuple[Float[np.ndarray, " row"], Float[np.ndarray, " row"]]:
    """Compute the mean over examples and its standard error, which is NaN for one example."""
    n = of_examples.shape[-1]
    error = np.full(of_examples.shape[:-1], np.nan)
    if n > 1:
        error = of_examples.std(-1, ddof=1) / n**0.5
    return of_examples.mean(-1).ravel(), error.ravel()
