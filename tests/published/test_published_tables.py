"""The tables of the published study's page, on tables whose means are known."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest

from heuristic_core.analysis import necessity as necessity_question
from heuristic_core.analysis import repulsion
from heuristic_core.analysis.conclusions import conclude
from heuristic_core.analysis.evidence import Evidence
from heuristic_core.analysis.questions import QUESTIONS
from heuristic_core.report.wording import NOTHING, SPACE
from published_faithful import least_overlap, needed_heads, passed_tests, ranges
from published_parts import concluded_apart, seen_cases
from published_sections import curve, favoured_labels, over_sparsity, removals, sizes
from published_study import kept, pairs_tested
from published_tables import accuracies, costs, over_steps
from sets_by_hand import necessity, repelled, targeted

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


def test_the_curve_is_of_the_last_checkpoint_by_part(augmented):
    last = [
        *[(4000, 0.0, -1, case, n) for case, n in [("mnli", 8), ("mnli-mismatched", 6)]],
        *[(4000, 0.0, -1, case, n) for case, n in [(SWAP, 9), (CLAUSE, 1), (FRIENDLY, 10)]],
        *[(4000, 0.3, seed, SWAP, n) for seed, n in [(1, 2), (2, 6)]],
    ]
    grid = evaluated(augmented, [*last, *[(500, 0.0, -1, row[3], 0) for row in last]])
    some = replace(augmented, measured={**augmented.measured, "grid": grid})
    whole = over_sparsity(some)[0.0]
    assert whole.tolist() == pytest.approx([0.7, 0.9, 0.1, 1.0])
    assert list(whole.index) == ["in-domain", "seen adversarial", "unseen adversarial", "friendly"]
    heading, _, *rows = rows_of(curve({"arm": some}))
    by_part = {row[1]: dict(zip(heading[2:], row[2:], strict=True)) for row in rows}
    assert [row["0%"] for row in by_part.values()] == ["70.0", "90.0", "10.0", "100.0"]
    assert by_part["seen adversarial"]["30%"] == "40.0"
    assert by_part["unseen adversarial"]["30%"] == NOTHING


def test_removals_are_of_the_core_and_of_as_many_other_heads(augmented):
    lines = [
        ("none", -1, "", 10),
        ("single", -1, "L0H0", 4),
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
    heading, _, row = rows_of(removals({"arm": some}))
    found = dict(zip(heading, row, strict=True))
    assert found["heads of the core"] == "2"
    assert found["seen adversarial, %"] == "100.0 → 10.0 (75.0)"
    assert found["in-domain, %"] == found["friendly, %"] == ""


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "60 [40, 80]"),
        ({"n_failed": 1}, "60 [40, 80], 1 of 3 none"),
        ({"n_failed": 3}, "none"),
        ({"meaningful": False}, NOTHING),
    ],
)
def test_sizes_say_where_there_is_none(augmented, changes, said):
    size = {"size": 60.0, "size_low": 40.0, "size_high": 80.0}
    known = {"n_seeds": 3, "n_failed": 0, "meaningful": True} | size
    rows = [
        {"data": data, "checkpoint": step} | known | (changes if step == 500 else {})
        for data in ("in-domain", "adversarial", "balanced")
        for step in (500, 1000)
    ]
    tables = {**augmented.conclusions.tables, "effective-size": pd.DataFrame(rows)}
    some = replace(augmented, conclusions=replace(augmented.conclusions, tables=tables))
    # In-domain data are the same of both parts.
    assert rows_of(sizes({"arm, unseen": some, "arm, seen": some}))[2:] == [
        ["arm", "in-domain", said, "60 [40, 80]"],
        ["arm, unseen", "balanced", said, "60 [40, 80]"],
        ["arm, seen", "balanced", said, "60 [40, 80]"],
    ]


def test_data_without_any_meaningful_size_are_left_out(augmented):
    row = {"data": "balanced", "checkpoint": 500, "n_seeds": 3, "n_failed": 0, "meaningful": False}
    tables = {**augmented.conclusions.tables, "effective-size": pd.DataFrame([row])}
    some = replace(augmented, conclusions=replace(augmented.conclusions, tables=tables))
    assert rows_of(sizes({"arm": some}))[2:] == []


def test_accuracies_keep_seen_cases_and_systems_apart(augmented):
    table = evaluated(
        augmented,
        [
            *[(4000, 0.0, -1, case, n) for case, n in [("mnli", 8), (SWAP, 10), (CLAUSE, 2)]],
            *[(4000, 0.5, seed, FRIENDLY, n) for seed, n in [(1, 6), (2, 8)]],
            (500, 0.0, -1, FRIENDLY, 4),
        ],
    )
    measured = {**augmented.measured, "evaluations": table}
    arms = {"arm": replace(augmented, measured=measured)}
    heading, _, *rows = rows_of(accuracies(arms))
    full, pruned = (dict(zip(heading, row, strict=True)) for row in rows)
    assert (full["seen adversarial, %"], full["unseen adversarial, %"]) == ("100.0", "20.0")
    assert (full["mnli, %"], full["friendly, %"]) == ("80.0", "")
    assert (pruned["systems"], pruned["friendly, %"]) == ("2", "70.0 (60.0 to 80.0)")
    assert float(full["AUROC, seen adversarial"]) > float(full["AUROC, unseen adversarial"])
    heading, _, *rows = rows_of(over_steps(arms))
    assert [row[1] for row in rows] == ["500", "4,000"]
    assert [row[heading.index("friendly, %")] for row in rows] == ["40.0", ""]


def test_costs_stand_beside_forecasts_of_the_same_cells(augmented):
    cells = [
        {"name": f"search-k{k}-{k}abc", "kind": "search", "seconds": 3600.0 * k, "examples": 5}
        for k in (1, 2)
    ]
    cells.append({"name": "finetune-1", "kind": "finetune", "seconds": 1800.0, "examples": 7})
    some = replace(augmented, manifest={**augmented.manifest, "cells": cells})
    heading, _, row = rows_of(costs({"arm": some}, {"arm": {"search-k1": 5400.0}}))
    found = dict(zip(heading, row, strict=True))
    assert (found["fine-tuning"], found["everything after"]) == ("0.5 h", "3.0 h")
    assert (found["cells"], found["examples"]) == ("3", "17")
    assert found["cells with a forecast"] == "1.0 h, forecast 1.5"


@pytest.mark.parametrize("folder", ["studies/tasks", "tasks"])
def test_a_task_file_is_found_from_the_study_and_from_the_repository(augmented, folder):
    config = {"task": {"name": f"{folder}/mnli-hans-augmented.toml"}}
    some = replace(augmented, manifest={**augmented.manifest, "config": config})
    assert SWAP in seen_cases(some)
    assert CLAUSE not in seen_cases(some)


def test_sets_of_faithful_subnetworks_are_listed_by_arm(augmented):
    tables = {
        "repelled": repelled({0.0: [{"L0H0", "L0H1"}] * 2, 0.3: [{"L0H0", "L0H1"}, {"L0H0"}]}),
        "necessity": necessity({"L0H0", "L1H1"}, {"L0H0"}),
    }
    made = conclude(Evidence(tables), [repulsion.QUESTION, necessity_question.QUESTION])
    # An arm without these measurements has no row.
    none = conclude(Evidence({}), QUESTIONS)
    arms = {
        "with": replace(augmented, conclusions=made),
        "without": replace(augmented, conclusions=none),
    }
    heading, _, *rows = rows_of(least_overlap(arms))
    found = [dict(zip(heading, row, strict=True)) for row in rows]
    assert [row["arm"] for row in found] == ["with", "with"]
    assert [row["members"] for row in found] == ["L0H0 L0H1", "L0H0"]
    assert [row["Jaccard of heads"] for row in found] == ["1.00", "0.50"]
    heading, _, row = rows_of(needed_heads(arms))
    found = dict(zip(heading, row, strict=True))
    assert (found["core"], found["necessary"], found["both"]) == ("2", "1", "1")
    assert found["members"] == "L0H0"
    del arms["with"]  # only two questions were asked of it
    assert ranges(arms) == passed_tests(arms) == needed_heads(arms) == ""


def test_searches_with_aims_are_judged_on_all_cases_together(augmented):
    """Their errors are those of all held-out cases, so that none is left out of a part."""
    aimed = targeted({"well": [0.9, 0.92], "badly": [0.5, 0.52]})
    swap = aimed["targeted"].replace({"case": {"aswap": SWAP, "aprep": CLAUSE}})
    measured = augmented.measured | aimed | {"targeted": swap}
    parts = concluded_apart(replace(augmented, measured=measured))
    verdicts = [part.conclusions.verdicts for part in parts.values()]
    verdicts = [rows[rows["question"] == "generalisation_range"] for rows in verdicts]
    assert len(verdicts) == 2
    pd.testing.assert_frame_equal(*(some.reset_index(drop=True) for some in verdicts))


def test_units_that_favour_a_label_are_counted_and_named(augmented):
    made = pd.DataFrame(
        [
            {"readout": "model", "label": "entailment", "n": 2, "units": "L0H1 L2MLP"},
            {"readout": "model", "label": "non-entailment", "n": 0, "units": None},
            {"readout": "probe", "label": "entailment", "n": 1, "units": "L5H0"},
        ]
    )
    tables = augmented.conclusions.tables | {"label-bias": made}
    some = replace(augmented, conclusions=replace(augmented.conclusions, tables=tables))
    none = replace(
        some, conclusions=replace(some.conclusions, tables=tables | {"label-bias": made[:0]})
    )
    heading, _, first, second = rows_of(favoured_labels({"one": some, "none": none}))
    assert heading == ["arm", "units for entailment", "units for non-entailment"]
    assert first == ["one", "2: L0H1, L2MLP", "0"]
    assert second == ["none", "", ""]


def test_the_pairs_tested_are_those_that_the_task_file_asks_for(augmented):
    """2,500 of each of two development sets, and 200 of each of 30 cases."""
    assert pairs_tested(augmented) == 2 * 2500 + 30 * 200
