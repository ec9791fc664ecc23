"""Do heads depend on what other heads write? Path patching from head to head."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float

from ..errors import InputError, unknown
from ..models.ablation import AblationValues
from ..models.classifier import Classifier, Progress
from ..models.encoding import Encoded
from ..models.patching import READS, slice_of
from ..tables import DEPENDENCY, MODEL, conform
from ..tasks.task import Examples, Suite
from ..units import Unit
from .path_patching import PATHS, CleanRun

_COLUMNS = {name: kind for name, kind in DEPENDENCY.items() if name not in MODEL}


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
    """Measure how heads, and the model's answers, change as single heads are changed below them.

    A sender's output is replaced, and one of a receiver's projections reads what that makes of
    its input, while the other two read what they did. On the direct path all heads and MLPs
    between write what they did, and only residual sums and LayerNorms follow the change; on the
    total path everything between follows it. Memory grows with one batch alone, but for one
    number per pair, path, projection and example. Where heads share keys and values, a receiver
    sees the change in those of its group.

    Args:
        model: The model; it is left as found.
        suites: The examples. Only adversarial cases are used.
        senders: From the label of each head whose output is replaced to its group, ``core`` or
            ``control``.
        receivers: From the label of each head that may depend on them to its group, ``core`` or
            ``added``.
        values: Mean outputs. They replace the senders', and receivers' changes are compared with
            how far these are from their means.
        counterfactual: One example for each of the suites', in their order and of the same
            number of tokens. If given, a sender's output is taken from a run on it.
        paths: ``direct``, ``total`` or both.
        margin_paths: The paths for which the receiver's new output is also put into an otherwise
            unchanged run, to see the margin change. This takes most of the time.
        batch_size: Examples a forward pass.
        progress: Called with (senders done, senders in all), summed over batches.

    Returns:
        Rows with the columns of ``tables.DEPENDENCY`` after the model's, for every sender,
        receiver, projection and path. Where the sender's layer is not below the receiver's there
        is no path: change and margin change are exactly 0 and nothing is run. ``excess`` of a
        control is over the mean of all controls of its layer, itself included.

    Raises:
        InputError: If a unit, group or path is unknown, there is no adversarial example, labels
            do not fit, or counterfactual examples do not match.
    """
    for path in [*paths, *margin_paths]:
        if path not in paths or path not in PATHS:
            raise unknown("path", path, paths if path in PATHS else PATHS)
    values.check_fits(model.space, model.d_heads, model.d_model)
    sending = _heads(model, senders, ("core", "control"))
    receiving = _heads(model, receivers, ("core", "added"))
    encoded, others, right = _examples(model, suites, counterfactual)

    # The order of axes: path, projection, sender, receiver, example. No path leaves zeros.
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


def dependency_passes(
    n_layers: int,
    senders: Iterable[str],
    receivers: Iterable[str],
    *,
    paths: Sequence[str] = PATHS,
    margin_paths: Collection[str] = ("direct",),
    counterfactual: bool = False,
) -> float:
    """Forecast how many forward passes :func:`dependencies` takes for each example, at most.

    Args:
        n_layers: The model's layers.
        senders: Labels of the heads whose outputs are replaced.
        receivers: Labels of the heads that may depend on them.
        paths: As in :func:`dependencies`.
        margin_paths: As in :func:`dependencies`.
        counterfactual: Whether there are counterfactual examples.

    Returns:
        The number, passes that start above the first layer counted by the share of layers run.
    """
    sending = [Unit.parse(label).layer for label in senders]
    receiving = [Unit.parse(label).layer for label in receivers]
    layers = 0
    for sender in sending:
        above = [n_layers - layer for layer in receiving if layer > sender]
        if above:
            # One pass that changes the sender, then one for each projection from the next layer.
            layers += len(paths) * (n_layers - sender + len(READS) * (n_layers - sender - 1))
            layers += len(margin_paths) * len(READS) * sum(above)
    return 1 + bool(counterfactual) + layers / n_layers


def _heads(model: Classifier, groups: Mapping[str, str], known: Sequence[str]) -> list[Unit]:
    for group in groups.values():
        if group not in known:
            raise unknown("group of heads", group, known)
    heads = [Unit.parse(label) for label in groups]
    for head in heads:
        slice_of(model, head)  # fails before anything is run
    return heads


def _examples(
    model: Classifier, suites: Suite | Iterable[Suite], counterfactual: Examples | None
) -> tuple[Encoded, Encoded | None, Bool[np.ndarray, "example label"]]:
    """Give the adversarial examples, their counterfactuals, and which classes are right."""
    parts = [suites] if isinstance(suites, Suite) else list(suites)
    right, chosen, tables = [], [], []
    for suite in parts:
        of_class, labels = suite.class_map(model.labels), suite.examples.label_ids
        right.append(of_class[None, :] == labels[:, None])
        cases = suite.examples.table["case"]
        chosen.append(np.array([suite.kind(case) == "adversarial" for case in cases], dtype=bool))
        tables.append(suite.examples.table)
    rows = np.flatnonzero(np.concatenate([np.zeros(0, bool), *chosen]))
    if not len(rows):
        raise InputError("dependency is measured on adversarial examples, and there are none")
    names = tuple(dict.fromkeys(label for suite in parts for label in suite.examples.labels))
    examples = Examples(pd.concat(tables, ignore_index=True), names)
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
    groups = [senders[label] for label in senders]
    layers = [unit.layer for unit in sending]
    columns: dict[str, np.ndarray] = {}
    for name, of_examples in (("change", change), ("margin_change", margin)):
        columns[name], columns[f"{name}_se"] = _mean(of_examples)
    sizes = {"excess": change, "margin_excess": np.abs(margin)}
    for name, size in sizes.items():
        columns[name], columns[f"{name}_se"] = _mean(_over_controls(size, layers, groups))
    table = index.to_frame(index=False).assign(
        **columns,
        n=change.shape[-1],
        sender_group=lambda rows: rows["sender"].map(dict(zip(names[2], groups, strict=True))),
        receiver_group=lambda rows: rows["receiver"].map(
            dict(zip(names[3], receivers.values(), strict=True))
        ),
    )
    return conform(table, _COLUMNS)


def _over_controls(
    size: Float[np.ndarray, "path reads sender receiver example"],
    layers: Sequence[int],
    groups: Sequence[str],
) -> Float[np.ndarray, "path reads sender receiver example"]:
    """Subtract from each sender's numbers the mean over the controls of its layer."""
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
    """Give the mean over examples and its standard error, not a number for a single example."""
    n = of_examples.shape[-1]
    error = np.full(of_examples.shape[:-1], np.nan)
    if n > 1:
        error = of_examples.std(-1, ddof=1) / n**0.5
    return of_examples.mean(-1).ravel(), error.ravel()
