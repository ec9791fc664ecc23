"""The pipeline on a model whose answer is known: searches, and the tables that analyses read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

import heuristic_core as hc
from heuristic_core.analysis.evidence import Evidence
from heuristic_core.analysis.question import Answer
from heuristic_core.columns import Table
from heuristic_core.measure.attention import attention_patterns
from heuristic_core.measure.dependency import dependencies
from heuristic_core.measure.removal import removals
from heuristic_core.measure.removal_sets import Removal, matched_controls, pairs, singles
from heuristic_core.search.data import SearchData
from heuristic_core.study.kinds.evaluate import unit_rows
from heuristic_core.tables import (
    ATTENTION,
    DISJOINT,
    EVALUATIONS,
    MODEL_NAMES,
    REMOVAL,
    REMOVAL_DISCRIMINATION,
    SUBNETWORKS,
)
from heuristic_core.tasks.task import Task

#: Settings of the learned search that are enough for models of this size.
QUICK = {"ramp_steps": 60, "hold_steps": 8, "exchange_rounds": 3, "exchange_examples": 48}

ONE_MODEL = {"finetune_seed": 1, "checkpoint": 100}
FULL = ONE_MODEL | {"kind": "full", "method": "", "sparsity": 0.0, "seed": -1}

#: From cases to accuracies.
ALL_RIGHT = {"same": 1, "other": 1, "swapped": 1, "fronted": 1, "fronted_swapped": 1}
NO_ORDER = ALL_RIGHT | {"swapped": 0, "fronted_swapped": 0}
ALWAYS_NON_ENTAILMENT = ALL_RIGHT | {"same": 0, "fronted": 0}
ALWAYS_ENTAILMENT = NO_ORDER | {"other": 0}

#: Subnetworks by search seed and sparsity.
Found = dict[tuple[int, float], hc.Subnetwork]


def search(
    model: hc.Classifier,
    data: SearchData,
    sparsities: Sequence[float],
    seeds: Sequence[int],
    method: str = "learned",
    **options: Any,
) -> Found:
    """Search with each seed at each sparsity."""
    found = {}
    for seed in seeds:
        subnetworks = hc.find_subnetworks(
            model, data, sparsities, seed=seed, method=method, **options
        )
        found |= {(seed, s): sub for s, sub in zip(sparsities, subnetworks, strict=True)}
    return found


def subnetwork_table(found: Found) -> pd.DataFrame:
    """Rows as in ``tables.SUBNETWORKS``."""
    parts = [unit_rows(sub).assign(**_system(sub, *key)) for key, sub in found.items()]
    return SUBNETWORKS.conform(pd.concat(parts))


def evaluation_table(model: hc.Classifier, task: Task, found: Found) -> pd.DataFrame:
    """Rows as in ``tables.EVALUATIONS`` of the full model and of each subnetwork."""
    parts = [hc.evaluate(model, task).assign(**FULL)]
    for key, sub in found.items():
        rows = hc.evaluate(model, task, subnetwork=sub)
        parts.append(rows.assign(**_system(sub, *key)))
    return EVALUATIONS.conform(pd.concat(parts))


def disjoint_evidence(
    model: hc.Classifier, task: Task, pairs: dict, evaluated: pd.DataFrame
) -> Evidence:
    """Evaluate subnetworks without common heads beside the full model's rows of ``evaluated``.

    From (seed, sparsity) to a subnetwork and one that was found while its heads were forbidden;
    the control, which keeps no heads, is added.
    """
    parts = []
    for key, (other, sub) in pairs.items():
        bare = hc.Subnetwork(sub.space, sub.mlps, ablation=sub.ablation, values=sub.values)
        for one, forbidden in ((other, 0.0), (sub, 1.0), (bare, 1.0)):
            rows = hc.evaluate(model, task, subnetwork=one).assign(
                **_system(sub, *key),
                forbidden=forbidden,
                other_heads=len(other.heads),
                heads=len(one.heads),
                shared_heads=len(one.heads & other.heads),
                units=len(one),
            )
            parts.append(rows)
    return Evidence({"disjoint": DISJOINT.conform(pd.concat(parts)), "grid": evaluated})


def attention_evidence(model: hc.Classifier, task: Task, core: Iterable[str]) -> Evidence:
    """Measure attention, beside five subnetworks that keep a core, and each other MLPs."""
    kept = frozenset(map(hc.Unit.parse, core))
    mlps = [unit for unit in model.space if not unit.is_head]
    found = {}
    for seed in range(5):
        own = kept.union(mlp for i, mlp in enumerate(mlps) if seed >> i & 1)
        found[seed, 0.7] = hc.Subnetwork(model.space, own, provenance={"method": "by hand"})
    attention = named(attention_patterns(model, task.search), ATTENTION)
    return Evidence({"attention": attention, "subnetworks": subnetwork_table(found)})


def removal_evidence(
    model: hc.Classifier, task: Task, data: SearchData, core: Iterable[str]
) -> Evidence:
    """Measure the removals of every unit, the pairs of a core, the core and matched groups."""
    units = tuple(hc.Unit.parse(label) for label in sorted(core))
    controls, _ = matched_controls(model.space, units, 20, seed=0)
    sets = [*singles(model.space), *pairs(units), Removal("core", units), *controls]
    table, aurocs = removals(model, task.suites, sets, data.values)
    return Evidence(
        {
            "removal": named(table, REMOVAL),
            "removal_discrimination": named(aurocs, REMOVAL_DISCRIMINATION),
        }
    )


def without_auroc(evidence: Evidence) -> Evidence:
    """The same removals as if only margins had been measured."""
    return Evidence({"removal": evidence["removal"]})


def by_unit(answer: Answer, table: str) -> dict[str, dict]:
    """An answer's rows of a table by their unit."""
    return {row["unit"]: row for row in answer.rows[table]}


