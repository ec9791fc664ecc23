"""Effects of removals, read from the tables: means over cases with errors over examples."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from operator import attrgetter
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from ..columns import Column
from ..tables import GROUPS
from ..writing import p_text
from .accuracies import judged_by
from .covariances import Covariance
from .effect import Effect, clear_sign
from .evidence import Evidence
from .intervals import change_text
from .matched import Contrast, core_within_layers
from .question import Question
from .removal_covariances import removal_covariance, variance_of
from .separable_cases import separable_cases

#: The measure of generalisation that label bias does not change.
AUROC = "AUROC"
#: Outside these bounds the full model leaves AUROC no room: little above chance to lose, or
#: losses that do not show at the ceiling.
_LEAST_AUROC, _MOST_AUROC = 0.6, 0.95
#: The changes whose power is reported: of AUROC, and of a margin.
PLANNED_AUROC, PLANNED_NATS = 0.05, 0.5
#: The kinds of margin.
MARGIN_KINDS = ("balanced", "adversarial", "friendly", "shift", "in_domain")
#: Why margins alone decide nothing.
NO_AUROC = "without AUROC, label bias could explain this"
#: What limits every removal.
MEAN_ABLATION = "The effect of a removal depends on what replaces the unit: its mean output."

#: The columns that name a model and its readout.
BY_READOUT = ("finetune_seed", "checkpoint", "readout")
#: A question that is asked of every model whose units were removed.
removal_question = partial(
    Question,
    page="removal",
    subject=BY_READOUT,
    needs=("removal", "removal_discrimination", "discrimination"),
)

_Removal = tuple[str, int, str]
_Rows = Mapping[_Removal, list[Any]]
#: Group, draw and units of the full model's rows.
_NONE: _Removal = ("none", -1, "")
_Key = TypeVar("_Key")


@dataclass(frozen=True, eq=False, kw_only=True)
class RemovalEffects:
    """What removing a group of units does.

    Args:
        removed: The units.
        measure: What generalisation is measured by: AUROC, or the OOD margin where there is no
            AUROC or the full model leaves it no room.
        margin: Change of the margin by kind of case (``in_domain``, ``adversarial``,
            ``friendly``, ``shift``), each the mean over cases, and ``balanced``, the mean of the
            adversarial and the friendly one, which label bias does not change.
        interaction: That change minus the sum of the units' own changes, by the same kinds.
        beyond_in_domain: The change of the OOD margin that says most of generalisation, minus what
            it would be in proportion to the in-domain margin, nats; ``None`` unless the full model
            has a margin above 0 on both.
        accuracy: Change of accuracy in points by the names of :data:`ACCURACY_COLUMNS`.
        by_label: Change of the margin of OOD cases by their right label, each the mean over cases.
        auc: Change of the mean AUROC over the adversarial cases that the full model separates.
        auc_interaction: That change minus the sum of the units' own.
        auc_all: Change of the mean AUROC over all adversarial cases.
    """

    removed: tuple[str, ...]
    measure: str
    margin: Mapping[str, Effect]
    interaction: Mapping[str, Effect]
    beyond_in_domain: Effect | None
    accuracy: Mapping[str, float]
    by_label: Mapping[str, Effect]
    auc: Effect | None
    auc_interaction: Effect | None
    auc_all: Effect | None

    @property
    def ood(self) -> str:
        """The kind of OOD margin that says most of generalisation."""
        return judged_by(self.margin) or "adversarial"

    @property
    def generalisation(self) -> Effect | None:
        """The change of :attr:`measure`."""
        return self.changes.get(self.measure)

    def sign(self, p_value: float) -> int:
        """Return the sign of a clear change of generalisation; otherwise 0.

        If a margin decides, AUROC, where measured, must clearly change in the same direction:
        label bias that saturates, or less confidence, moves margins but not AUROC.

        Args:
            p_value: p of the change of :attr:`generalisation`, corrected where several are tested.
        """
        sign = clear_sign(self.generalisation, p_value)
        agrees = self.auc is None or clear_sign(self.auc, self.auc.p_value) == sign
        return sign if self.measure == AUROC or agrees else 0

    @property
    def margin_interaction(self) -> Effect | None:
        """The interaction of the OOD margin."""
        return self.interaction.get(self.ood)

    @property
    def beyond_sum(self) -> Effect | None:
        """The interaction of :attr:`generalisation`."""
        return self.auc_interaction if self.measure == AUROC else self.margin_interaction

    @property
    def changes(self) -> dict[str, Effect]:
        """Every change by the name of its measure, AUROC first, then the margins."""
        kinds = (kind for kind in MARGIN_KINDS if kind in self.margin)
        margins = {f"{kind.replace('_', '-')} margin": self.margin[kind] for kind in kinds}
        return margins if self.auc is None else {AUROC: self.auc, **margins}


@dataclass(frozen=True, eq=False, kw_only=True)
class ModelRemovals:
    """All removals from one model.

    Args:
        subject: Its fine-tuning, checkpoint and readout: ``model``, or ``probe``.
        singles: Effects of each unit alone.
        pairs: Those of pairs.
        core: Those of the core as a whole; ``None`` if there is none.
        controls: Those of the groups matched to it, each once.
        own: Those of the study's own groups, by their names.
        full_margin: The full model's margin by kind of case, as for effects.
        full_auc: The full model's mean AUROC over the adversarial cases that it separates;
            ``None`` if not measured.
        full_auc_all: The same over all adversarial cases.
        auc_sizes: Adversarial and friendly examples behind ``full_auc``.
        covariance: How the mean AUROCs of ``full_auc`` vary together over examples, by the units
            removed, joined by +; ``None`` if scores of single examples were not kept.
        n_adversarial: Adversarial examples.
    """

    subject: Mapping[str, Any]
    singles: tuple[RemovalEffects, ...]
    pairs: tuple[RemovalEffects, ...]
    core: RemovalEffects | None
    controls: tuple[RemovalEffects, ...]
    own: Mapping[str, RemovalEffects]
    full_margin: Mapping[str, float]
    full_auc: float | None
    full_auc_all: float | None
    auc_sizes: tuple[int, int]
    covariance: Covariance | None
    n_adversarial: int

    @property
    def without_room(self) -> str:
        """Why AUROC decides nothing, as the start of a reason; empty if it does."""
        if self.full_auc is None or not _no_room(self.full_auc):
            return ""
        where = f"below {_LEAST_AUROC}" if self.full_auc < _LEAST_AUROC else f"above {_MOST_AUROC}"
        return f"the full model's AUROC, {self.full_auc:.3f}, is {where} and leaves no room; "

    def core_heads(self, measure: str, seed: int) -> Contrast | None:
        """Compare the core's heads, each removed alone, with other heads of their layers.

        Args:
            measure: A name among :attr:`RemovalEffects.changes`.
            seed: Seed of the permutations.
        """
        singles = {single.removed[0]: single.changes for single in self.singles}
        values = {unit: c[measure].value for unit, c in singles.items() if measure in c}
        core = () if self.core is None else self.core.removed
        return core_within_layers(measure, values, core, seed)


def core_heads_text(contrast: Contrast) -> str:
    """Write what :meth:`ModelRemovals.core_heads` found."""
    return (
        f"alone, core heads change the {contrast.measure} by {change_text(contrast.difference, 3)} "
        f"relative to other heads of their layers ({p_text(contrast.p)})"
    )


def change_column(name: str, meaning: str, title: str = "", digits: int = 2) -> Column:
    """Declare a column of changes, each with its interval, which may be missing."""
    return Column(
        name, meaning, title=title, digits=digits, form="signed", interval=True, optional=True
    )


MARGIN_COLUMNS = (
    change_column("balanced", "mean of the next two, nats", "balanced"),
    change_column("adversarial", "change of the adversarial margin, nats", "adversarial"),
    change_column("friendly", "change of the friendly margin, nats", "friendly"),
    change_column("shift", "change of the margin on shifted cases, nats", "shift"),
    change_column("in_domain", "change of the in-domain margin, nats", "ID"),
)
ACCURACY_COLUMNS = tuple(
    Column(
        f"{kind}_points",
        f"change of {kind.replace('_', '-')} accuracy, points",
        form="signed",
        low=-100,
        high=100,
        optional=True,
    )
    for kind in ("adversarial", "friendly", "shift", "in_domain")
)


def planned(measure: str, kind: str = "loss") -> tuple[str, float]:
    """Return the change whose power is reported, in words and as a number.

    Args:
        measure: What changes.
        kind: What such a change is called.
    """
    if measure == AUROC:
        return f"a {kind} of {PLANNED_AUROC:g} AUROC", PLANNED_AUROC
    return f"a {kind} of {PLANNED_NATS:g} nats of the {measure}", PLANNED_NATS


def with_unit(measure: str) -> str:
    """Return the name of a measure with its unit."""
    return measure if measure == AUROC else f"{measure}, nats"


def removals(evidence: Evidence) -> list[ModelRemovals]:
    """Read the effects of all removals, model by model.

    Args:
        evidence: What was measured.
    """
    measured = evidence["removal_discrimination"]
    separable = separable_cases(measured, evidence["discrimination"])
    margins = _by_removal(evidence["removal"])
    labels = {
        key: {(row.suite, row.case): row.label for row in rows[_NONE]}
        for key, rows in margins.items()
        if _NONE in rows
    }
    aurocs = [_aurocs(table, labels) for table in (separable, measured)]
    return [
        _of_model(key, rows, *(some.get(key, _Aurocs({}, None)) for some in aurocs))
        for key, rows in margins.items()
    ]


@dataclass(frozen=True, eq=False)
class _Aurocs:
    """AUROCs of some cases of one model.

    Args:
        rows: Their rows by removal.
        covariance: How their means vary together over examples, if it is known.
    """

    rows: _Rows
    covariance: Covariance | None

    def change(self, removal: _Removal, column: str) -> Effect | None:
        """Return the mean of a change over the cases, with its error over examples.

        Args:
            removal: The group, the draw and the units.
            column: The change's name: ``auc_change`` or ``auc_interaction``.
        """
        rows = self.rows.get(removal, [])
        known = _known(rows, column)
        if not known:
            return None
        removed = removal[2]
        weights = {removed: 1.0, "": -1.0}
        if column == "auc_interaction":
            units = removed.split("+")
            weights |= {"": len(units) - 1.0, **dict.fromkeys(units, -1.0)}
        variance = variance_of(self.covariance, weights) if len(known) == len(rows) else None
        if variance is None:
            return Effect(_mean(known, column), *_at_most(known, column))
        freedom = min(sum(row.n - 1 for row in known), *(row.n_friendly - 1 for row in known))
        return Effect(_mean(known, column), (variance,), (float(max(1, freedom)),))


def _aurocs(table: pd.DataFrame, labels: Mapping[Any, Mapping[Any, str]]) -> dict[Any, _Aurocs]:
    """Gather AUROCs by model; ``labels`` gives the right label of each case, by model."""
    covariances = {
        key: removal_covariance(rows, labels.get(key, {}))
        for key, rows in table.groupby(list(BY_READOUT))
    }
    return {key: _Aurocs(rows, covariances[key]) for key, rows in _by_removal(table).items()}


def _no_room(full_auc: float) -> bool:
    return not _LEAST_AUROC <= full_auc <= _MOST_AUROC


def _of_model(
    key: tuple[Any, ...], margins: _Rows, aurocs: _Aurocs, all_aurocs: _Aurocs
) -> ModelRemovals:
    full = margins.get(_NONE, [])
    full_auc, full_auc_all = (
        _mean(some.rows[_NONE], "auc") if _NONE in some.rows else None
        for some in (aurocs, all_aurocs)
    )
    by_margin = full_auc is None or _no_room(full_auc)
    groups: dict[str, dict[str, RemovalEffects]] = {}
    for removal, rows in margins.items():
        if removal != _NONE:
            effects = _effects(removal, rows, full, by_margin, aurocs, all_aurocs)
            groups.setdefault(removal[0], {}).setdefault(removal[2], effects)
    by_kind = _grouped(full, _kind)
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
        full_margin=_balanced({kind: _mean(rows, "margin") for kind, rows in by_kind.items()}),
        full_auc=full_auc,
        full_auc_all=full_auc_all,
        auc_sizes=_sizes(aurocs.rows.get(_NONE, [])),
        covariance=aurocs.covariance,
        n_adversarial=sum(row.n for row in by_kind.get("adversarial", [])),
    )


def _by_removal(table: pd.DataFrame) -> dict[tuple[Any, ...], dict[_Removal, list[Any]]]:
    models = _grouped(table.itertuples(index=False), attrgetter(*BY_READOUT))
    removal = attrgetter("group", "draw", "removed")
    return {key: _grouped(rows, removal) for key, rows in sorted(models.items())}


def _grouped(rows: Iterable[Any], key: Callable[[Any], _Key]) -> dict[_Key, list[Any]]:
    # Not by pandas: there are thousands of small groups.
    groups: dict[_Key, list[Any]] = {}
    for row in rows:
        groups.setdefault(key(row), []).append(row)
    return groups


def _kind(row: Any) -> str:
    return "in_domain" if row.role == "id" else row.case_kind


def _mean(rows: Sequence[Any], column: str) -> float:
    return float(np.mean([getattr(row, column) for row in rows]))


def _sizes(rows: Sequence[Any]) -> tuple[int, int]:
    # The cases of a group share their friendly examples.
    friendly = {(row.suite, row.case_group): row.n_friendly for row in rows}
    return sum(row.n for row in rows), sum(friendly.values())


def _effects(
    removal: _Removal,
    rows: Sequence[Any],
    full: Sequence[Any],
    by_margin: bool,
    aurocs: _Aurocs,
    all_aurocs: _Aurocs,
) -> RemovalEffects:
    kinds = _grouped(rows, _kind)
    before = {(row.suite, row.case): row.correct for row in full}
    labels = _grouped((row for row in rows if row.role == "ood" and row.label), attrgetter("label"))
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
        {kind: _mean(rows, "margin") for kind, rows in _grouped(full, _kind).items()}
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
        if known := _known(rows, column):
            effects[name] = Effect(
                _mean(known, column),
                tuple(float(getattr(row, f"{column}_se") / len(known)) ** 2 for row in known),
                tuple(float(max(1, row.n - 1)) for row in known),
            )
    return effects


def _known(rows: Sequence[Any], column: str) -> list[Any]:
    return [row for row in rows if np.isfinite(getattr(row, column))]


def _balanced(values: dict[str, Any]) -> dict[str, Any]:
    """Add the mean of the adversarial and the friendly value if there are both."""
    if {"adversarial", "friendly"} <= set(values):
        values["balanced"] = (values["adversarial"] + values["friendly"]) * 0.5
    return values


def _at_most(rows: Sequence[Any], column: str) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Bound the variance of a mean change over cases, and give its degrees of freedom.

    The cases of a group share their friendly examples. Without scores, how their errors correlate
    is not known; at worst they add up.
    """
    k = len(rows)
    parts = [(float(getattr(row, f"{column}_se") / k) ** 2, row.n) for row in rows]
    for some in _grouped(rows, attrgetter("suite", "case_group")).values():
        error = sum(getattr(row, f"{column}_common_se") for row in some) / k
        parts.append((float(error) ** 2, min(row.n_friendly for row in some)))
    variances, sizes = zip(*parts, strict=True)
    return variances, tuple(float(max(1, n - 1)) for n in sizes)


def _points(rows: Sequence[Any], before: Mapping[tuple, int]) -> float:
    """Compute the change of mean accuracy in points; counts alone do not give its error."""
    changes = [(row.correct - before[row.suite, row.case]) / row.n for row in rows]
    return float(100 * np.mean(changes))
