"""Which cases an arm was trained on, and its conclusions on seen and on unseen cases apart."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path

import pandas as pd

from heuristic_core.analysis.questions import analyze
from heuristic_core.report import Results

HERE = Path(__file__).parent
SEEN, UNSEEN = "seen adversarial", "unseen adversarial"
#: In the order in which they are shown.
PARTS = (SEEN, UNSEEN, "friendly")
#: Searches aimed at some cases and are judged on the others, so these tables stay whole.
_WHOLE = ("targeted",)


def seen_cases(results: Results) -> set[str]:
    """Return the cases of which the task file of an arm takes training examples."""
    name = results.manifest["config"]["task"]["name"]
    # Paths start from the study file's folder; in runs of earlier versions, from the repository.
    path = next(place / name for place in (HERE, HERE.parent) if (place / name).is_file())
    sources = tomllib.loads(path.read_text("utf-8"))["train"]
    kept = [source["keep"] for source in sources if "keep" in source]
    named = {case for rows in kept for case in rows.get("subcase", ())}
    if not any(rows.get("label") == "entailment" for rows in kept):
        return named
    # The right label of every friendly case is entailment.
    return named | cases_of(results, "friendly")


def cases_of(results: Results, kind: str) -> set[str]:
    """Return the cases of one kind: adversarial, friendly or in-domain."""
    evaluations = results.measured["evaluations"]
    return set(evaluations[evaluations["case_kind"] == kind]["case"])


def with_parts(table: pd.DataFrame, results: Results) -> pd.DataFrame:
    """Add to each row whether its case was trained on, and which part it belongs to."""
    seen = table["case"].isin(seen_cases(results))
    part = table["case_kind"].where(
        table["case_kind"] != "adversarial", seen.map({True: SEEN, False: UNSEEN})
    )
    return table.assign(seen=seen, part=table["suite"].where(table["role"] == "id", part))


def concluded_apart(results: Results) -> dict[str, Results]:
    """Draw an arm's conclusions on unseen and on seen adversarial cases apart.

    Returns:
        By ``unseen`` and ``seen``; the results as they are under an empty name if no adversarial
        case was seen.
    """
    adversarial = cases_of(results, "adversarial")
    seen = adversarial & seen_cases(results)
    if not seen:
        return {"": results}
    return {"unseen": _without(results, seen), "seen": _without(results, adversarial - seen)}


def _without(results: Results, cases: set[str]) -> Results:
    """Draw an arm's conclusions as if some cases had not been measured."""
    measured = {
        name: table[~table["case"].isin(cases)] if "case" in table and name not in _WHOLE else table
        for name, table in results.measured.items()
    }
    settings = results.config["analysis"]
    conclusions = analyze(measured, margin_points=settings["margin_points"], seed=settings["seed"])
    return replace(results, measured=measured, conclusions=conclusions)
