"""What was done, in one paragraph made from the numbers."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from .results import Results
from .wording import count, level, listing, name, percent

_KINDS = {
    "adversarial": "that a shallow heuristic answers wrongly (adversarial)",
    "friendly": "that it answers rightly (friendly)",
    "shift": "of another domain (shifted), on which no heuristic is tested",
}
_RIGHT = {
    "id": "in-domain",
    "adversarial": "of adversarial",
    "friendly": "of friendly",
    "shift": "of shifted",
}
#: What cases of another domain show, and what they cannot.
_SHIFT_SHOWS = (
    "Shifted cases show how far accuracy spreads out of domain at equal in-domain accuracy, how it "
    "falls with sparsity, which units the subnetworks share, and effective size by accuracy."
)
_SHIFT_HIDES = (
    "They cannot show whether label bias or generalisation moves an accuracy, nor how well a model "
    "separates adversarial from friendly cases: they have neither."
)


def story(results: Results) -> str:
    """Say which model was studied, what was searched in it, and what it was tested on."""
    sentences = (_model(results), _searches(results), _tests(results.measured["evaluations"]))
    return " ".join(filter(None, sentences))


def lead(results: Results) -> str:
    """Say in a line which model was studied, and on which task."""
    source, size, task = _model_and_task(results)
    recipe = results.config.get("finetune") or {}
    given = results.config.get("model") or {}
    tuned = recipe and not (given.get("checkpoints") or given.get("seeds"))
    steps = f" for {count(recipe.get('steps') or 0, 'step')}" if tuned else ""
    studied = f"{source}{size}, {f'fine-tuned{steps} on' if tuned else 'studied on'} {task}"
    right = _right(results.measured["evaluations"])
    return f"{studied}; in the end right on {right}" if right else studied


def _right(evaluations: pd.DataFrame) -> str:
    """Say how accurate the full models are at their last checkpoints: means over cases."""
    full = evaluations[evaluations["kind"] == "full"]
    last = full[full["checkpoint"] == full.groupby("finetune_seed")["checkpoint"].transform("max")]
    means = (last["correct"] / last["n"]).groupby(last["case_kind"]).mean()
    said = [f"{percent(means[kind])} {word}" for kind, word in _RIGHT.items() if kind in means]
    return f"{listing(said)} examples" if said else ""


def outstanding(results: Results) -> str:
    """Say how many measurements have not been made; empty if none."""
    counts = results.manifest.get("analyses")
    counts = counts if isinstance(counts, Mapping) else {}
    measured, wanted = counts.get("measured"), counts.get("of")
    if not (isinstance(measured, int) and isinstance(wanted, int)) or measured >= wanted:
        return ""
    n = wanted - measured
    have, them = ("has", "it") if n == 1 else ("have", "them")
    return (
        f"{n} of {count(wanted, 'measurement')} for the further questions {have} not been made; "
        f"hcore analyze RUN makes {them}, where RUN is the run's folder."
    )


def _model(results: Results) -> str:
    source, size, task = _model_and_task(results)
    given = results.config.get("model") or {}
    recipe = results.config.get("finetune")
    systems = results.measured["evaluations"]
    full = systems[systems["kind"] == "full"]
    n = full["checkpoint"].nunique()
    if given.get("checkpoints") or given.get("seeds"):
        tunings = count(full["finetune_seed"].nunique(), "fine-tuning")
        return (
            f"A classifier{size} was studied at {count(n, 'checkpoint')} of {tunings} that were "
            f"there already, on the task {task}."
        )
    if not recipe:
        return f"The classifier {source}{size} was studied as it is, on the task {task}."
    seeds = count(len(recipe.get("seeds") or [1]), "fine-tuning seed")
    return (
        f"The model {source}{size} was fine-tuned on the task {task} for "
        f"{count(recipe.get('steps') or 0, 'step')} with {seeds}, and tested at "
        f"{count(n, 'checkpoint')}."
    )


def _model_and_task(results: Results) -> tuple[str, str, str]:
    """Name the model, its size and the task."""
    config, model = results.config, results.manifest.get("model") or {}
    task = name((config.get("task") or {}).get("name") or "a task", 60)
    given = config.get("model") or {}
    source = name(given.get("source") or model.get("source") or "a model", 60)
    layers, heads = model.get("num_hidden_layers"), model.get("num_attention_heads")
    size = f" ({layers} layers of {heads} attention heads)" if layers and heads else ""
    return source, size, task


def _searches(results: Results) -> str:
    units = results.measured["subnetworks"]
    if units.empty:
        return "No subnetworks were searched for."
    names = ["finetune_seed", "checkpoint", "method", "sparsity", "seed"]
    levels = listing((level(value) for value in sorted(units["sparsity"].unique())), "or")
    only_heads = (results.config.get("search") or {}).get("units") == "heads"
    prunable = "attention heads" if only_heads else "attention heads and MLPs"
    of_grid = len(results.measured["grid_subnetworks"]) > 0
    apart = ", besides those of the grid over checkpoints" if of_grid else ""
    return (
        f"Searches with {count(units['seed'].nunique(), 'search seed')} looked for subnetworks "
        f"that imitate the full model in-domain when {levels} of the units ({prunable}) are "
        f"ablated: {count(len(units.drop_duplicates(names)), 'subnetwork')}{apart}."
    )


def _tests(evaluations: pd.DataFrame) -> str:
    cases = evaluations.drop_duplicates(["suite", "case"])
    if cases.empty:
        return ""
    n = cases["case_kind"].value_counts()
    examples = count(int(cases.loc[cases["role"] == "id", "n"].sum()), "in-domain example")
    if len(cases) == n.get("id"):
        return f"All were tested on {examples}; there was no out-of-domain suite."
    kinds = [f"{count(n[kind], 'case')} {words}" for kind, words in _KINDS.items() if kind in n]
    text = f"All were tested on {listing([examples, *kinds])}."
    if "adversarial" in n and "friendly" not in n:
        text += " Without friendly cases, label bias cannot be separated from generalisation."
    if "shift" in n:
        text += f" {_SHIFT_SHOWS} {_SHIFT_HIDES}"
    return text
