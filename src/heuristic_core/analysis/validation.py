"""What the analyses rely on in their tables, checked before any of them starts."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from numbers import Real

import numpy as np
import pandas as pd

from ..columns import Table
from ..errors import InputError, expect_known, expect_whole, one_line
from ..tables import MODEL_NAMES, REMOVED_NAMES, SYSTEM_NAMES, TABLES
from ..units import Unit
from .accuracies import CASE

_READ = [*MODEL_NAMES, "readout"]


def check_settings(margin_points: float, seed: int) -> None:
    """Make sure that a margin and a seed can be used.

    Raises:
        InputError: If not.
    """
    given = one_line(repr(margin_points), 40)
    is_number = isinstance(margin_points, Real) and not isinstance(margin_points, bool)
    if not is_number or not 0 < margin_points < math.inf:
        raise InputError(f"margin_points is {given}; give a finite number of points above 0")
    expect_whole("seed", seed)


def check_tables(given: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Make sure that tables hold what the analyses rely on.

    Args:
        given: Tables by the names in ``tables.TABLES``.

    Returns:
        All tables by name, with the declared columns and types; those that were not given have no
        rows.

    Raises:
        InputError: If a table is unknown, lacks a column or a row, or holds a value that it
            cannot; the message names the table, the column and what to do.
    """
    expect_known("table of measurements", given, TABLES)
    tables = {
        name: table.check(given[name]) if name in given else table.empty()
        for name, table in TABLES.items()
    }
    for name, frame in tables.items():
        _check_rows(TABLES[name], frame)
    for name in ("evaluations", "grid", "disjoint"):
        _check_cases(TABLES[name], tables[name])
    for name, of in (("predictions", "evaluations"), ("grid_predictions", "grid")):
        _check_predictions(TABLES[name], tables[name], tables[of])
    _check_units(tables)
    for name in ("removal", "removal_discrimination"):
        _check_removals(TABLES[name], tables[name])
    for column, size in (("scores", "n"), ("friendly_scores", "n_friendly")):
        name = "removal_discrimination"
        _check_scores(TABLES[name], tables[name], column, size)
    _check_aurocs(tables["removal"], tables["removal_discrimination"])
    return tables


def _check_rows(table: Table, frame: pd.DataFrame) -> None:
    """Check what the columns of a row say together."""
    if "role" in frame:
        table.refuse(frame, "correct", frame["correct"] > frame["n"], "is at most n")
        wrong = (frame["role"] == "id") != (frame["case_kind"] == "id")
        table.refuse(frame, "case_kind", wrong, "is id where the role is, and nowhere else")
        kinds = frame.groupby(CASE)["case_kind"].transform("nunique") > 1
        table.refuse(frame, "case_kind", kinds, "is the same in all rows of a case")
    if "worst_n" in frame:
        known = frame[["worst_label", "worst_n", "worst_correct"]].notna().sum(axis=1)
        rule = "is missing where the other numbers of the worst group are, and nowhere else"
        table.refuse(frame, "worst_n", ~known.isin([0, 3]), rule)
    if "kind" in frame:
        full = frame["kind"] == "full"
        for column, value in (("method", ""), ("sparsity", 0.0), ("seed", -1)):
            wrong = full & (frame[column] != value)
            table.refuse(frame, column, wrong, f"is {value!r} for a full model")
    # A subnetwork that was left no head may be the same as its control, which has none.
    table.check_key(frame[frame["heads"] > 0] if table.name == "disjoint" else frame)
    for column in ("unit", "sender", "receiver"):
        if column in frame:
            _check_labels(table, frame, column, [(label,) for label in frame[column]])
    if "layer" in frame:
        units = frame["unit"].map(Unit.parse)
        layer = [unit.layer for unit in units]
        head = [-1 if unit.head is None else unit.head for unit in units]
        table.refuse(frame, "layer", frame["layer"] != layer, "is that of the unit")
        table.refuse(frame, "head", frame["head"] != head, "is that of the unit, -1 for an MLP")
    if "removed" in frame:
        labels = [tuple(filter(None, text.split("+"))) for text in frame["removed"]]
        _check_labels(table, frame, "removed", labels)
        n = pd.Series([len(some) for some in labels], frame.index)
        counts = frame["group"].map({"none": 0, "single": 1, "pair": 2}).fillna(n.clip(lower=1))
        table.refuse(frame, "removed", n != counts, "names as many units as its group has")


def _check_labels(
    table: Table, frame: pd.DataFrame, column: str, labels: Sequence[tuple[str, ...]]
) -> None:
    bad = {label for label in set().union(*labels) if not _is_unit(label)} if labels else set()
    wrong = np.array([bool(bad & {*some}) for some in labels], dtype=bool)
    table.refuse(frame, column, wrong, "names units, such as L4H0 or L4MLP")


