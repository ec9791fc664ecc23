"""What the analyses rely on in their tables, checked before any of them starts."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np
import pandas as pd

from ..errors import InputError, one_line, unknown
from ..tables import EVALUATION, MEASURED, MODEL, REMOVED, SUBNETWORKS, SYSTEM, conform, empty
from ..units import Unit

_SCHEMAS = {"evaluations": EVALUATION, "subnetworks": SUBNETWORKS, **MEASURED}
_CASE = ["suite", "case"]
_REMOVAL = [*REMOVED]

#: Columns that hold one of a few names, by table.
_NAMES: dict[str, dict[str, tuple[str, ...]]] = {
    "removal": {"head": ("model", "probe")},
    "attention": {"weighting": ("attention", "value_norm")},
    "dependency": {
        "sender_group": ("core", "control"),
        "receiver_group": ("core", "added"),
        "reads": ("q", "k", "v"),
        "path": ("direct", "total"),
    },
    **{key: {"kind": ("subnetwork",)} for key in ("subnetworks", "grid_subnetworks", "disjoint")},
}
_NAMES["removal_discrimination"] = _NAMES["removal"]
#: The same of every table that has them.
_EVERYWHERE = {
    "kind": ("full", "subnetwork"),
    "role": ("id", "ood"),
    "case_kind": ("id", "adversarial", "friendly"),
}

#: Ends of the range of columns of numbers, both part of it.
_RANGES: dict[str, tuple[float, float]] = {
    "checkpoint": (0, math.inf),
    "sparsity": (0, np.nextafter(1.0, 0.0)),
    "n": (1, math.inf),
    "n_friendly": (1, math.inf),
    "correct": (0, math.inf),
    "auc": (0, 1),
    "auc_se": (0, math.inf),
    "forbidden": (0, 1),
    "wins": (0, 1),
    "other_heads": (0, math.inf),
    "heads": (0, math.inf),
    "shared_heads": (0, math.inf),
    "units": (0, math.inf),
}
#: Where a number may be missing: in these columns, and in all of these tables.
_MAY_BE_NAN = ("soft", "auc_se", "interaction", "auc_interaction", "pooled_change")
_NAN_TABLES = ("attention", "dependency")

#: What names a row, by table.
_KEYS: dict[str, list[str]] = {
    **{key: [*SYSTEM, *_CASE] for key in ("evaluations", "grid", "discrimination")},
    **{key: [*SYSTEM, "unit"] for key in ("subnetworks", "grid_subnetworks")},
    **{key: [*_REMOVAL, *_CASE] for key in ("removal", "removal_discrimination")},
    "disjoint": [*SYSTEM, "forbidden", *_CASE],
    "attention": [*MODEL, "suite", "unit", "pattern", "weighting"],
    "dependency": [*MODEL, "sender", "receiver", "reads", "path"],
}


def check_settings(margin_points: float, seed: int) -> None:
    """Make sure that a margin and a seed can be used.

    Raises:
        InputError: If not.
    """
    given = one_line(repr(margin_points), 40)
    if isinstance(margin_points, bool) or not isinstance(margin_points, Real):
        raise InputError(f"margin_points is {given}; give a number of points above 0")
    if not (math.isfinite(margin_points) and margin_points > 0):
        raise InputError(f"margin_points is {given}; give a finite number of points above 0")
    if isinstance(seed, bool) or not isinstance(seed, Integral) or seed < 0:
        raise InputError(f"seed is {one_line(repr(seed), 40)}; give a whole number from 0")


def check_tables(
    evaluations: pd.DataFrame, subnetworks: pd.DataFrame, measured: Mapping[str, pd.DataFrame]
) -> dict[str, pd.DataFrame]:
    """Make sure that tables hold what the analyses rely on.

    Args:
        evaluations: Rows as in ``tables.EVALUATION``.
        subnetworks: Rows as in ``tables.SUBNETWORKS``.
        measured: Further tables, by the names in ``tables.MEASURED``.

    Returns:
        All tables by name, with the columns and types of :mod:`heuristic_core.tables`; those that
        were not given have no rows.

    Raises:
        InputError: If a table is unknown, lacks a column or a row, or holds a value that it
            cannot; the message names the table, the column and what to do.
    """
    for name in measured:
        if name not in MEASURED:
            raise unknown("table of measurements", name, MEASURED)
    given = {"evaluations": evaluations, "subnetworks": subnetworks, **measured}
    tables = {
        name: _typed(name, given[name], columns) if name in given else empty(columns)
        for name, columns in _SCHEMAS.items()
    }
    for name, table in tables.items():
        _check_values(name, table)
    for name in ("evaluations", "grid", "disjoint"):
        _check_cases(name, tables[name])
    _check_units(tables)
    for name in ("removal", "removal_discrimination"):
        _check_removals(name, tables[name])
    _check_areas(tables["removal"], tables["removal_discrimination"])
    return tables


def _typed(name: str, table: Any, columns: Mapping[str, str]) -> pd.DataFrame:
    """Give a table its columns and types, where no value changes by that."""
    if not isinstance(table, pd.DataFrame):
        raise InputError(f"the table {name} is no pandas DataFrame; give it as one")
    missing = [column for column in columns if column not in table.columns]
    if missing:
        raise InputError(
            f"the table {name} lacks the column {missing[0]}; tables.py lists the columns it needs"
        )
    table = table.reset_index(drop=True)
    for column, kind in columns.items():
        if not isinstance(table[column], pd.Series):
            raise InputError(f"the table {name} has the column {column} twice; drop one of them")
        if str(table[column].dtype) != kind or kind == "str":
            fits, what = _KINDS[kind]
            wrong = ~table[column].map(fits).astype(bool)
            _refuse(name, table, column, wrong, f"takes {what} only")
    return conform(table, dict(columns))


def _is_number(value: Any) -> bool:
    return isinstance(value, Real | np.bool_) and not isinstance(value, bool | np.bool_)


def _is_whole(value: Any) -> bool:
    return _is_number(value) and math.isfinite(value) and value == int(value) < 2**63


#: What a column of a type takes, and that in words.
_KINDS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "str": (lambda value: isinstance(value, str), "texts"),
    "bool": (lambda value: isinstance(value, bool | np.bool_), "true and false"),
    "int64": (_is_whole, "whole numbers"),
    "float64": (_is_number, "numbers"),
}


def _refuse(
    name: str, table: pd.DataFrame, column: str, wrong: pd.Series | np.ndarray, rule: str
) -> None:
    """Refuse a table where a column breaks a rule."""
    rows = np.flatnonzero(wrong)
    if len(rows):
        value = table[column].iloc[rows[0]]
        shown = one_line(repr(value.item() if isinstance(value, np.generic) else value), 60)
        raise InputError(
            f"the table {name} holds {shown} as {column} in row {rows[0]}, but {column} {rule}; "
            "mend or drop such rows"
        )


def _check_values(name: str, table: pd.DataFrame) -> None:
    for column, known in (_EVERYWHERE | _NAMES.get(name, {})).items():
        if column in table:
            rule = f"is one of {', '.join(known)}"
            _refuse(name, table, column, ~table[column].isin(known), rule)
    for column in table.select_dtypes("number"):
        values = table[column]
        low, high = _RANGES.get(column, (-math.inf, math.inf))
        if column.endswith("_se"):
            low = 0.0
        if column == "n" and name == "attention":
            low = 0  # a pattern may have no target in any example
        may_be_nan = name in _NAN_TABLES or column in _MAY_BE_NAN or column.endswith("_se")
        wrong = ~values.between(low, high) & ~(values.isna() & may_be_nan)
        _refuse(name, table, column, wrong, f"lies within {low:g} and {high:.4g}")
        _refuse(name, table, column, np.isinf(values), "is finite")
    if "correct" in table:
        _refuse(name, table, "correct", table["correct"] > table["n"], "is at most n")
    if "role" in table:
        wrong = (table["role"] == "id") != (table["case_kind"] == "id")
        _refuse(name, table, "case_kind", wrong, "is id where the role is, and nowhere else")
        kinds = table.groupby(_CASE)["case_kind"].transform("nunique") > 1
        _refuse(name, table, "case_kind", kinds, "is the same in all rows of a case")
    if "kind" in table:
        full = table["kind"] == "full"
        for column, value in (("method", ""), ("sparsity", 0.0), ("seed", -1)):
            wrong = full & (table[column] != value)
            _refuse(name, table, column, wrong, f"is {value!r} for a full model")
    # A subnetwork that was left no head may be the same as its control, which has none.
    some = table[table["heads"] > 0] if name == "disjoint" else table
    key = _KEYS[name]
    twice = some.index[some.duplicated(key)]
    if len(twice):
        raise InputError(
            f"the table {name} has two rows of one {', '.join(key)} (the second is row "
            f"{twice[0]}); drop one of them"
        )
    for column in ("unit", "sender", "receiver"):
        if column in table:
            _check_labels(name, table, column, [(label,) for label in table[column]])
    if "layer" in table:
        units = {label: Unit.parse(label) for label in table["unit"].unique()}
        layer = table["unit"].map({label: unit.layer for label, unit in units.items()})
        head = table["unit"].map(
            {label: -1 if unit.head is None else unit.head for label, unit in units.items()}
        )
        _refuse(name, table, "layer", table["layer"] != layer, "is that of the unit")
        _refuse(name, table, "head", table["head"] != head, "is that of the unit, -1 for an MLP")
    if "removed" in table:
        labels = [tuple(filter(None, text.split("+"))) for text in table["removed"]]
        _check_labels(name, table, "removed", labels)
        n = pd.Series([len(some) for some in labels], table.index)
        counts = table["group"].map({"none": 0, "single": 1, "pair": 2}).fillna(n.clip(lower=1))
        _refuse(name, table, "removed", n != counts, "names as many units as its group has")


def _check_labels(
    name: str, table: pd.DataFrame, column: str, labels: Sequence[tuple[str, ...]]
) -> None:
    """Check that all labels are units."""
    bad = {label for label in set().union(*labels) if not _is_unit(label)} if labels else set()
    wrong = np.array([bool(bad & {*some}) for some in labels], dtype=bool)
    _refuse(name, table, column, wrong, "names units, such as L4H0 or L4MLP")


def _is_unit(label: str) -> bool:
    try:
        return str(Unit.parse(label)) == label
    except InputError:
        return False


def _check_cases(name: str, table: pd.DataFrame) -> None:
    """Check that all systems have in-domain cases, and full models the cases of subnetworks."""
    systems = [*SYSTEM] + (["forbidden", "heads"] if name == "disjoint" else [])
    without = (table["role"] != "id").groupby([table[c] for c in systems]).transform("all")
    _refuse(name, table, "role", without, "has to be id in some rows of every model and subnetwork")
    full = table[table["kind"] == "full"]
    models = _pairs(table, [*MODEL]).isin(_pairs(full, [*MODEL]))
    cases = _pairs(table, [*MODEL, *_CASE]).isin(_pairs(full, [*MODEL, *_CASE]))
    rule = "has to be among those that the subnetwork's full model has rows of"
    _refuse(name, table, "case", models & ~cases, rule)


def _pairs(table: pd.DataFrame, columns: Iterable[str]) -> pd.Series:
    """Give each row's values in some columns as one value."""
    return pd.Series(list(zip(*(table[column] for column in columns), strict=True)), table.index)


