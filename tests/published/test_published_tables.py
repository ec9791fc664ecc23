"""The tables of the published study's page, on tables whose means are known."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest

from heuristic_core.report.wording import SPACE
from published_parts import with_parts
from published_sections import curve, removals, sizes
from published_short import _low_in_short, _model_in_short
from published_study import kept
from published_tables import costs, with_accuracy

SWAP, CLAUSE, FRIENDLY = "ln_subject/object_swap", "ln_relative_clause", "le_passive"


@pytest.fixture(scope="module")
def augmented():
    """The kept arm that was trained on pairs of some cases, of which SWAP is one."""
    return kept()["augmented"]


def rows_of(table: str) -> list[list[str]]:
    lines = table.replace(SPACE, "").splitlines()
    return [[cell.strip() for cell in line[1:-1].split("|")] for line in lines]


def evaluated(results, rows) -> pd.DataFrame:
    """Rows of (checkpoint, sparsity, seed, case, correct of 10), in the form of an evaluation."""
    kinds = results.measured["evaluations"].drop_duplicates("case").set_index("case")
    table = pd.DataFrame(rows, columns=["checkpoint", "sparsity", "seed", "case", "correct"])
    for column in ("suite", "role", "case_kind"):
        table[column] = table["case"].map(kinds[column])
    return table.assign(n=10)


def test_the_curve_is_of_the_last_checkpoint_and_of_parts(augmented):
    last = [
        *[(4000, 0.0, -1, case, n) for case, n in [("mnli", 8), ("mnli-mismatched", 6)]],
        *[(4000, 0.0, -1, case, n) for case, n in [(SWAP, 9), (CLAUSE, 1), (FRIENDLY, 10)]],
        *[(4000, 0.3, seed, SWAP, n) for seed, n in [(1, 2), (2, 6)]],
    ]
    grid = evaluated(augmented, [*last, *[(500, 0.0, -1, row[3], 0) for row in last]])
    some = replace(augmented, measured={**augmented.measured, "grid": grid})
    heading, _, *rows = rows_of(curve({"arm": some}))
    by_part = {row[1]: dict(zip(heading[2:], row[2:], strict=True)) for row in rows}
    assert list(by_part) == ["in-domain", "seen adversarial", "unseen adversarial", "friendly"]
    assert [row["0%"] for row in by_part.values()] == ["70.0%", "90.0%", "10.0%", "100.0%"]
    assert by_part["seen adversarial"]["30%"] == "40.0%"
    assert by_part["friendly"]["30%"] == ""


def test_removals_are_of_heads_of_the_core_and_of_others(augmented):
    lines = [
        ("none", -1, "", 10),
        *[("single", -1, head, n) for head, n in [("L0H0", 4), ("L0H1", 6), ("L1H0", 9)]],
        ("single", -1, "L0MLP", 0),
        ("core", -1, "L0H0+L0H1", 1),
        *[("control", draw, f"L1H{draw}+L1H3", n) for draw, n in [(0, 7), (1, 8)]],
    ]
    table = pd.concat(
        evaluated(augmented, [(4000, 0.0, -1, SWAP, n)]).assign(
            readout=readout, group=group, draw=draw, removed=removed
        )
        for group, draw, removed, n in lines
        # The page's table leaves out the probe on the encoder.
        for readout, n in [("model", n), ("probe", 0)]
    )
    some = replace(augmented, measured={**augmented.measured, "removal": table})
    heading, _, *rows = rows_of(removals({"arm": some}))
    column = heading.index(f"`{SWAP}`")
    assert {row[1]: row[column] for row in rows} == {
        "nothing": "100.0%",
        "one head of the core": "50.0% (40.0% to 60.0%)",
        "one other head": "90.0%",
        "the core (2 heads)": "10.0%",
        "as many others of its layers": "75.0% (70.0% to 80.0%)",
    }
    assert {row[heading.index("friendly")] for row in rows} == {""}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "60 [40, 80]"),
        ({"n_failed": 1}, "60 [40, 80], 1 of 3 none"),
        ({"n_failed": 3}, "none"),
        ({"meaningful": False}, "–"),
    ],
)
def test_sizes_say_where_there_is_none(augmented, changes, said):
    size = {"size": 60.0, "size_low": 40.0, "size_high": 80.0}
    row = {"checkpoint": 500, "n_seeds": 3, "n_failed": 0, "meaningful": True} | size | changes
    rows = pd.DataFrame([{"data": data} | row for data in ("in-domain", "balanced")])
    tables = {**augmented.conclusions.tables, "effective-size": rows}
    some = replace(augmented, conclusions=replace(augmented.conclusions, tables=tables))
    parts = {"arm, unseen": some, "arm, seen": some}
    # In-domain data are the same of both parts.
    assert rows_of(sizes(parts))[2:] == [
        ["arm", "in-domain", said],
        ["arm, unseen", "balanced", said],
        ["arm, seen", "balanced", said],
    ]


def test_a_model_in_short_keeps_seen_cases_apart(augmented):
    right = [("mnli", 8), (SWAP, 10), (CLAUSE, 2), (FRIENDLY, 4)]
    table = evaluated(
        augmented,
        [
            *[(4000, 0.0, -1, case, n) for case, n in right],
            *[(4000, 0.5, seed, FRIENDLY, n) for seed, n in [(1, 6), (2, 8)]],
        ],
    )
    table = with_parts(with_accuracy(table), augmented)
    full, pruned = table[table["sparsity"] == 0], table[table["sparsity"] > 0]
    said = _model_in_short(full).replace(SPACE, "")
    assert "80.0% of `mnli`" in said
    assert "100.0% of seen adversarial cases, 20.0% of unseen adversarial cases" in said
    assert "The mean of unseen adversarial and friendly cases is 30.0%" in said
    low = _low_in_short(full, pruned).replace(SPACE, "")
    assert f"`{FRIENDLY}` (40.0%, with examples in training; subnetworks 70.0% at 50%" in low
    assert not _low_in_short(full[full["case"] != FRIENDLY], pruned)


def test_costs_stand_beside_forecasts_of_the_same_cells(augmented):
    cells = [
        {"name": f"search-k{k}-{k}abc", "kind": "search", "seconds": 60.0 * k, "examples": 5}
        for k in (1, 2)
    ]
    some = replace(augmented, manifest={**augmented.manifest, "cells": cells})
    *_, stage, whole = rows_of(costs({"arm": some}, {"arm": {"search-k1": 90.0}}))
    assert stage == ["arm", "search", "2", "10", "3.0", "1.5 for 1, which took 1.0"]
    assert whole[1:] == ["all", *stage[2:]]