def _is_unit(label: str) -> bool:
    try:
        return str(Unit.parse(label)) == label
    except InputError:
        return False


def _check_cases(table: Table, frame: pd.DataFrame) -> None:
    """Check that all systems have in-domain cases, and full models the cases of subnetworks."""
    systems = [*SYSTEM_NAMES] + (["forbidden", "heads"] if table.name == "disjoint" else [])
    without = (frame["role"] != "id").groupby([frame[c] for c in systems]).transform("all")
    rule = "has to be id in some rows of every model and subnetwork"
    table.refuse(frame, "role", without, rule)
    full = frame[frame["kind"] == "full"]
    models = _tuples(frame, MODEL_NAMES).isin(_tuples(full, MODEL_NAMES))
    cases = _tuples(frame, [*MODEL_NAMES, *CASE]).isin(_tuples(full, [*MODEL_NAMES, *CASE]))
    rule = "has to be among those that the subnetwork's full model has rows of"
    table.refuse(frame, "case", models & ~cases, rule)


def _check_predictions(table: Table, frame: pd.DataFrame, evaluations: pd.DataFrame) -> None:
    """Check that single examples add up to the numbers of their case, and that scores are whole."""
    counted = [int(np.unpackbits(np.frombuffer(x, np.uint8)).sum()) for x in frame["correct"]]
    named = [*SYSTEM_NAMES, *CASE, "n", "correct"]
    known, given = _tuples(frame.assign(correct=counted), named), _tuples(evaluations, named)
    n = frame["n"]
    sizes = frame["correct"].map(len) != (n + 7) // 8
    table.refuse(frame, "correct", sizes, "has a bit for each of n examples")
    rule = "adds up to the n and correct of the same system and case in the evaluations"
    table.refuse(frame, "correct", ~known.isin(given), rule)
    _check_scores(table, frame, "scores", "n")


def _check_scores(table: Table, frame: pd.DataFrame, column: str, size: str) -> None:
    """Check that packed scores are of as many examples as a column says."""
    scored = frame[column].map(lambda x: len(x) if isinstance(x, bytes) else -1)
    wrong = (scored != 2 * frame[size]) & (scored >= 0)
    table.refuse(frame, column, wrong, "has two bytes per example")


def _tuples(frame: pd.DataFrame, columns: Iterable[str]) -> pd.Series:
    """Return each row's values in some columns as one value."""
    return pd.Series(list(zip(*(frame[column] for column in columns), strict=True)), frame.index)


def _check_units(tables: Mapping[str, pd.DataFrame]) -> None:
    """Check that all subnetworks are of the same units."""
    known: set[str] = set()
    for name in ("subnetworks", "grid_subnetworks", "repelled"):
        of = [*(["repel"] if name == "repelled" else []), *SYSTEM_NAMES]
        for system, rows in tables[name].groupby(of):
            units = {*rows["unit"]}
            known = known or units
            if units != known:
                some = min(units ^ known)
                raise InputError(
                    f"the table {name} has the unit {some} in some subnetworks and not in others, "
                    f"such as seed {system[-1]} at sparsity {system[-2]:g}; give every subnetwork "
                    "a row of each unit of the model, kept or not"
                )


def _check_removals(table: Table, frame: pd.DataFrame) -> None:
    """Check that every removal was measured in all cases of the full model."""
    of_full = frame[frame["group"] == "none"]
    full = _tuples(of_full, [*_READ, *CASE])
    rule = "has to have a row of the full model (group none) in every case"
    table.refuse(frame, "group", ~_tuples(frame, [*_READ, *CASE]).isin(full), rule)
    # As the cases are among the full model's, they are the same if they are as many.
    cases = _tuples(frame, _READ).map(_tuples(of_full, _READ).value_counts())
    n = frame.groupby(REMOVED_NAMES)["case"].transform("size")
    table.refuse(frame, "removed", n < cases, "has to have a row in every case")
    if table.name == "removal":
        without = (frame["role"] != "id").groupby([frame[c] for c in _READ]).transform("all")
        table.refuse(frame, "role", without, "has to be id in some rows")


def _check_aurocs(removal: pd.DataFrame, aurocs: pd.DataFrame) -> None:
    """Check that if AUROCs were measured, they were measured for every removal."""
    both = _tuples(removal, _READ).isin(_tuples(aurocs, _READ))
    missing = both & ~_tuples(removal, REMOVED_NAMES).isin(_tuples(aurocs, REMOVED_NAMES))
    rule = "has to have rows in removal_discrimination where others of its model have"
    TABLES["removal"].refuse(removal, "removed", missing, rule)
