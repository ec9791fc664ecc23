"""What this program's questions give on the accuracies that the paper's authors published."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from heuristic_core.analysis import effective_size, ranks, smoothness, sparser, spread
from heuristic_core.analysis.conclusions import Conclusions, conclude
from heuristic_core.analysis.evidence import Evidence
from heuristic_core.analysis.questions import QUESTIONS
from heuristic_core.published.reader import read_published
from heuristic_core.storage import read_table, write_table
from published_tables import with_accuracy

#: Points of in-domain accuracy within which a subnetwork matches.
_MARGIN = 3.0
_TASK = "task"
_OF_TWELVE = (spread.QUESTION, ranks.QUESTION)


def keep_authors(folder: Path, place: Path) -> None:
    """Keep the verdicts on the authors' accuracies, and how accurate their full models are.

    Args:
        folder: The authors' files.
        place: Where the two tables go.
    """
    verdicts, accuracies = [], []
    for task, published in read_published(folder).items():
        twelve = pd.concat(published.twelve.values())
        drawn = [
            conclude(Evidence({name: table}, margin_points=_MARGIN), questions).verdicts
            for name, table, questions in (
                # Each sparsity has its own file, with the full model in it.
                *(("evaluations", some, _OF_TWELVE) for some in published.twelve.values()),
                ("evaluations", twelve, (sparser.QUESTION,)),
                ("grid", published.by_sparsity, (smoothness.QUESTION,)),
                ("grid", published.grid, (effective_size.QUESTION,)),
            )
        ]
        verdicts.append(pd.concat(drawn).assign(**{_TASK: task}))
        full = with_accuracy(twelve[twelve["kind"] == "full"]).drop_duplicates("case")
        kinds = full["case_kind"].mask(full["role"] == "id", "in-domain")
        means = full.groupby(kinds)["accuracy"].mean().rename_axis("part").reset_index()
        accuracies.append(means.assign(**{_TASK: task}))
    write_table(place / "verdicts.parquet", pd.concat(verdicts, ignore_index=True))
    write_table(place / "accuracies.parquet", pd.concat(accuracies, ignore_index=True))


def authors_conclusions(place: Path) -> dict[str, Conclusions]:
    """Read the kept verdicts, by task."""
    empty = {table.name: table.empty() for question in QUESTIONS for table in question.tables}
    by_task = read_table(place / "verdicts.parquet").groupby(_TASK)
    return {
        str(task): Conclusions(some.drop(columns=_TASK).reset_index(drop=True), empty)
        for task, some in by_task
    }


def authors_accuracies(place: Path) -> pd.Series:
    """Read the kept accuracies of the full models, by task and kind of case."""
    return read_table(place / "accuracies.parquet").set_index([_TASK, "part"])["accuracy"]
