"""Tables of the published study's page about the set of faithful subnetworks."""

from __future__ import annotations

from collections.abc import Sequence

from heuristic_core.published.markdown import to_markdown
from heuristic_core.report.tables import cell, heading
from published_tables import DECLARED, Arms


def least_overlap(arms: Arms) -> str:
    """Write a table of overlap and fidelity as subnetworks repel each other."""
    names = ["repel", "n", "divergence", "faithful", "jaccard", "expected", "shared"]
    return listed(arms, "repulsion", [*names, "expected_shared", "members"])


def needed_heads(arms: Arms) -> str:
    """Write a table of the core by frequency beside the core by necessity."""
    return listed(arms, "cores", ["core", "needed", "both", "jaccard", "members"])


def ranges(arms: Arms) -> str:
    """Write a table of how well subnetworks of equal fidelity generalise, by their aim."""
    names = ["aim", "n", "n_faithful", "divergence", "in_domain", "aimed_auc", "held_out_auc"]
    return listed(arms, "generalisation-range", names)


def passed_tests(arms: Arms) -> str:
    """Write a table of the subnetworks that pass each test of validity."""
    names = ["test", "drawn", "passed", "n", "value", "random", "random_low", "random_high", "p"]
    return listed(arms, "validity-tests", names)


def listed(arms: Arms, table: str, names: Sequence[str]) -> str:
    """Write some columns of a question's table, with the rows of all arms that have it, if any.

    Args:
        arms: The arms' results by name.
        table: The name of the table.
        names: The names of the columns.
    """
    columns = [DECLARED[table][name] for name in names]
    rows = [
        [arm, *(cell(column, row) for column in columns)]
        for arm, results in arms.items()
        for row in results.conclusions.tables[table].to_dict("records")
    ]
    return to_markdown(["arm", *map(heading, columns)], rows) if rows else ""
