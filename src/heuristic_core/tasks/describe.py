"""A summary of a task: its sizes and a few examples."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from ..errors import one_line
from .task import Examples, Task

#: Characters of each text that are shown.
_SHOWN = 160


def describe(task: Task, n_examples: int = 2) -> dict[str, Any]:
    """Summarise a task, so that a wrong column, label or case is noticed.

    Args:
        task: The task.
        n_examples: Examples of each part to show, one of each label first.

    Returns:
        Plain values: ``name``, ``labels``, ``form`` (``pairs of texts`` or ``single texts``),
        ``cases`` (one entry per part and case, with its kind, group, size and label counts),
        ``examples`` by part, and ``notes``. Texts are free of control characters.
    """
    parts = {"train": task.train, "search": task.search}
    parts = {name: examples for name, examples in parts.items() if len(examples)}
    rows = [
        {"part": part, "case": "", "kind": "", "group": ""} | _counts(examples, examples.table)
        for part, examples in parts.items()
    ]
    for suite in task.suites:
        part = f"suite {suite.name} ({suite.role})"
        parts[part] = suite.examples
        grouped = suite.examples.table.groupby("case", sort=False)
        rows += [
            {
                "part": part,
                "case": str(case),
                "kind": suite.kind(str(case)),
                "group": "" if suite.role == "id" else suite.group(str(case)),
            }
            | _counts(suite.examples, table)
            for case, table in grouped
        ]
    return {
        "name": task.name,
        "labels": list(task.labels),
        "form": "pairs of texts" if task.suites[0].examples.is_pair else "single texts",
        "cases": rows,
        "examples": {part: _some(examples, n_examples) for part, examples in parts.items()},
        "notes": list(task.notes),
    }


def _counts(examples: Examples, table: pd.DataFrame) -> dict[str, Any]:
    n = table["label"].value_counts()
    return {"n": len(table), "labels": {label: int(n.get(label, 0)) for label in examples.labels}}


def _some(examples: Examples, n: int) -> list[dict[str, Any]]:
    """Choose a few examples, of as many labels as possible."""
    repeated = examples.table["label"].duplicated().to_numpy()
    rows = examples.table.iloc[np.argsort(repeated, kind="stable")[:n]]
    columns = ["text", "text_pair"] if examples.is_pair else ["text"]
    return [
        {
            "label": row["label"],
            "case": row["case"],
            "texts": [one_line(row[column], _SHOWN) for column in columns],
        }
        for row in rows.to_dict("records")
    ]
