"""The tables of the published study's page, made from the kept tables of its arms."""

from __future__ import annotations

import re
from collections.abc import Mapping

import pandas as pd

from heuristic_core.published.markdown import to_markdown
from heuristic_core.report import Results
from heuristic_core.report.wording import percent
from published_parts import PARTS, with_parts


def accuracies(arms: Mapping[str, Results]) -> str:
    """Write a table of accuracies of full models and subnetworks, by kind of case."""
    tables = {
        arm: with_parts(with_accuracy(results.measured["evaluations"]), results)
        for arm, results in arms.items()
    }
    parts = {part for table in tables.values() for part in table["part"]}
    in_domain = [
        suite
        for table in tables.values()
        for suite in dict.fromkeys(table[table["role"] == "id"]["suite"])
    ]
    columns = [*dict.fromkeys(in_domain), *(part for part in PARTS if part in parts)]
    rows = []
    for arm, table in tables.items():
        for (checkpoint, sparsity), some in table.groupby(["checkpoint", "sparsity"]):
            systems = some.groupby(["part", "seed"])["accuracy"].mean()
            row = [arm, f"{checkpoint:,}", percent(sparsity), str(some["seed"].nunique())]
            rows.append(row + [span(systems[p]) if p in systems else "" for p in columns])
    return to_markdown(["arm", "step", "sparsity", "systems", *columns], rows)


def cases(arms: Mapping[str, Results], seeds: pd.DataFrame) -> str:
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
            row.append(
                f"{ranged(of_others['mean'], of_others['min'], of_others['max'])}, "
                f"s.d. {of_others['std'] * 100:.1f}"
            )
            rows.append(row)
    systems = [f"subnetworks at {percent(s)}" if s else "full model" for s in sparsities]
    levels = " / ".join(percent(s) for s in sparsities)
    return to_markdown(
        [
            *("arm", "kind", "case", "in training", *systems, f"AUROC at {levels}"),
            "100 fine-tunings of BERT-base",
        ],
        rows,
    )


def costs(arms: Mapping[str, Results], forecasts: Mapping[str, Mapping[str, float]]) -> str:
    """Write a table of the time that every kind of cell took and was forecast to take."""
    rows = []
    for arm, results in arms.items():
        cells = pd.DataFrame(results.manifest["cells"])
        label = cells["name"].str.rsplit("-", n=1).str[0]
        grid = label.str.startswith("grid").map({True: "grid, ", False: ""})
        cells = cells.assign(stage=grid + cells["kind"], forecast=label.map(forecasts[arm]))
        stages = pd.concat([cells, cells.assign(stage="all")]).groupby("stage", sort=False)
        for stage, some in stages:
            known = some[some["forecast"].notna()]
            forecast = f"{known['forecast'].sum() / 60:.1f}" if len(known) else "none"
            if 0 < len(known) < len(some):
                forecast += f" for {len(known)}, which took {known['seconds'].sum() / 60:.1f}"
            examples = f"{some['examples'].sum():,}"
            minutes = f"{some['seconds'].sum() / 60:.1f}"
            rows.append([arm, str(stage), str(len(some)), examples, minutes, forecast])
    return to_markdown(["arm", "stage", "cells", "examples", "minutes", "forecast, minutes"], rows)


def bars(arms: Mapping[str, Results]) -> str:
    """Write a table of what the study reached, beside the bars that were set before."""
    rows = []
    for arm, results in arms.items():
        last = last_of(with_accuracy(results.measured["evaluations"]))
        full = last[(last["sparsity"] == 0) & (last["case"] == "mnli")]
        cells = pd.DataFrame(results.manifest["cells"])
        tuned = cells["kind"] == "finetune"
        times = [cells[tuned]["seconds"].sum(), cells[~tuned]["seconds"].sum()]
        rows.append(
            [arm, percent(full["accuracy"].iloc[0], 1), *(f"{t / 3600:.1f} h" for t in times)]
        )
    return to_markdown(["arm", "mnli", "fine-tuning", "everything after"], rows)


def hours(arms: Mapping[str, Results]) -> str:
    """Return how many hours all cells of all arms took."""
    cells = [cell for results in arms.values() for cell in results.manifest["cells"]]
    return f"{sum(cell['seconds'] for cell in cells) / 3600:.1f}"


def machines(arms: Mapping[str, Results]) -> str:
    """Write a table of the machines and versions of every arm."""
    rows = []
    for arm, results in arms.items():
        machine, numbers = results.manifest["machine"], results.manifest["versions"]
        versions = ", ".join(f"{k} {v}" for k, v in numbers.items() if k != "heuristic-core")
        # Runs of earlier versions record only the kind of a processor.
        processors = machine.get("processors") or [machine["processor"]]
        devices = f"{', '.join(machine['devices'])}, {machine['threads']} threads"
        rows.append([arm, f"{'; '.join(processors)}; {devices}", versions])
    return to_markdown(["arm", "machine", "versions"], rows)


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
    """Write the mean of shares with the lowest and the highest."""
    if len(values) < 2:
        return percent(values.mean(), 1)
    return ranged(values.mean(), values.min(), values.max())


def ranged(mean: float, low: float, high: float) -> str:
    """Write the mean of shares with the lowest and the highest."""
    return f"{percent(mean, 1)} ({percent(low, 1)} to {percent(high, 1)})"
