"""From a run's tables to what the page lets a reader explore: plain lists, ready for JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from ...columns import ENDS, Table
from ...errors import InputError
from ...tables import DEPENDENCY, SUBJECT, TABLES
from ...units import Unit
from ..results import Results
from ..sections import where
from ..wording import name
from .maps import maps
from .measures import MEASURES, UnitMeasure

Frames = Mapping[str, tuple[Table, pd.DataFrame]]

#: Significant digits of a number on the page: those of single precision.
_DIGITS = 7
#: What a variant's columns are called, where they name no subject of a verdict.
_WORDS = {"seed": "search {}", "pattern": "{}", "label": "{}"}
_SUBJECTS = frozenset(column.name for column in SUBJECT)
_PATHS = {"direct": "direct path", "total": "all paths"}
_READS = {"q": "queries", "k": "keys", "v": "values"}


def explored(runs: Mapping[str, Results]) -> dict[str, Any] | None:
    """Collect what can be explored in runs of models of one architecture.

    Args:
        runs: The results by the run's name; a single one's may be empty.

    Returns:
        ``measures``, what each is and how far its values reach over all runs, and ``runs`` with
        their values; ``None`` where no table has rows about units.
    """
    read = {run: _tables(results) for run, results in runs.items()}
    units = sorted({unit for tables in read.values() for unit in _units(tables)})
    labels = [str(unit) for unit in units]
    made = [{"name": run, **_run(runs[run], tables, labels)} for run, tables in read.items()]
    shown = [m for m in MEASURES if any(m.key in one["values"] for one in made)]
    if not shown:
        return None
    return {
        "units": labels,
        "layers": [unit.layer for unit in units],
        "heads": [unit.head for unit in units],
        "measures": {m.key: _about(m, read, made) for m in shown},
        "axes": [axis for m in shown if m.scattered for axis in _axes(m, made)],
        "runs": made,
    }


def as_json(data: Any) -> str:
    """Write data as JSON that can stand within a page: it cannot end a script."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _tables(results: Results) -> Frames:
    """Return the tables that measures read, as they are declared and with their rows, if any."""
    from ...analysis.questions import QUESTIONS  # loads SciPy

    answers = {table.name: table for question in QUESTIONS for table in question.tables}
    found = {}
    for key in {measure.table for measure in MEASURES} | {DEPENDENCY.name}:
        frames = results.measured if key in TABLES else results.conclusions.tables
        table = TABLES.get(key) or answers[key]
        found[key] = (table, frames[key] if key in frames else table.empty())
    return found


def _units(tables: Frames) -> Iterator[Unit]:
    """Iterate over the units that any measure has a row of, each once for each table."""
    for table in dict.fromkeys(measure.table for measure in MEASURES):
        for label in tables[table][1]["unit"].unique():
            try:
                yield Unit.parse(label)
            except InputError:
                continue  # tables of other programs may hold other names


def _run(results: Results, tables: Frames, units: Sequence[str]) -> dict[str, Any]:
    values = {m.key: list(_variants(m, tables, units)) for m in MEASURES}
    frequencies = tables["frequencies"][1]
    of_core = frequencies[frequencies["in_core"].fillna(False).astype(bool)]
    return {
        "core": sorted({units.index(u) for u in of_core["unit"] if u in units}),
        "values": {key: some for key, some in values.items() if some},
        "edges": list(_edges(tables[DEPENDENCY.name][1], units)),
        "maps": list(maps(results, units)),
    }


def _variants(
    measure: UnitMeasure, tables: Frames, units: Sequence[str]
) -> Iterator[dict[str, Any]]:
    """Iterate over a measure's variants at each checkpoint, with a value for each unit."""
    table, rows = tables[measure.table]
    for column, value in measure.where.items():
        rows = rows[rows[column].eq(value).fillna(False).astype(bool)]
    rows = rows[rows[measure.column].notna()]
    model = ("finetune_seed", "checkpoint") if measure.steps else ("finetune_seed",)
    known = [key for key in (*model, *measure.over) if key in table.names]
    told = [key for key in known if key != "checkpoint"]
    several = frozenset(key for key in told if rows[key].nunique(dropna=False) > 1)
    parts = {"value": measure.column, "chance": measure.chance}
    if table[measure.column].interval:
        parts |= dict(zip(("low", "high"), (measure.column + end for end in ENDS), strict=True))
    for key, some in rows.groupby(known, dropna=False, sort=False):
        subject = dict(zip(known, key, strict=True))
        by_unit = some.drop_duplicates("unit").set_index("unit").reindex(units)
        yield {
            "measure": measure.key,
            "of": _said(told, subject, several),
            "step": int(subject["checkpoint"]) if "checkpoint" in known else None,
            **{part: _numbers(by_unit[column]) for part, column in parts.items() if column},
        }


