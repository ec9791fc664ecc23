"""The models on the poster: the paper's, and those of the kept studies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from heuristic_core.report import Results
from heuristic_core.report.wording import percent
from heuristic_core.study.results import read_results
from published_authors import authors_accuracies, authors_conclusions
from published_parts import PARTS
from published_sections import apart, in_parts
from published_tables import Arms
from published_verdicts import Verdict, Verdicts, verdicts_of

#: Points of in-domain accuracy within which a subnetwork matches, in all studies.
MARGIN = 3.0
#: A column for each of these arms that is kept: its name, its data, and its folder.
COLUMNS = (
    ("MiniLM", "natural: MNLI and SNLI", "minilm-mnli-hans/natural"),
    ("MiniLM", "augmented: with 2,000 pairs of HANS", "minilm-mnli-hans/augmented"),
)


class Column(NamedTuple):
    """A model on the poster.

    Args:
        name: Its name.
        note: What it was fine-tuned on, or where its numbers come from.
        accuracies: How accurate it is, as lines.
        parts: Its verdicts by question, by the name of a part of its data, which may be empty.
        absent: What a cell says where nothing was measured.
    """

    name: str
    note: str
    accuracies: Sequence[str]
    parts: Mapping[str, Mapping[str, Sequence[Verdict]]]
    absent: str = "not measured"


def columns(place: Path, arms: Arms, verdicts: Verdicts) -> list[Column]:
    """Return the columns of the poster.

    Args:
        place: The folder of the study whose conclusions are drawn already.
        arms: Its arms.
        verdicts: The verdicts on them.
    """
    listed = [_authors(place.parent / "published")]
    for name, note, where in COLUMNS:
        folder = place.parent / where
        arm = folder.name
        if not folder.is_dir():
            continue
        if folder.parent == place:
            results, found = arms[arm], verdicts
        else:
            results = read_results(folder)
            drawn = {part: some.conclusions for part, some in apart({arm: results}).items()}
            found = verdicts_of(drawn, MARGIN)
        parts = {
            cases: by_key
            for part, by_key in found.items()
            for of, _, cases in [part.partition(", ")]
            if of == arm
        }
        listed.append(Column(name, note, _accuracies(results), parts))
    return listed


def _authors(place: Path) -> Column:
    """Return the column of the paper's models, whose accuracies were published."""
    of = authors_accuracies(place)
    tasks = verdicts_of(authors_conclusions(place), MARGIN)
    right, hard = (
        ", ".join(f"{percent(of[task, part])} of {data}" for task, data in names)
        for part, names in (
            ("in-domain", (("mnli", "MNLI"), ("qqp", "QQP"))),
            ("adversarial", (("mnli", "HANS"), ("qqp", "PAWS"))),
        )
    )
    return Column(
        "BERT-base",
        "the paper’s own accuracies",
        (f"right on {right}", f"hard pairs: {hard}"),
        {task.upper(): by_key for task, by_key in tasks.items()},
        "reported, not recomputed",
    )


def _accuracies(results: Results) -> list[str]:
    """Say how accurate the last full model is."""
    table = in_parts(results.measured["evaluations"], results)
    means = table[table["sparsity"] == 0].groupby("part", observed=True)["accuracy"].mean()
    adversarial = [part for part in PARTS[:2] if part in means]
    several = len(adversarial) > 1
    texts = [percent(means[p]) + (f" ({p.split()[0]})" if several else "") for p in adversarial]
    return [
        f"right on {percent(means['in-domain'])} of MNLI",
        f"hard pairs: {', '.join(texts)}" + ("" if several else " of HANS"),
    ]
