"""What removals do to a model, and how questions write of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from ..columns import Column
from ..writing import p_text
from .accuracies import judged_by
from .covariances import Covariance
from .effect import Effect, clear_sign
from .intervals import change_text
from .matched import Contrast, core_within_layers
from .question import Question

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
        covariances: How the mean AUROCs of ``full_auc``, and mean margins, vary together over
            examples: by the name of the measure, of systems named by the units removed, joined by
            +; nothing where scores of single examples were not kept.
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
    covariances: Mapping[str, Covariance]
    n_adversarial: int

    @property
    def without_room(self) -> str:
        """Why AUROC decides nothing, as the start of a reason; empty if it does."""
        if self.full_auc is None or not no_room(self.full_auc):
            return ""
        where = f"below {_LEAST_AUROC}" if self.full_auc < _LEAST_AUROC else f"above {_MOST_AUROC}"
        return f"the full model's AUROC, {self.full_auc:.3f}, is {where} and leaves no room; "

    def core_heads(
        self, measure: str, seed: int, core: Sequence[str] | None = None
    ) -> Contrast | None:
        """Compare the core's heads, each removed alone, with other heads of their layers.

        Args:
            measure: A name among :attr:`RemovalEffects.changes`.
            seed: Seed of the permutations.
            core: The heads of another core; without them, this model's own.
        """
        singles = {single.removed[0]: single.changes for single in self.singles}
        values = {unit: c[measure].value for unit, c in singles.items() if measure in c}
        if core is None:
            core = () if self.core is None else self.core.removed
        known = self.covariances.get(measure)
        return core_within_layers(measure, values, core, seed, covariance=known)


def no_room(full_auc: float) -> bool:
    """Say whether a full model leaves AUROC no room.

    Args:
        full_auc: Its mean AUROC.
    """
    return not _LEAST_AUROC <= full_auc <= _MOST_AUROC


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
