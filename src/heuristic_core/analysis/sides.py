"""Do some units speak for one label and others for another? (paper, appendix E, finding 9)

A unit that speaks for a label whatever is right holds a heuristic for it: without the unit, cases
that have this label are answered worse and all others better.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from .effects import Answerer, Effect, Effects, answerers
from .intervals import SUPPORTED, UNDECIDED, Estimate, Verdict, change_text, holm
from .systems import OfAnswers

_CLAIM = "some units speak for one label whatever is right, and others for another label"
#: Every unit leans a little, to one side or the other. One that speaks for a label moves the odds
#: by half of themselves or more: a smaller lean, in nats, is none.
_LEAST_LEAN = 0.4


@dataclass(frozen=True)
class UnitSides:
    """What one unit does for each label.

    Args:
        unit: The unit.
        margin: Change of the margin of OOD cases when it is removed, in nats, by their right label.
        lean: By label, how much the unit speaks for it, in nats: half of how much more the margin
            of the other labels' cases changes than that of its own.
        speaks_for: The label whose cases are clearly answered worse without it, and all others
            better; "" if there is none.
    """

    unit: str
    margin: dict[str, Estimate]
    lean: dict[str, Estimate]
    speaks_for: str


@dataclass(frozen=True)
class Sides(OfAnswers):
    """Which units of one model speak for which label.

    Args:
        units: One entry per unit, in the model's order.
        speakers: By label, the units that speak for it, the strongest first.
        verdict: On the claim that some units speak for one label and others for another.
    """

    units: tuple[UnitSides, ...]
    speakers: dict[str, tuple[str, ...]]
    verdict: Verdict


def sides(table: pd.DataFrame) -> list[Sides]:
    """Say for each unit which label it speaks for.

    Args:
        table: Rows as in ``tables.REMOVAL``.

    Returns:
        One result per model and head that answers, where units were removed one by one and there
        are OOD cases of at least two labels.
    """
    results = []
    for found in answerers(table, None):
        singles = [single for single in found.singles if len(single.by_label) > 1]
        if singles:
            results.append(_one(found, singles))
    return results


def _one(found: Answerer, singles: Sequence[Effects]) -> Sides:
    labels = sorted(singles[0].by_label)
    p_values = {
        label: holm(np.array([single.by_label[label].p_value for single in singles]))
        for label in labels
    }
    leans = [{label: _lean(single.by_label, label) for label in labels} for single in singles]
    units, strength = [], {}
    for i, (single, lean) in enumerate(zip(singles, leans, strict=True)):
        clear = all(p_values[label][i] < 0.05 for label in labels)
        falling = [label for label in labels if single.by_label[label].value < 0]
        speaks = clear and len(falling) == 1 and lean[falling[0]].value >= _LEAST_LEAN
        units.append(
            UnitSides(
                single.removed[0],
                {label: single.by_label[label].estimate() for label in labels},
                {label: lean[label].estimate() for label in labels},
                falling[0] if speaks else "",
            )
        )
        if speaks:
            strength[single.removed[0]] = lean[falling[0]].value
    speakers = {
        label: tuple(
            sorted(
                (unit.unit for unit in units if unit.speaks_for == label),
                key=lambda name: -strength[name],
            )
        )
        for label in labels
    }
    return Sides(*found.key, tuple(units), speakers, _verdict(found, units, speakers))


def _lean(by_label: Mapping[str, Effect], label: str) -> Effect:
    others = [effect for name, effect in by_label.items() if name != label]
    mean = others[0] * (1 / len(others))
    for effect in others[1:]:
        mean = mean + effect * (1 / len(others))
    return (mean - by_label[label]) * 0.5


def _verdict(
    found: Answerer, units: Sequence[UnitSides], speakers: Mapping[str, Sequence[str]]
) -> Verdict:
    by_name = {unit.unit: unit for unit in units}
    parts = []
    for label, names in speakers.items():
        text = f"{len(names)} of {len(units)} units speak for {label!r}"
        if names:
            text += f", most {names[0]}: {change_text(by_name[names[0]].lean[label], 2)} nats"
        parts.append(text)
    decision = SUPPORTED if sum(map(bool, speakers.values())) > 1 else UNDECIDED
    return Verdict(_CLAIM + found.whose, decision, "; ".join(parts))
