"""Effects of removals, read from the tables: means over cases with errors over examples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import Any

import numpy as np

from ..tables import GROUPS
from .accuracies import judged_by
from .covariances import Covariance
from .effect import Effect
from .evidence import Evidence
from .removal_aurocs import Aurocs, aurocs_by_model
from .removal_effects import AUROC, BY_READOUT, ModelRemovals, RemovalEffects, no_room
from .removal_margins import margin_covariances
from .removal_rows import NONE, Removal, Rows, by_removal, grouped, kind_of, known_rows, mean_of
from .separable_cases import separable_cases


def removals(evidence: Evidence) -> list[ModelRemovals]:
    """Read the effects of all removals, model by model.

    Args:
        evidence: What was measured.
    """
    measured = evidence["removal_discrimination"]
    separable = separable_cases(measured, evidence["discrimination"])
    margins = by_removal(evidence["removal"])
    labels = {
        key: {(row.suite, row.case): row.label for row in rows[NONE]}
        for key, rows in margins.items()
        if NONE in rows
    }
    aurocs = [aurocs_by_model(table, labels) for table in (separable, measured)]
    of_margins = margin_covariances(evidence["removal"], measured)
    return [
        _of_model(
            key,
            rows,
            of_margins.get(key, {}),
            *(some.get(key, Aurocs({}, None)) for some in aurocs),
        )
        for key, rows in margins.items()
    ]


def _of_model(
    key: tuple[Any, ...],
    margins: Rows,
    covariances: Mapping[str, Covariance],
    aurocs: Aurocs,
    all_aurocs: Aurocs,
) -> ModelRemovals:
    full = margins.get(NONE, [])
    of_auroc = {} if aurocs.covariance is None else {AUROC: aurocs.covariance}
    full_auc, full_auc_all = (
        mean_of(some.rows[NONE], "auc") if NONE in some.rows else None
        for some in (aurocs, all_aurocs)
    )
    by_margin = full_auc is None or no_room(full_auc)
    groups: dict[str, dict[str, RemovalEffects]] = {}
    for removal, rows in margins.items():
        if removal != NONE:
            effects = _effects(removal, rows, full, by_margin, aurocs, all_aurocs)
            groups.setdefault(removal[0], {}).setdefault(removal[2], effects)
    by_kind = grouped(full, kind_of)
    singles, pairs, cores, controls = (
        tuple(groups.get(name, {}).values()) for name in ("single", "pair", "core", "control")
    )
    return ModelRemovals(
        subject=dict(zip(BY_READOUT, key, strict=True)),
        singles=singles,
        pairs=pairs,
        core=cores[0] if cores else None,
        controls=controls,
        own={name: next(iter(g.values())) for name, g in groups.items() if name not in GROUPS},
        full_margin=_balanced({kind: mean_of(rows, "margin") for kind, rows in by_kind.items()}),
        full_auc=full_auc,
        full_auc_all=full_auc_all,
        auc_sizes=_sizes(aurocs.rows.get(NONE, [])),
        covariances={**covariances, **of_auroc},
        n_adversarial=sum(row.n for row in by_kind.get("adversarial", [])),
    )


def _sizes(rows: Sequence[Any]) -> tuple[int, int]:
    # The cases of a group share their friendly examples.
    friendly = {(row.suite, row.case_group): row.n_friendly for row in rows}
    return sum(row.n for row in rows), sum(friendly.values())


def _effects(
    removal: Removal,
    rows: Sequence[Any],
    full: Sequence[Any],
    by_margin: bool,
    aurocs: Aurocs,
    all_aurocs: Aurocs,
) -> RemovalEffects:
    kinds = grouped(rows, kind_of)
    before = {(row.suite, row.case): row.correct for row in full}
    labels = grouped((row for row in rows if row.role == "ood" and row.label), attrgetter("label"))
    margin = _balanced(_means(kinds, "margin_change"))
    ood = judged_by(margin) or "adversarial"
    auc = aurocs.change(removal, "auc_change")
    return RemovalEffects(
        removed=tuple(removal[2].split("+")),
        measure=f"{ood} margin" if by_margin or auc is None else AUROC,
        margin=margin,
        interaction=_balanced(_means(kinds, "interaction")),
        beyond_in_domain=_beyond_in_domain(kinds, full, ood, margin),
        accuracy={f"{kind}_points": _points(some, before) for kind, some in kinds.items() if full},
        by_label=_means(labels, "margin_change"),
        auc=auc,
        auc_interaction=aurocs.change(removal, "auc_interaction"),
        auc_all=all_aurocs.change(removal, "auc_change"),
    )


#: By kind of OOD margin, how much each kind of case adds to it.
_PARTS = {
    "balanced": {"adversarial": 0.5, "friendly": 0.5},
    "adversarial": {"adversarial": 1.0},
    "shift": {"shift": 1.0},
}


def _beyond_in_domain(
    kinds: Mapping[str, Sequence[Any]],
    full: Sequence[Any],
    ood: str,
    margin: Mapping[str, Effect],
) -> Effect | None:
    """Compute by how much an OOD margin changes beyond what is in proportion to the in-domain one.

    The error is that of a ratio: it has in it that of the full model's margins, which the changes
    are measured on the same examples as. It is not known where the table has no errors of margins.

    Args:
        kinds: The rows without the units, by kind of case.
        full: The full model's rows.
        ood: The kind of OOD margin.
        margin: The changes, by kind.
    """
    before = {(row.suite, row.case): row for row in full}
    of_full = _balanced(
        {kind: mean_of(rows, "margin") for kind, rows in grouped(full, kind_of).items()}
    )
    if not {ood, "in_domain"} <= set(of_full) & set(margin):
        return None
    if min(of_full[ood], of_full["in_domain"]) <= 0:
        return None
    ratio = of_full[ood] / of_full["in_domain"]
    share = margin["in_domain"].value / of_full["in_domain"]
    variances, freedom = [], []
    for kind, part in (*_PARTS[ood].items(), ("in_domain", ratio)):
        rows = kinds[kind]
        for row in rows:
            # Of an example's change, what its own margin would have lost in proportion is no error.
            was = before[row.suite, row.case].margin_se ** 2
            common = (row.margin_se**2 - was - row.margin_change_se**2) / 2
            own = row.margin_change_se**2 - 2 * share * common + share**2 * was
            variances.append((part / len(rows)) ** 2 * max(0.0, own) if own == own else np.nan)
            freedom.append(float(max(1, row.n - 1)))
    value = margin[ood].value - margin["in_domain"].value * ratio
    return Effect(value, tuple(variances), tuple(freedom))


def _means(groups: Mapping[str, Sequence[Any]], column: str) -> dict[str, Effect]:
    effects = {}
    for name, rows in groups.items():
        if known := known_rows(rows, column):
            effects[name] = Effect(
                mean_of(known, column),
                tuple(float(getattr(row, f"{column}_se") / len(known)) ** 2 for row in known),
                tuple(float(max(1, row.n - 1)) for row in known),
            )
    return effects


def _balanced(values: dict[str, Any]) -> dict[str, Any]:
    """Add the mean of the adversarial and the friendly value if there are both."""
    if {"adversarial", "friendly"} <= set(values):
        values["balanced"] = (values["adversarial"] + values["friendly"]) * 0.5
    return values


def _points(rows: Sequence[Any], before: Mapping[tuple, int]) -> float:
    """Compute the change of mean accuracy in points; counts alone do not give its error."""
    changes = [(row.correct - before[row.suite, row.case]) / row.n for row in rows]
    return float(100 * np.mean(changes))
