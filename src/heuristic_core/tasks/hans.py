"""HANS's 30 subcases as the cases of suites, from the data set or from the grammar."""

from __future__ import annotations

import pandas as pd

from ..errors import unknown
from .grammar import SUBCASES, generate
from .labels import HANS_LABELS, NLI_TO_HANS
from .task import CaseKind, Examples, Suite

#: How many pairs of each construction count as all of them where they are generated: HANS's own
#: number.
HANS_PER_CASE = 1000

#: The overlap heuristics say "entailment": they succeed on the entailed subcases and fail on the
#: others.
HANS_KINDS: dict[str, CaseKind] = {
    name: "friendly" if subcase.label == "entailment" else "adversarial"
    for name, subcase in SUBCASES.items()
}


def hans_suite(examples: Examples, per_case: int | None = None, seed: int = 0) -> Suite:
    """Make a suite of HANS examples, as ``read_hans`` gives them.

    Args:
        examples: Examples whose cases are HANS subcases.
        per_case: How many of each subcase; all if not given.
        seed: Which of them.

    Returns:
        The suite ``hans``, on which a three-way answer other than entailment counts as
        non-entailment.

    Raises:
        InputError: If a case is no HANS subcase.
    """
    for case in dict.fromkeys(examples.table["case"]):
        if case not in SUBCASES:
            raise unknown("HANS subcase", case, SUBCASES)
    if per_case is not None:
        examples = examples.sample_per_case(per_case, seed)
    return _suite("hans", examples)


def hans_grammar_suite(per_case: int | None = None, seed: int = 0) -> Suite:
    """Generate a suite of all 30 constructions from the grammar's test vocabulary.

    Args:
        per_case: How many pairs of each construction; 1000, as in HANS, if not given.
        seed: Which pairs.

    Returns:
        The suite ``hans-grammar``.

    Raises:
        InputError: If the grammar does not have that many pairs of a construction.
    """
    n = HANS_PER_CASE if per_case is None else per_case
    tables = [generate(name, n, seed=seed, split="test") for name in SUBCASES]
    table = pd.concat(tables, ignore_index=True)
    return _suite("hans-grammar", grammar_examples(table, table["subcase"].tolist()))


def grammar_examples(table: pd.DataFrame, case: list[str] | str) -> Examples:
    """Turn a table of the grammar into examples."""
    premise, hypothesis, label = (table[c].tolist() for c in ("premise", "hypothesis", "label"))
    return Examples.build(premise, hypothesis, label, case, HANS_LABELS)


def _suite(name: str, examples: Examples) -> Suite:
    cases = dict.fromkeys(examples.table["case"])
    kinds = {case: HANS_KINDS[case] for case in cases}
    groups = {case: SUBCASES[case].heuristic for case in cases}
    return Suite(name, "ood", examples, kinds, NLI_TO_HANS, groups)
