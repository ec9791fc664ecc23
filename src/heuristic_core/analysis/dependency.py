"""Do the heads that subnetworks add depend on what the core's heads write? (paper, abstract)"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from ..units import Unit
from .intervals import CONTRADICTED, SUPPORTED, UNDECIDED, Estimate, Verdict, p_text
from .matched import Contrast, within_layers
from .patterns import p_above, score_interval
from .systems import MODEL, ModelKey, OfModel, by_system

#: An edge needs an excess of at least this share of how far the receiver is from its mean. In a
#: trained model nearly every head changes those above it a little more or less than another does.
SMALLEST_EXCESS = 0.05
#: Core heads are no different that change added heads by less than so much more than others do, as
#: a share of how far those are from their means.
LEAST_DIFFERENCE = 0.01
_CELL = ["path", "reads", "receiver", "layer"]


@dataclass(frozen=True)
class Edge:
    """An added head that depends on a head of the core, through one of its projections.

    Args:
        sender: The core's head.
        receiver: The added head.
        reads: The projection that reads the change: ``q``, ``k`` or ``v``.
        path: ``direct`` or ``total``.
        change: Mean size of the change of the receiver's output, over its distance from its mean.
        excess: That less the mean over the controls of the sender's layer.
        p_value: Of an excess this large over examples if there were none; one-sided,
            Benjamini-Hochberg-corrected over all edges tested.
        margin_change: Mean change of the margin by the receiver's new output; ``None``: not
            measured.
        margin_excess: Mean size of that less the mean size over the controls.
    """

    sender: str
    receiver: str
    reads: str
    path: str
    change: float
    excess: Estimate
    p_value: float
    margin_change: float | None
    margin_excess: Estimate | None


@dataclass(frozen=True)
class Effect:
    """How much more the core's heads change than controls of the same layers, on one path.

    Args:
        path: ``direct`` or ``total``.
        change: Senders' changes of added heads' outputs, each its mean over added heads above it
            and their projections.
        margin: The same of the size of the margin's change, over the mean of the layer's
            controls, in nats; ``None``: not measured.
    """

    path: str
    change: Contrast
    margin: Contrast | None


@dataclass(frozen=True)
class Dependency(OfModel):
    """What added heads owe to the core in one model.

    Args:
        n: Examples.
        core: The core's heads that have controls in their layer and added heads above.
        controls: Their controls.
        receivers: The added heads above some of them.
        n_tested: How many edges were tested.
        edges: Those kept, largest excess first.
        nodes: From each head with an edge to its group, ``core`` or ``added``.
        effects: For each path what the core's heads do beyond what controls do; none where too
            few senders have controls.
        verdict: On the claim that the added heads depend on the core's outputs.
    """

    n: int
    core: tuple[str, ...]
    controls: tuple[str, ...]
    receivers: tuple[str, ...]
    n_tested: int
    edges: tuple[Edge, ...]
    nodes: dict[str, str]
    effects: tuple[Effect, ...]
    verdict: Verdict


def dependency(table: pd.DataFrame, seed: int = 0) -> list[Dependency]:
    """Say for each model whether its added heads depend on the core, and which on which.

    Args:
        table: Rows as in ``tables.DEPENDENCY``.
        seed: Seed of the exchanges of core and control.

    Returns:
        One result per fine-tuning and checkpoint.
    """
    return [_one(key, group, seed) for key, group in by_system(table, MODEL)]


def _one(key: ModelKey, group: pd.DataFrame, seed: int) -> Dependency:
    layer = group["sender"].map(lambda label: Unit.parse(label).layer)
    above = group["receiver"].map(lambda label: Unit.parse(label).layer) > layer
    rows = group.assign(layer=layer)[above & (group["receiver_group"] == "added")]
    # Heads are compared within layers, so a layer counts if it has both kinds.
    both = rows.groupby("layer")["sender_group"].transform("nunique") == 2
    rows = rows[both & rows["excess"].notna()]
    senders = rows.drop_duplicates("sender").set_index("sender")[["layer", "sender_group"]]
    edges, n_tested = _edges(rows)
    # The direct path comes first where there are both.
    effects = [_effect(str(path), part, seed) for path, part in rows.groupby("path")]
    compared = tuple(effect for effect in effects if effect is not None)
    units = {edge.sender: "core" for edge in edges} | {edge.receiver: "added" for edge in edges}
    return Dependency(
        *key,
        int(group["n"].max()),
        _sorted(senders.index[senders["sender_group"] == "core"]),
        _sorted(senders.index[senders["sender_group"] == "control"]),
        _sorted(rows["receiver"].unique()),
        n_tested,
        edges,
        {label: units[label] for label in _sorted(units)},
        compared,
        _verdict(compared, senders),
    )


def _edges(rows: pd.DataFrame) -> tuple[tuple[Edge, ...], int]:
    """Give the edges kept and how many were tested."""
    strongest = rows[rows["sender_group"] == "control"].groupby(_CELL)["excess"].max()
    core = rows[rows["sender_group"] == "core"]
    core = core.join(strongest.rename("control"), on=_CELL)
    if core.empty:
        return (), 0
    excess, error, n = (core[name].to_numpy() for name in ("excess", "excess_se", "n"))
    core = core.assign(p_value=stats.false_discovery_control(p_above(excess, error, n, 0.0)))
    kept = core[
        (core["p_value"] < 0.05)
        & (core["excess"] >= SMALLEST_EXCESS)
        & (core["excess"] > core["control"])
    ].sort_values(["excess", "sender", "receiver", "reads", "path"], ascending=False)
    return tuple(_edge(row) for row in kept.to_dict("records")), len(core)


def _edge(row: dict) -> Edge:
    measured = not math.isnan(row["margin_change"])
    return Edge(
        str(row["sender"]),
        str(row["receiver"]),
        str(row["reads"]),
        str(row["path"]),
        float(row["change"]),
        score_interval(row["excess"], row["excess_se"], row["n"]),
        float(row["p_value"]),
        float(row["margin_change"]) if measured else None,
        score_interval(row["margin_excess"], row["margin_excess_se"], row["n"])
        if measured
        else None,
    )


def _effect(path: str, rows: pd.DataFrame, seed: int) -> Effect | None:
    change = _contrast("change", rows, seed)
    return None if change is None else Effect(path, change, _contrast("margin_excess", rows, seed))


def _contrast(column: str, rows: pd.DataFrame, seed: int) -> Contrast | None:
    """Compare senders; within a layer all have the same receivers, so their means compare."""
    known = rows[rows[column].notna()].groupby(["layer", "sender_group", "sender"])[column].mean()
    found = within_layers(
        [column],
        known.to_numpy()[:, None],
        known.index.get_level_values("layer").to_numpy(),
        known.index.get_level_values("sender_group") == "core",
        seed,
    )
    return found[0] if found else None


def _verdict(effects: Sequence[Effect], senders: pd.DataFrame) -> Verdict:
    claim = "the added heads depend on what the core's heads write"
    is_core = senders["sender_group"] == "core"
    heads = f"{is_core.sum()} core heads and {(~is_core).sum()} others of their layers"
    if not len(senders):
        return Verdict(claim, UNDECIDED, "no core head has others beside it and added heads above")
    exchanges = math.prod(
        math.comb(len(x), int(x.sum())) for _, x in is_core.groupby(senders.layer)
    )
    # Two-sided, so that the most extreme of 40 exchanges has p = 0.05.
    if not effects or exchanges <= 40:
        return Verdict(claim, UNDECIDED, f"{heads} with added heads above are too few to compare")
    judged = next((effect for effect in effects if effect.margin is not None), None)
    if judged is None or judged.margin is None:
        return Verdict(claim, UNDECIDED, "what this does to the model's answers was not measured")
    change, margin = judged.change, judged.margin
    reason = (
        f"replacing a core head changes an added head, on the {judged.path} path, by "
        f"{change.core:.1%} of its distance from its mean, replacing another head of the same "
        f"layer by {change.others:.1%}: a difference of {100 * change.difference.value:+.1f} "
        f"points [{100 * change.difference.low:+.1f}, {100 * change.difference.high:+.1f}] "
        f"({p_text(change.p_value)}), and of {margin.difference.value:+.2g} nats of margin "
        f"[{margin.difference.low:+.2g}, {margin.difference.high:+.2g}] "
        f"({p_text(margin.p_value)}); {heads}"
    )
    both = (change, margin)
    if abs(change.difference.value) < LEAST_DIFFERENCE:
        return Verdict(claim, UNDECIDED, f"next to no difference; {reason}")
    if all(c.p_value < 0.05 and c.difference.low > 0 for c in both):
        return Verdict(claim, SUPPORTED, reason)
    if all(c.p_value < 0.05 and c.difference.high < 0 for c in both):
        return Verdict(claim, CONTRADICTED, reason)
    return Verdict(claim, UNDECIDED, reason)


def _sorted(labels: pd.Index | np.ndarray | dict[str, str]) -> tuple[str, ...]:
    return tuple(sorted(map(str, labels), key=Unit.parse))