def _check_units(tables: Mapping[str, pd.DataFrame]) -> None:
    """Check that all subnetworks are of the same units."""
    known: set[str] = set()
    for name in ("subnetworks", "grid_subnetworks"):
        for system, rows in tables[name].groupby([*SYSTEM]):
            units = {*rows["unit"]}
            known = known or units
            if units != known:
                some = min(units ^ known)
                raise InputError(
                    f"the table {name} has the unit {some} in some subnetworks and not in others, "
                    f"such as seed {system[-1]} at sparsity {system[-2]:g}; give every subnetwork "
                    "a row of each unit of the model, kept or not"
                )


def _check_removals(name: str, table: pd.DataFrame) -> None:
    """Check that every removal was measured on the cases of the full model, all of them."""
    answers = [*MODEL, "head"]
    of_full = table[table["group"] == "none"]
    full = _pairs(of_full, [*answers, *_CASE])
    rule = "has to have a row of the full model (group none) in every case"
    _refuse(name, table, "group", ~_pairs(table, [*answers, *_CASE]).isin(full), rule)
    # As the cases are among the full model's, they are the same if they are as many.
    cases = _pairs(table, answers).map(_pairs(of_full, answers).value_counts())
    n = table.groupby(_REMOVAL)["case"].transform("size")
    _refuse(name, table, "removed", n < cases, "has to have a row in every case")
    if name == "removal":
        without = (table["role"] != "id").groupby([table[c] for c in answers]).transform("all")
        _refuse(name, table, "role", without, "has to be id in some rows")


def _check_areas(removal: pd.DataFrame, areas: pd.DataFrame) -> None:
    """Check that where areas under the curve were measured, they were of every removal."""
    answers = [*MODEL, "head"]
    both = _pairs(removal, answers).isin(_pairs(areas, answers))
    missing = both & ~_pairs(removal, _REMOVAL).isin(_pairs(areas, _REMOVAL))
    rule = "has to have rows in removal_discrimination where others of its model have"
    _refuse("removal", removal, "removed", missing, rule)
