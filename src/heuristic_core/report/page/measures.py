"""What the model's grid can be coloured by: a list of columns of tables that have a row per unit.

A measure that is added to ``MEASURES`` is in every control of the page, and in a unit's panel.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class UnitMeasure:
    """A column of a table with a row per unit, which colours the model's grid.

    Args:
        key: Its name in the page's address.
        title: What it is, in few words.
        group: The heading under which it is offered.
        table: The table: a measured one, or one that answers a question.
        column: The column.
        over: The columns that tell its variants apart, such as the sparsity; ``checkpoint``, if
            the table has it, is apart.
        digits: Digits after the point.
        percent: Whether values are shares of 1, written in per cent.
        middle: The value of no effect, where values lie on both sides of one.
        chance: The column that holds what chance gives; may be empty.
        where: Only rows with these values are read.
        scattered: Whether it is offered as an axis, which one subnetwork's 0 and 1 are not.
        steps: Whether rows of different checkpoints hold different values.
    """

    key: str
    title: str
    group: str
    table: str
    column: str
    over: tuple[str, ...] = ()
    digits: int = 2
    percent: bool = False
    middle: float | None = None
    chance: str = ""
    where: Mapping[str, Any] = field(default_factory=dict)
    scattered: bool = True
    steps: bool = True

    @property
    def d3(self) -> str:
        """How d3-format, which writes axes and legends, names the form of values."""
        sign, kind = "" if self.middle is None else "+", "%" if self.percent else "f"
        return f"{sign}.{self.digits}{kind}"

    @property
    def intl(self) -> dict[str, Any]:
        """The same as a browser's ``Intl.NumberFormat`` names it."""
        digits = {"minimumFractionDigits": self.digits, "maximumFractionDigits": self.digits}
        sign = {} if self.middle is None else {"signDisplay": "exceptZero"}
        return {**digits, **sign, "style": "percent" if self.percent else "decimal"}


_SEARCHED = ("method", "sparsity", "seed")
_KEPT, _REMOVED, _ATTENDS, _LABEL = (
    "Subnetworks",
    "Removing a unit",
    "Attention",
    "Label bias",
)


def _removal(key: str, title: str, digits: int = 3) -> UnitMeasure:
    return UnitMeasure(
        key=f"removal-{key.replace('_', '-')}",
        title=title,
        group=_REMOVED,
        table="removals",
        column=key,
        over=("readout",),
        digits=digits,
        middle=0.0,
    )


MEASURES = (
    UnitMeasure(
        key="kept",
        title="how often it is kept",
        group=_KEPT,
        table="frequencies",
        column="share",
        over=("method", "sparsity"),
        digits=0,
        percent=True,
    ),
    UnitMeasure(
        key="subnetwork",
        title="kept by one subnetwork",
        group=_KEPT,
        table="subnetworks",
        column="kept",
        over=_SEARCHED,
        digits=0,
        scattered=False,
    ),
    UnitMeasure(
        key="gate",
        title="soft gate in one search",
        group=_KEPT,
        table="subnetworks",
        column="soft",
        over=_SEARCHED,
        scattered=False,
    ),
    UnitMeasure(
        key="grid",
        title="kept by one subnetwork of the grid",
        group=_KEPT,
        table="grid_subnetworks",
        column="kept",
        over=_SEARCHED,
        digits=0,
        scattered=False,
    ),
    UnitMeasure(
        key="entered",
        title="core heads: how often kept",
        group=_KEPT,
        table="emergence-heads",
        column="share",
        over=("method", "sparsity"),
        digits=0,
        percent=True,
    ),
    UnitMeasure(
        key="in-all-from",
        title="core heads: in all subnetworks from step",
        group=_KEPT,
        table="emergence-heads",
        column="in_all_from",
        over=("method", "sparsity"),
        digits=0,
        steps=False,
    ),
    _removal("auc", "change of AUROC"),
    _removal("balanced", "change of the balanced margin"),
    _removal("adversarial", "change of the adversarial margin"),
    _removal("friendly", "change of the friendly margin"),
    _removal("shift", "change of the shifted margin"),
    _removal("in_domain", "change of the in-domain margin"),
    _removal("adversarial_points", "change of adversarial accuracy, points", digits=1),
    _removal("friendly_points", "change of friendly accuracy, points", digits=1),
    _removal("in_domain_points", "change of in-domain accuracy, points", digits=1),
    UnitMeasure(
        key="label-bias",
        title="bias to the adversarial label when removed",
        group=_REMOVED,
        table="unit-removal-outcomes",
        column="label_bias",
        over=("readout",),
        digits=3,
        middle=0.0,
    ),
    UnitMeasure(
        key="attention",
        title="attention over chance",
        group=_ATTENDS,
        table="attention",
        column="score",
        over=("pattern", "suite", "weighting"),
        chance="chance",
    ),
    UnitMeasure(
        key="shallow",
        title="strongest shallow pattern, log2 over chance",
        group=_ATTENDS,
        table="shallow-strengths",
        column="strength",
        over=("weighting",),
    ),
    UnitMeasure(
        key="favours",
        title="bias to a label",
        group=_LABEL,
        table="unit-label-bias",
        column="bias",
        over=("readout", "label"),
        digits=3,
        middle=0.0,
    ),
)
