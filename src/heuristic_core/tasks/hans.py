"""Suites whose cases are the 30 subcases of HANS, from the data set or the grammar."""

from __future__ import annotations

import pandas as pd

from ..errors import unknown
from .grammar import SUBCASES, generate
from .labels import HANS_LABELS, NLI_TO_HANS
from .task import CaseKind, Examples, Suite

#: Generated pairs of each construction if no number is given: as many as HANS has.
HANS_PER_CASE = 1000

#: The overlap heuristics predict entailment, which is right on the entailed subcases only.
HANS_KINDS: dict[str, CaseKind] = {
    name: "friendly" if subcase.label == "entailment" else "adversarial"
    for name, subcase in SUBCASES.items()
}


def hans_suite(examples: Examples, per_case: int | None = None, seed: int = 0) -> Suite:
    """Make a suite of HANS examples, such as ``read_hans`` returns.

    Args:
        examples: Examples whose cases are HANS subcases.
        per_case: Examples of each subcase, at most; all if not given.
        seed: Seed of the sample.

    Returns:
        The suite ``hans``, on which the predictions neutral and contradiction count as
        non-entailment.

    Raises:
        InputError: If a case is not a HANS subcase.
    """
    for case in dict.fromkeys(examples.table["case"]):
        if case not in SUBCASES:
            raise unknown("HANS subcase", case, SUBCASES)
    return _suite("hans", examples.sample_per_case(per_case, seed))


def hans_grammar_suite(per_case: int | None = None, seed: int = 0) -> Suite:
    """Generate a suite of all 30 constructions from the grammar's test vocabulary.

    Args:
        per_case: Pairs of each construction; 1000, as in HANS, if not given.
        seed: Seed of the draw.

    Returns:
        The suite ``hans-grammar``.

    Raises:
        InputError: If the grammar has fewer pairs of a construction.
    """
    n = HANS_PER_CASE if per_case is None else per_case
    tables = [generate(name, n, seed=seed, split="test") for name in SUBCASES]
    table = pd.concat(tables, ignore_index=True)
    return _suite("hans-grammar", grammar_examples(table, table["subcase"].tolist()))


def grammar_examples(table: pd.DataFrame, case: list[str] | str) -> Examples:
    """Turn a table that the grammar generated into examples."""
    premise, hypothesis, label = (table[c].tolist() for c in ("premise", "hypothesis", "label"))
    return Examples.build(premise, hypothesis, label, case, HANS_LABELS)


def _suite(name: str, examples: Examples) -> Suite:
    cases = dict.fromkeys(examples.table["case"])
    kinds = {case: HANS_KINDS[case] for case in cases}
    groups = {case: SUBCASES[case].heuristic for case in cases}
    return Suite(
        name=name,
        role="ood",
        examples=examples,
        kinds=kinds,
        label_map=NLI_TO_HANS,
        groups=groups,
    )
