"""Tables of accuracies and of costs, made from the kept tables of the published study's arms."""

from __future__ import annotations

import re
from collections.abc import Mapping

import pandas as pd

from heuristic_core.analysis.questions import QUESTIONS
from heuristic_core.published.markdown import to_markdown
from heuristic_core.report import Results
from heuristic_core.report.wording import number, percent, share
from published_parts import PARTS, with_parts

#: Results by arm, or by part of its adversarial cases.
Arms = Mapping[str, Results]
#: The declared tables of all questions, by name.
DECLARED = {table.name: table for question in QUESTIONS for table in question.tables}


def accuracies(arms: Arms) -> str:
    """Write a table of accuracies of the last full models and their subnetworks, by kind of case.

    AUROCs of a system are means over the cases of a part.
    """
    last = {arm: results.measured["evaluations"].pipe(last_of) for arm, results in arms.items()}
    names = _columns(arms, last)
    separated = [part for part in PARTS[:2] if part in names]
    rows = []
    for arm, table in last.items():
        table = with_parts(with_accuracy(table), arms[arm])
        scores = with_parts(_scores(arms[arm]), arms[arm])
        for sparsity, some in table.groupby("sparsity"):
            systems = some.groupby(["part", "seed"])["accuracy"].mean()
            of_level = scores[scores["sparsity"] == sparsity]
            aurocs = of_level.groupby(["part", "seed"])["auc"].mean()
            cells = [span(systems[part]) if part in systems else "" for part in names]
            cells += [_number_span(aurocs[part]) if part in aurocs else "" for part in separated]
            rows.append([arm, percent(sparsity), str(some["seed"].nunique()), *cells])
    heads = [f"{part}, %" for part in names] + [f"AUROC, {part}" for part in separated]
    return to_markdown(["arm", "sparsity", "systems", *heads], rows)


def over_steps(arms: Arms) -> str:
    """Write a table of the full models' accuracies over fine-tuning, by kind of case."""
    tables = {arm: results.measured["evaluations"] for arm, results in arms.items()}
    full = {arm: table[table["sparsity"] == 0] for arm, table in tables.items()}
    names, rows = _columns(arms, full), []
    for arm, table in full.items():
        parts = with_parts(with_accuracy(table), arms[arm])
        for step, some in parts.groupby("checkpoint"):
            means = some.groupby("part")["accuracy"].mean()
            cells = [share(means[part]) if part in means else "" for part in names]
            rows.append([arm, f"{step:,}", *cells])
    return to_markdown(["arm", "step", *(f"{part}, %" for part in names)], rows)


def _columns(arms: Arms, tables: Mapping[str, pd.DataFrame]) -> list[str]:
    """Return the in-domain suites and the parts of the cases that any arm has."""
    parts = pd.concat(with_parts(table, arms[arm]) for arm, table in tables.items())
    in_domain = dict.fromkeys(parts[parts["role"] == "id"]["suite"])
    return [*in_domain, *(part for part in PARTS if (parts["part"] == part).any())]


def _scores(results: Results) -> pd.DataFrame:
    """Return the AUROCs at the last checkpoint with the kind of their case."""
    kinds = results.measured["evaluations"][["case", "case_kind", "role"]].drop_duplicates("case")
    return last_of(results.measured["discrimination"]).merge(kinds, on="case")


def cases(arms: Arms, seeds: pd.DataFrame) -> str:
    """Write a table of every case: last full model, subnetworks, 100 fine-tunings of BERT-base."""
    spread = seeds.set_index("column")
    rows = []
    sparsities = sorted(
        {s for results in arms.values() for s in results.measured["evaluations"]["sparsity"]}
    )
    for arm, results in arms.items():
        last = with_parts(last_of(with_accuracy(results.measured["evaluations"])), results)
        last = last[last["role"] == "ood"]
        separation = last_of(results.measured["discrimination"])
        aurocs = separation.groupby(["case", "sparsity"])["auc"].mean().unstack().T
        for (kind, case), some in last.groupby(["case_kind", "case"], sort=False):
            row = [arm, kind, f"`{case}`", "seen" if some["seen"].iloc[0] else ""]
            row += [span(some[some["sparsity"] == s]["accuracy"]) for s in sparsities]
            of_case = aurocs.get(case, {})
            row.append(" / ".join(f"{of_case[s]:.2f}" for s in sparsities if s in of_case))
            of_others = spread.loc[case]
            ends = ranged(of_others["mean"], of_others["min"], of_others["max"])
            row.append(f"{ends}, s.d. {share(of_others['std'])}")
            rows.append(row)
    systems = [f"subnetworks at {percent(s)}" if s else "full model" for s in sparsities]
    levels = " / ".join(percent(s) for s in sparsities)
    heads = ["arm", "kind", "case", "in training", *(f"{name}, %" for name in systems)]
    return to_markdown([*heads, f"AUROC at {levels}", "100 fine-tunings of BERT-base, %"], rows)


def costs(arms: Arms, forecasts: Mapping[str, Mapping[str, float]]) -> str:
    """Write a table of what each arm reached in-domain, and of the time that it took."""
    rows = []
    for arm, results in arms.items():
        last = last_of(with_accuracy(results.measured["evaluations"]))
        full = last[(last["sparsity"] == 0) & (last["case"] == "mnli")]
        cells = pd.DataFrame(results.manifest["cells"])
        tuned = cells["kind"] == "finetune"
        planned = cells["name"].str.rsplit("-", n=1).str[0].map(forecasts[arm])
        known = cells[planned.notna()]
        machine = results.manifest["machine"]
        # Runs of earlier versions record only the kind of a processor.
        processors = machine.get("processors") or [machine["processor"]]
        rows.append(
            [
                *(arm, percent(full["accuracy"].iloc[0], 1)),
                *(f"{hours(cells[some]):.1f} h" for some in (tuned, ~tuned)),
                *(str(len(cells)), f"{cells['examples'].sum():,}"),
                f"{hours(known):.1f} h, forecast {planned.sum() / 3600:.1f}",
                "; ".join(processors),
            ]
        )
    heads = ["arm", "mnli", "fine-tuning", "everything after", "cells", "examples"]
    return to_markdown([*heads, "cells with a forecast", "processor"], rows)


def hours(cells: pd.DataFrame) -> float:
    """Return how many hours some cells took."""
    return cells["seconds"].sum() / 3600


def anchor(heading: str) -> str:
    """Return the anchor that links to a heading."""
    return re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-")


def last_of(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the last checkpoint."""
    return table[table["checkpoint"] == table["checkpoint"].max()]


def with_accuracy(table: pd.DataFrame) -> pd.DataFrame:
    """Add accuracies."""
    return table.assign(accuracy=table["correct"] / table["n"])


def span(values: pd.Series) -> str:
    """Write the mean of shares in per cent, with the lowest and the highest."""
    if len(values) < 2:
        return share(values.mean())
    return ranged(values.mean(), values.min(), values.max())


def ranged(mean: float, low: float, high: float) -> str:
    """Write the mean of shares in per cent, with the lowest and the highest."""
    return f"{share(mean)} ({share(low)} to {share(high)})"


def _number_span(values: pd.Series) -> str:
    """Write the mean of numbers, with the lowest and the highest."""
    mean, low, high = (number(one, 2) for one in (values.mean(), values.min(), values.max()))
    return f"{mean} ({low} to {high})" if len(values) > 1 else mean
