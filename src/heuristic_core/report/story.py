"""What was done, in one paragraph of plain words made from the numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from .results import Results
from .table import MODEL
from .tables.accuracies import sparsity_table
from .wording import SPACE, count, interval, known, level, listing, name


def story(results: Results) -> str:
    """Tell what was done and what the numbers are at large."""
    sentences = [_model(results), _searches(results), _tests(results.evaluations)]
    return " ".join([*filter(None, sentences), *_outcome(results)])


def outstanding(results: Results) -> str:
    """Say how many analyses that run the model have not been computed; empty if none."""
    counts = results.manifest.get("analyses")
    known_of = counts if isinstance(counts, Mapping) else {}
    measured, wanted = known_of.get("measured"), known_of.get("of")
    if not (isinstance(measured, int) and isinstance(wanted, int)) or measured >= wanted:
        return ""
    n = wanted - measured
    have, them = ("has", "it") if n == 1 else ("have", "them")
    return (
        f"{n} of {count(wanted, 'measurement')} that further analyses take from the model {have} "
        f"not been made; hcore analyze RUN makes {them}, RUN being the run's folder."
    )


def _model(results: Results) -> str:
    config = results.config
    source = name((config.get("model") or {}).get("source") or "a model", 60)
    task = name((config.get("task") or {}).get("name") or "its task", 60)
    size = _size(results)
    recipe = config.get("finetune")
    if not recipe:
        return f"The classifier {source}{size} was studied as it is, on the task {task}."
    seeds, steps = recipe.get("seeds") or [], recipe.get("steps")
    text = f"The model {source}{size} was fine-tuned on the task {task}"
    text += f" for {count(steps, 'step')}" if steps else ""
    if len(seeds) > 1:
        text += f", {len(seeds)} times with different seeds,"
    n = results.evaluations.loc[results.evaluations["kind"] == "full", "checkpoint"].nunique()
    return f"{text} and tested at {count(n, 'checkpoint')}." if n else f"{text}."


def _size(results: Results) -> str:
    model = results.manifest.get("model") or {}
    layers, heads = model.get("num_hidden_layers"), model.get("num_attention_heads")
    if not (layers and heads) and len(results.subnetworks):
        layers = int(results.subnetworks["layer"].max()) + 1
        heads = int(results.subnetworks["head"].max()) + 1
    if not (layers and heads):
        return ""
    return f" ({count(layers, 'layer')} of {count(heads, 'attention head')})"


def _searches(results: Results) -> str:
    found = results.subnetworks
    if found.empty:
        return "No subnetworks were searched for."
    config = results.config.get("search") or {}
    n = len(found.drop_duplicates([*MODEL, "sparsity", "seed"]))
    models = len(found.drop_duplicates(["finetune_seed", "checkpoint"]))
    levels = listing((level(value) for value in sorted(found["sparsity"].unique())), "or")
    seeds = found["seed"].nunique()
    steps = sorted(found["checkpoint"].unique())
    where = "it"
    if models > 1:
        where = f"{models} of its fine-tuned states"
    elif results.config.get("finetune"):
        where = f"the model of step {steps[0]}"
    units = "attention heads" if config.get("units") == "heads" else "attention heads and MLPs"
    searched = "a search" if seeds == 1 else f"searches with {seeds} different seeds"
    verb = "looked" if seeds > 1 else "looks"
    return (
        f"Inside {where}, {searched} {verb} for the part that best imitates the whole in-domain "
        f"when {levels} of the units ({units}) are cut: {count(n, 'subnetwork')} in all."
    ).replace("a search looks", "a search looked")


def _tests(evaluations: pd.DataFrame) -> str:
    cases = evaluations.drop_duplicates(["suite", "case"])
    if cases.empty:
        return ""
    text = (
        f"Everything was tested on {count(int(_of(cases, 'id')['n'].sum()), 'in-domain example')}"
    )
    ood = _of(cases, "ood")
    if ood.empty:
        return f"{text}; there was no out-of-domain suite."
    low, high = int(ood["n"].min()), int(ood["n"].max())
    each = count(high, "example") if low == high else f"{low} to {high} examples"
    kinds = {
        "adversarial": "adversarial, where a shallow heuristic gives the wrong answer",
        "friendly": "friendly, where it gives the right one",
    }
    counts = ood["case_kind"].value_counts()
    parts = [f"{counts[kind]} {words}" for kind, words in kinds.items() if kind in counts]
    kinds_text = f": {', and '.join(parts)}" if parts else ""
    text += f" and {count(len(ood), 'out-of-domain case')} of {each}"
    if len(ood) == 1:
        text += "".join(f": {kinds[kind]}" for kind in kinds if kind in counts) + "."
    else:
        text += f" each{kinds_text}."
    if "adversarial" in counts and "friendly" not in counts:
        text += " Without friendly cases a lean to one label cannot be told from generalisation."
    return text


def _of(cases: pd.DataFrame, role: str) -> pd.DataFrame:
    return cases[cases["role"] == role]


def _outcome(results: Results) -> list[str]:
    """Say how the model and its subnetworks do, where there is one model only."""
    rows = sparsity_table(results).rows
    if len({tuple(row[key] for key in MODEL) for row in rows}) != 1:
        return []
    said = []
    for row in rows:
        who = "The full model is"
        if row["kind"] == "subnetwork":
            noun = "subnetwork" if row["n"] == 1 else "subnetworks"
            who = f"The {noun} at {level(row['sparsity'])} sparsity {_is(row['n'])}"
        parts = [f"right on {_span(row, 'id')} in-domain"]
        parts += [
            f"{_span(row, part)} on {part} cases"
            for part in ("adversarial", "friendly")
            if known(row[part])
        ]
        said.append(f"{who} {listing(parts)}.")
    return said


def _is(n: int) -> str:
    return "is" if n == 1 else "are"


def _span(row: Mapping[str, Any], part: str) -> str:
    return f"{interval(row[f'{part}_low'], row[f'{part}_high'], 0)}{SPACE}%"
