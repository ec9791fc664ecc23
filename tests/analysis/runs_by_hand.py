"""Runs to compare, made by hand."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from heuristic_core.analysis.across.runs import ComparedRun
from heuristic_core.analysis.evidence import Evidence
from heuristic_core.tables import VERDICTS
from tables_by_hand import evaluation, evaluations, found, subnetworks


def run(
    name: str,
    kept: Mapping[tuple[int, float], set[str]] | set[str],
    *,
    model: str = "",
    method: str = "learned",
    correct: Mapping[int, Mapping[str, int]] | None = None,
    n_layers: int = 4,
    n_heads: int = 6,
    **more,
) -> ComparedRun:
    """A run; of heads alone, six searches at one half keep these and one MLP of each."""
    if isinstance(kept, set):
        kept = {(seed, 0.5): kept | {f"L{seed % n_layers}MLP"} for seed in range(6)}
        kept = {key: some | {f"L0H{key[0] % n_heads}"} for key, some in kept.items()}
    units = subnetworks(kept, n_layers, n_heads).assign(method=method)
    tables = {"subnetworks": units}
    if correct is not None:
        rows = [evaluation(some, **found(seed)) for seed, some in correct.items()]
        full = evaluation(dict.fromkeys(next(iter(correct.values())), 90))
        tables["evaluations"] = evaluations(full, *rows)
    more.setdefault("verdicts", VERDICTS.empty())
    return ComparedRun(
        name=name,
        evidence=Evidence(tables | more.pop("tables", {})),
        models={1: model or f"model of {name}"},
        start="the same",
        **more,
    )


def verdict(question: str, claim: str, decision: str, **about) -> dict:
    """A row of a run's verdicts."""
    texts = dict.fromkeys(("measure", "reason", "power", "caveat"), "")
    return {"question": question, "claim": claim, "decision": decision} | texts | about


def verdicts(*rows: dict) -> pd.DataFrame:
    return VERDICTS.frame(rows)