def counts(answer: Answer) -> dict[str, int]:
    """How many units have each role."""
    return {row["outcome"]: row["n"] for row in answer.rows["removal-outcomes"]}


def helping(answer: Answer) -> set[str]:
    """The units whose removal helps."""
    return {row["unit"] for row in answer.rows["unit-removal-outcomes"] if row["helps"]}


def all_edges(model: hc.Classifier, task: Task, data: SearchData) -> pd.DataFrame:
    """Between which heads something passes, on each path; smaller changes are rounding."""
    heads = dict.fromkeys(heads_of(model), "core")
    table = dependencies(
        model,
        task.suites,
        senders=heads,
        receivers=heads,
        values=data.values,
        margin_paths=(),
    )
    return table[table["change"] > 1e-3]


def ends(edges: pd.DataFrame) -> set[tuple[str, str, str]]:
    """Each edge's sender, receiver and the projection that reads."""
    return set(zip(edges["sender"], edges["receiver"], edges["reads"], strict=True))


def named(table: pd.DataFrame, declared: Table) -> pd.DataFrame:
    """Put the columns that name the model before a table of measurements."""
    assert not set(MODEL_NAMES) & set(table)
    return declared.conform(table.assign(**ONE_MODEL))


def accuracies(table: pd.DataFrame) -> dict[str, float]:
    """From each case to the accuracy on it."""
    return dict(zip(table["case"], table["correct"] / table["n"], strict=True))


def labels(units: object) -> set[str]:
    """The labels of some units."""
    return {str(unit) for unit in units}


def heads_of(model: hc.Classifier) -> list[str]:
    """The labels of all heads."""
    return [str(unit) for unit in np.array(model.space.units)[model.space.is_head]]


def _system(sub: hc.Subnetwork, seed: int, sparsity: float) -> dict[str, Any]:
    method = str(sub.provenance["method"])
    return ONE_MODEL | {
        "kind": "subnetwork",
        "method": method,
        "sparsity": sparsity,
        "seed": seed,
    }
