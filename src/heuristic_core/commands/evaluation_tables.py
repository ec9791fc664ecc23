"""The tables that `hcore evaluate` prints."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
from rich import box
from rich.table import Table
from rich.text import Text

from ..analysis.intervals import wilson
from ..errors import one_line

#: The columns of ``with_worst``.
WORST = ("worst_label", "worst_n", "worst_correct")


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """Return for each case the full model's accuracy and the range over subnetworks."""
    last = table["checkpoint"].max()
    rows = []
    for (suite, case), group in table[table["checkpoint"] == last].groupby(
        ["suite", "case"], sort=False
    ):
        full = group[group["kind"] == "full"]["accuracy"]
        row: dict[str, Any] = {
            "suite": suite,
            "case": case,
            "case_kind": group["case_kind"].iloc[0],
            "n": int(group["n"].iloc[0]),
            "full model": full.mean(),
        }
        # Of several fine-tunings, the group that one of them answers worst.
        counted = group[(group["kind"] == "full") & group["worst_n"].notna()]
        if len(counted):
            share = counted["worst_correct"] / counted["worst_n"]
            row |= counted.loc[share.idxmin(), list(WORST)].to_dict()
        subnetworks = group[group["kind"] == "subnetwork"]
        for sparsity, some in subnetworks.groupby("sparsity"):
            accuracy = some["accuracy"]
            row |= {
                f"{sparsity:.0%} min": accuracy.min(),
                f"{sparsity:.0%} mean": accuracy.mean(),
                f"{sparsity:.0%} max": accuracy.max(),
            }
        rows.append(row)
    return pd.DataFrame(rows)


def evaluation_record(
    cases: pd.DataFrame,
    ablation: str | None,
    models: list[dict[str, Any]],
    table: Path | None = None,
) -> dict[str, Any]:
    """Return what is printed as JSON, of a run and of a model alike.

    Args:
        cases: A row per case, and per model where several are listed.
        ablation: What dropped units' outputs become; ``None`` where none is dropped.
        models: Where each model is, its seed of fine-tuning and step where it is a run's, and
            whether its head is new.
        table: The file with a row per system and case, where one is written.
    """
    return {
        "table": None if table is None else str(table),
        "ablation": ablation,
        "models": models,
        "cases": with_worst(cases).to_dict("records"),
    }


def with_majority(table: pd.DataFrame) -> pd.DataFrame:
    """Show the most frequent label and its share in one column, beside the accuracies."""
    labels = table["majority_label"]
    shown = [f"{share:.1%} {name}" for share, name in zip(table["majority"], labels, strict=True)]
    return table.drop(columns="majority_label").assign(majority=shown)


def with_worst(table: pd.DataFrame) -> pd.DataFrame:
    """Add the accuracy of each case's worst group and its Wilson interval.

    Returns:
        The table with the columns worst_accuracy, worst_low and worst_high after worst_correct.
    """
    if WORST[0] not in table:
        return table
    found = [
        wilson(int(row.worst_correct), int(row.worst_n)) for row in table.itertuples(index=False)
    ]
    table, place = table.copy(), table.columns.get_loc(WORST[-1]) + 1
    ends = {"worst_accuracy": "value", "worst_low": "low", "worst_high": "high"}
    for i, (name, part) in enumerate(ends.items()):
        table.insert(place + i, name, [getattr(estimate, part) for estimate in found])
    return table


def shown_worst(table: pd.DataFrame) -> pd.DataFrame:
    """Show the worst group of each case in one column: its label, accuracy and number."""
    if WORST[0] not in table:
        return table
    shown = [
        f"{correct / n:.1%} {label} (n {n})"
        for label, n, correct in table[list(WORST)].itertuples(index=False)
    ]
    hidden = [name for name in table.columns if name.startswith("worst_")]
    place = table.columns.get_loc(WORST[0])
    table = table.drop(columns=hidden)
    table.insert(min(place, len(table.columns)), "worst label", shown)
    return table


def worst_lines(table: pd.DataFrame, of: str = "") -> Iterator[str]:
    """Say in a line for each suite which of its groups is answered worst.

    Args:
        table: A row per suite and case, with the columns of ``WORST``.
        of: Whose answers these are.
    """
    if WORST[0] not in table:
        return
    known = table.assign(share=table["worst_correct"] / table["worst_n"])
    known = known.sort_values(["share", "worst_n"], ascending=[True, False], kind="stable")
    for row in known.drop_duplicates("suite").itertuples(index=False):
        group = wilson(int(row.worst_correct), int(row.worst_n))
        yield (
            f"Worst group of {one_line(row.suite, 80)}{of}: {row.case}, {row.worst_label}: "
            f"{group.value:.1%} of {row.worst_n} (95% interval {group.low:.1%} to "
            f"{group.high:.1%})"
        )
    yield "A group is the examples of one case and label (Sagawa et al. 2020)."


def rich_table(table: pd.DataFrame) -> Table:
    """Lay out a table for the terminal, shares as percentages."""
    rich = Table(box=box.SIMPLE_HEAD)
    table = table.drop(columns="kl_se", errors="ignore")  # a further column would not fit
    for column in table.columns:
        # The ends of case names distinguish them, so they are not cut.
        rich.add_column(str(column), no_wrap=column == "case")
    for record in table.to_dict("records"):
        cells = []
        for name in table.columns:
            value = record[name]
            share = isinstance(value, float) and name not in ("kl", "margin")
            cells.append(f"{value:.1%}" if share else _short(value))
        rich.add_row(*map(Text, cells))  # names of cases are not markup
    return rich


def _short(value: Any) -> str:
    return f"{value:.4f}" if isinstance(value, float) else str(value)