def _said(names: Sequence[str], subject: Mapping[str, Any], several: frozenset[str]) -> str:
    """Name a variant: how it was found or what is about, without what all have in common."""
    own = [_WORDS[key].format(name(subject[key])) for key in names if key in _WORDS]
    known = [key for key in names if key in _SUBJECTS and key in several]
    # The model's own classifier has no word of its own beside verdicts.
    readout = ["the classifier"] if "readout" in known and subject["readout"] == "model" else []
    said = [where(known, subject, several), *readout]
    # A search is of a sparsity, but a pattern or a label is what a reader looks for.
    parts = [*said, *own] if "seed" in names else [*own, *said]
    return ", ".join(filter(None, parts)) or "all"


def _numbers(values: pd.Series) -> list[float | int | None]:
    return [_number(value) for value in values.tolist()]


def _number(value: Any) -> float | int | None:
    if pd.isna(value) or not math.isfinite(value):
        return None
    rounded = float(f"{value:.{_DIGITS}g}")
    return int(rounded) if rounded == int(rounded) else rounded


def _edges(rows: pd.DataFrame, units: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Iterate over what was measured of senders and receivers, for each path and projection."""
    place = {unit: i for i, unit in enumerate(units)}
    known = rows[rows["sender"].isin(place) & rows["receiver"].isin(place)]
    known = known[known["change"].notna()]
    names = ["finetune_seed", "checkpoint", "path", "reads"]
    several = frozenset(["finetune_seed"] if known["finetune_seed"].nunique() > 1 else [])
    for key, some in known.groupby(names):
        subject = dict(zip(names, key, strict=True))
        model = where(["finetune_seed"], subject, several)
        yield {
            "of": ", ".join(
                filter(None, [model, _PATHS[subject["path"]], _READS[subject["reads"]]])
            ),
            "step": int(subject["checkpoint"]),
            "sender": some["sender"].map(place).tolist(),
            "receiver": some["receiver"].map(place).tolist(),
            "core": (some["sender_group"] == "core").astype(int).tolist(),
            "change": _numbers(some["change"]),
            "excess": _numbers(some["excess"]),
        }


def _axes(measure: UnitMeasure, made: Sequence[Mapping[str, Any]]) -> Iterator[list[str]]:
    """Iterate over the axes that a measure offers, one for each variant: key, title, heading."""
    found = [variant["of"] for run in made for variant in run["values"].get(measure.key, ())]
    variants = list(dict.fromkeys(found))
    for of in variants:
        title = f"{measure.title} ({of})" if len(variants) > 1 else measure.title
        yield [f"{measure.key}|{of}", title, measure.group]


def _about(
    measure: UnitMeasure, read: Mapping[str, Frames], made: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """Say what a measure is, and over which values its colours reach."""
    values = [
        value
        for run in made
        for variant in run["values"].get(measure.key, ())
        for value in variant["value"]
        if value is not None
    ]
    meaning = next(iter(read.values()))[measure.table][0][measure.column].meaning
    return {
        "title": measure.title,
        "group": measure.group,
        "about": f"{meaning[0].upper()}{meaning[1:]}",
        "form": measure.intl,
        "d3": measure.d3,
        "least": 10.0 ** -(measure.digits + 2 * measure.percent),
        "domain": _domain(measure, values),
        "middle": measure.middle,
    }


def _domain(measure: UnitMeasure, values: Sequence[float]) -> list[float]:
    """Return the ends of a measure's colours: 0 or its least, and as far on both sides of none."""
    if measure.middle is None:
        top = max(values)
        low = min(0, *values)
        return [low, top if top > low else low + 1]
    reach = max(abs(value - measure.middle) for value in values) or 1.0
    return [measure.middle - reach, measure.middle + reach]
