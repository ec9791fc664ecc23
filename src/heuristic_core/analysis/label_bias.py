"""Do some units favour one label and others another? (paper, appendix E, finding 9)

A unit that favours a label whatever is right holds a heuristic for it. Without the unit, cases with
this label are answered worse and all others better.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import reduce
from operator import add

from ..columns import Column, Table
from .effect import corrected
from .evidence import Evidence
from .intervals import change_text
from .power import by_examples, outlook
from .question import Answer, decide
from .removal_effects import ModelRemovals, RemovalEffects, removal_question
from .removals import removals

#: Every unit has a little bias. One that favours a label changes odds by half or more: a smaller
#: bias, in nats, does not count.
_LEAST_BIAS = 0.4


def label_bias(evidence: Evidence) -> list[Answer]:
    """Ask of each unit which label it favours.

    Returns:
        One answer per model and readout, if units were removed one by one and there are OOD cases
        of at least two labels.
    """
    return [
        _of_model(model, singles)
        for model in evidence.once(removals)
        if (singles := [single for single in model.singles if len(single.by_label) > 1])
    ]


def _of_model(model: ModelRemovals, singles: Sequence[RemovalEffects]) -> Answer:
    labels = sorted(singles[0].by_label)
    p_values = [corrected([single.by_label[label] for single in singles]) for label in labels]
    rows = [
        row
        for single, *p in zip(singles, *p_values, strict=True)
        for row in _rows(single, labels, max(p))
    ]
    biased = [_summary(label, rows) for label in labels]
    return Answer(
        subject=model.subject,
        verdict=decide(
            QUESTION.claim,
            "; ".join(_text(row, len(singles)) for row in biased),
            supported=sum(row["n"] > 0 for row in biased) > 1,
            power=_power(singles),
        ),
        rows={"label-bias": biased, "unit-label-bias": rows},
    )


def _power(singles: Sequence[RemovalEffects]) -> str:
    """Say what would find the least bias that counts, in the unit of which least is known."""
    changes = [change for single in singles for change in single.by_label.values()]
    widest = max(changes, key=lambda one: sum(one.variances))
    said = f"a bias of {_LEAST_BIAS:g} nats"
    return outlook(said, _LEAST_BIAS, by_examples(widest), p=0.05 / len(singles))


def _rows(single: RemovalEffects, labels: Sequence[str], p_value: float) -> Iterator[dict]:
    """Iterate over a unit's rows, one for each label."""
    changes = single.by_label
    falling = [label for label in labels if changes[label].value < 0]
    for label in labels:
        others = [changes[name] for name in labels if name != label]
        mean = reduce(add, (change * (1 / len(others)) for change in others))
        bias = (mean - changes[label]) * 0.5
        yield {
            "unit": single.removed[0],
            "label": label,
            "change": changes[label].estimate(),
            "bias": bias.estimate(),
            "favoured": p_value < 0.05 and falling == [label] and bias.value >= _LEAST_BIAS,
        }


def _summary(label: str, rows: Sequence[dict]) -> dict:
    favouring = [row for row in rows if row["label"] == label and row["favoured"]]
    favouring.sort(key=lambda row: -row["bias"].value)
    return {
        "label": label,
        "n": len(favouring),
        "bias": favouring[0]["bias"] if favouring else None,
        "units": " ".join(row["unit"] for row in favouring),
    }


def _text(row: dict, n_units: int) -> str:
    text = f"{row['n']} of {n_units} units favour {row['label']!r}"
    if not row["n"]:
        return text
    return f"{text}, most of all {row['units'].split()[0]} ({change_text(row['bias'], 2)} nats)"


QUESTION = removal_question(
    key="label_bias",
    asks="Do some units favour one label and others another?",
    claim="some units favour one label whatever is right, and others another label",
    source="appendix E, finding 9",
    page="helpful_removal",
    answer=label_bias,
    tables=(
        Table(
            "label-bias",
            "The units that favour one label.",
            Column("label", "the label", "str", "label", key=True),
            Column(
                "n",
                "units without which this label’s cases are clearly answered worse and all "
                "others better, after correction",
                "int",
                "units",
            ),
            Column(
                "bias",
                "bias of the strongest of them to the label, nats",
                title="strongest",
                form="signed",
                interval=True,
                optional=True,
            ),
            Column("units", "these units, the strongest first", "str", "which"),
            title="Units that favour a label",
        ),
        Table(
            "unit-label-bias",
            "What one unit does for one label.",
            Column("unit", "the unit", "str", key=True),
            Column("label", "the label", "str", key=True),
            Column(
                "change",
                "change of the margin of OOD cases of this label without the unit, nats",
                interval=True,
            ),
            Column(
                "bias",
                "half the change of the other labels' margins minus this label's, nats",
                interval=True,
            ),
            Column("favoured", "whether the unit favours this label", "bool"),
        ),
    ),
    limits=("The mean output that replaces a unit can be biased too, whatever the unit computes.",),
)
