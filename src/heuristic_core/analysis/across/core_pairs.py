"""Do two runs have the same core: of two models, or of two searches in one? (paper, finding 8)"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np

from ...columns import Column, Table
from ...tables import SUBJECT
from ..core_overlap import OVERLAP_COLUMNS, overlap_row, overlaps
from ..kept import Kept
from ..nulls import expected_jaccard
from ..pairs import jaccard
from ..question import Answer, Question, Row, Verdict, decide
from .runs import PAIR, Placed, Runs, apart, other_levels, pair_subject, shared_searches

(_SPARSITY,) = (column for column in SUBJECT if column.name == "sparsity")


def cores_of_models(runs: Runs) -> list[Answer]:
    """Ask of each two models of different runs whether they have mostly the same core.

    Args:
        runs: The runs.

    Returns:
        One answer for each pair of different models that one method searched in.
    """
    return _answers(list(runs.pairs(one_model=False)), OF_MODELS, "core-of-models")


def cores_of_searches(runs: Runs) -> list[Answer]:
    """Ask of each two runs of one model whether their searches find mostly the same core.

    Args:
        runs: The runs.

    Returns:
        One answer for each model and two searches of different runs.
    """
    return _answers(list(runs.pairs(one_model=True)), OF_SEARCHES, "core-of-searches")


def _answers(
    pairs: Sequence[tuple[Placed, Placed]], question: Question, table: str
) -> list[Answer]:
    compared = overlaps([(one.core, other.core) for one, other in pairs], question.claim)
    return [
        Answer(
            subject=pair_subject(one, other),
            verdict=_open(verdict, one, other, question),
            rows={table: [row, *_by_sparsity(one, other)]},
            caveat=_caveat(one, other, question),
        )
        for (one, other), (row, verdict) in zip(pairs, compared, strict=True)
    ]


def _open(verdict: Verdict, one: Placed, other: Placed, question: Question) -> Verdict:
    """Leave open what is said of one search twice."""
    n = shared_searches(one, other) if question is OF_SEARCHES else 0
    if not n:
        return verdict
    verb = "is" if n == 1 else "are"
    held = f"{n} of the searches {verb} in both runs, which makes no second core"
    return decide(question.claim, "", open_because=held)


def _caveat(one: Placed, other: Placed, question: Question) -> str:
    texts = [other_levels(one, other)]
    if question is OF_MODELS:
        texts.append(apart(one, other))
    elif one.core.method == other.core.method:
        seeds = (set(p.core.kept.table.index.get_level_values("seed")) for p in (one, other))
        if set.intersection(*seeds):
            texts.append(
                "Searches of one method and one seed draw the same random numbers, which both "
                "cores may owe their overlap to."
            )
    return " ".join(filter(None, texts))


def _by_sparsity(one: Placed, other: Placed) -> Iterator[Row]:
    """Compare what both found at each sparsity that both searched; nothing is tested."""
    for level in sorted(set(one.sparsities) & set(other.sparsities)):
        cores = one.at(level), other.at(level)
        if cores[0] is not None and cores[1] is not None:
            row = overlap_row(cores[0], cores[1])
            between = _between(cores[0].kept, cores[1].kept)
            yield (
                row
                | {"sparsity": level}
                | dict(zip(("between", "between_by_chance"), between, strict=True))
            )


def _between(one: Kept, other: Kept) -> tuple[float, float]:
    """Compute the mean Jaccard index of a subnetwork of each, and that expected in layers."""
    sets = np.concatenate([one.masks, other.table[list(one.heads)].to_numpy()])
    counts, n = one.counts(sets), len(one.masks)
    expected = [
        expected_jaccard(one.pools, counts[[i, j]]) for i in range(n) for j in range(n, len(sets))
    ]
    return float(jaccard(sets)[:n, n:].mean()), float(np.mean(expected))


def _table(name: str, about: str, title: str) -> Table:
    columns = (column for column in OVERLAP_COLUMNS if column.name != "p")
    return Table(
        name,
        about,
        _SPARSITY,
        *columns,
        Column(
            "p",
            "the larger of both p-values, Holm-corrected over all pairs compared; missing for "
            "single sparsities, which are not tested",
            title="p",
            form="probability",
            optional=True,
        ),
        Column(
            "between",
            "mean Jaccard index of the heads of two subnetworks, one of each run",
            title="subnetworks",
            optional=True,
            low=0,
            high=1,
        ),
        Column(
            "between_by_chance",
            "the same if each kept its number of heads in every layer at random",
            title="subnetworks by chance",
            optional=True,
            low=0,
            high=1,
        ),
        title=title,
    )


_question = partial(Question, page="across-runs", subject=PAIR, needs=("subnetworks",))

OF_MODELS = _question(
    key="core_of_models",
    asks="Do the models of different runs have the same core?",
    claim="the cores of the two models are mostly the same heads",
    source="finding 8",
    answer=cores_of_models,
    tables=(
        _table(
            "core-of-models",
            "What the cores of two models of different runs have in common, over all sparsities "
            "and at each.",
            "The cores of two models",
        ),
    ),
    limits=(
        "Heads are matched by layer and number, which means something only for models that start "
        "from the same pretrained weights.",
        "Why two cores overlap: the pretrained model, the search or the data may be the reason. A "
        "run of another method, or of the method random, separates these.",
        "Cores that different methods found in different models are not compared: the difference "
        "could be that of the methods.",
    ),
)
OF_SEARCHES = _question(
    key="core_of_searches",
    asks="Do different searches find the same core in one model?",
    claim="the two searches find mostly the same core heads in one model",
    answer=cores_of_searches,
    tables=(
        _table(
            "core-of-searches",
            "What the cores that two runs found in one model have in common, over all sparsities "
            "and at each.",
            "The cores of two searches in one model",
        ),
    ),
    limits=(
        "The searches may have learned from the same examples. What they share may be due to "
        "these.",
    ),
)
