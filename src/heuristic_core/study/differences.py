"""In what runs differ, and what identifies their models, from what they record."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from ..report.results import Results
from ..storage import digest
from .config import check_study


def differences(runs: Sequence[Results]) -> list[str]:
    """List in what runs differ, in words.

    Args:
        runs: The runs.

    Returns:
        What not all of them have alike, such as ``task`` or ``fine-tuning seed``.
    """
    aspects = [_aspects(run) for run in runs]
    return [name for name in aspects[0] if len({digest(of_run[name]) for of_run in aspects}) > 1]


def _aspects(run: Results) -> dict[str, Any]:
    """Return what a run was made with, by what it is called."""
    config = check_study(run.config)
    tuned = {} if config.finetune is None else config.finetune.model_dump(mode="json")
    search = config.search.model_dump(mode="json")
    model = config.model.model_dump(mode="json", exclude={"source", "checkpoints", "seeds"})
    return {
        "model": start_of(run) or config.last_source,
        "settings of the model": model,
        "task": config.task.name,
        "settings of the task": {"options": config.task.options, "seed": config.task.seed},
        "data": run.manifest.get("data") or {},
        "fine-tuning": {k: v for k, v in tuned.items() if k not in ("seeds", "checkpoints")}
        or given_models(run),
        "fine-tuning seed": config.finetune_seeds,
        "checkpoint": config.pruned_checkpoints,
        "search method": search["method"],
        "sparsity": search["sparsities"],
        "search seeds": search["seeds"],
        "settings of the search": {key: search[key] for key in ("units", "ablation", "options")},
        "settings of the evaluation": config.evaluation.model_dump(mode="json"),
        "settings of the analyses": config.analysis.model_dump(mode="json"),
        "software": run.manifest.get("versions") or {},
    }


def start_of(run: Results) -> str:
    """Return what identifies the weights of a run's model, or those its fine-tunings start from.

    Args:
        run: The run.

    Returns:
        Their digest or their revision on the hub; empty if neither is recorded.
    """
    given = run.manifest.get("checkpoints") or ()
    if given:
        return next((_identity(entry) for entry in given if entry["step"] == 0), "")
    return _identity(run.manifest.get("model") or {})


def _identity(known: Mapping[str, Any]) -> str:
    return next((f"{key}:{known[key]}" for key in ("sha256", "hub") if known.get(key)), "")


def given_models(run: Results) -> dict[int, str]:
    """Return what identifies the fine-tunings whose checkpoints a run was given, by their seeds."""
    steps: dict[int, dict[int, str]] = {}
    for entry in run.manifest.get("checkpoints") or ():
        steps.setdefault(entry["finetune_seed"], {})[entry["step"]] = _identity(entry)
    return {seed: f"checkpoints:{digest(of_seed)}" for seed, of_seed in steps.items()}


def models_of(run: Results) -> dict[int, str]:
    """Return what identifies each fine-tuning of a run, by its seed.

    A fine-tuning's cell is named by a hash of all that determines it. One whose checkpoints were
    given is identified by their weights, as is a model that is studied as it is.

    Args:
        run: The run.
    """
    tuned = given_models(run)
    for cell in run.manifest.get("cells") or ():
        match = re.fullmatch(r"finetune-f(-?\d+)-\w+", str(cell["name"]))
        if match and cell["kind"] == "finetune":
            tuned[int(match[1])] = str(cell["name"])
    if tuned or not start_of(run):
        return tuned
    seeds = run.measured["subnetworks"]["finetune_seed"].unique()
    return {int(seed): start_of(run) for seed in seeds}


def searches_of(run: Results) -> frozenset[str]:
    """Return the names of the cells of a run's searches, those of its grid aside."""
    cells: Sequence[Mapping[str, Any]] = run.manifest.get("cells") or ()
    names = (str(cell["name"]) for cell in cells if cell["kind"] == "search")
    return frozenset(name for name in names if name.startswith("search-"))


def architecture_of(run: Results) -> dict[str, int]:
    """Return the sizes that a run's manifest records of its model."""
    known = run.manifest.get("model") or {}
    kept = ("num_hidden_layers", "num_attention_heads", "hidden_size")
    return {key: known[key] for key in kept if known.get(key)}


def suites_of(run: Results) -> dict[str, str]:
    """Return the digest of each suite's examples, by the suite's name."""
    data = run.manifest.get("data") or {}
    return {k.removeprefix("suite/"): str(v) for k, v in data.items() if k.startswith("suite/")}
