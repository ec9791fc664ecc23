"""The tables that `hcore evaluate` prints."""

from __future__ import annotations

from typing import Any

import pandas as pd
from rich import box
from rich.table import Table
from rich.text import Text


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
            "kind": group["case_kind"].iloc[0],
            "n": int(group["n"].iloc[0]),
            "full model": full.mean(),
        }
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


def with_majority(table: pd.DataFrame) -> pd.DataFrame:
    """Show the most frequent label and its share in one column, beside the accuracies."""
    labels = table["majority_label"]
    shown = [f"{share:.1%} {name}" for share, name in zip(table["majority"], labels, strict=True)]
    return table.drop(columns="majority_label").assign(majority=shown)


def rich_table(table: pd.DataFrame) -> Table:
    """Lay out a table for the terminal, shares as percentages."""
    rich = Table(box=box.SIMPLE_HEAD)
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
