"""The tables of the published study's page, and what is said in short, from its arms' tables."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import pandas as pd

from heuristic_core.report import Results

HERE = Path(__file__).parent
#: Standard errors that a number is away from another when it is called different: two-sided 5 %.
_Z = 1.96


def in_short(arms: Mapping[str, Results]) -> dict[str, list[str]]:
    """Say for each arm how good its last model and its subnetworks are, and on what."""
    return {
        arm: [
            _model_in_short(results),
            _separation_in_short(results),
            _subnetworks_in_short(results),
        ]
        for arm, results in arms.items()
    }


def _model_in_short(results: Results) -> str:
    last = _last(_with_accuracy(results.evaluations))
    full = last[last["sparsity"] == 0]
    in_domain = [
        f"{_share(one.accuracy)} of `{one.case}`" for one in full[full["role"] == "id"].itertuples()
    ]
    ood = _with_parts(full[full["role"] == "ood"], results)
    said = [f"{_share(some['accuracy'].mean())} of {part} cases" for part, some in _parts(ood)]
    adversarial = ood[ood["case_kind"] == "adversarial"].sort_values("accuracy")
    best = adversarial.iloc[-1]
    low = int((adversarial["accuracy"] < 0.05).sum())
    return (
        f"The model of step {full['checkpoint'].iloc[0]:,} is right on {_listed(in_domain)}, and "
        f"on HANS on {_listed(said)}. Of {len(adversarial)} adversarial cases it is right on less "
        f"than 5% in {low}, and at best on {_share(best['accuracy'])} (`{best['case']}`)."
    )


def _separation_in_short(results: Results) -> str:
    told = _last(results.measured["discrimination"])
    told = told[told["sparsity"] == 0]
    error = _Z * told["auc_se"]
    right, wrong = told[told["auc"] - error > 0.5], told[told["auc"] + error < 0.5]
    said = (
        f"By the area under the curve it tells adversarial from friendly pairs of their group "
        f"better than chance in {len(right)} of {len(told)} cases"
    )
    if len(right):
        best = right.loc[right["auc"].idxmax()]
        said += f" (`{best['case']}` best: {best['auc']:.2f})"
    said += f", and in {len(wrong)} it is surer of entailment where it does not follow"
    if len(wrong):
        worst = wrong.loc[wrong["auc"].idxmin()]
        said += f" (`{worst['case']}` most: {worst['auc']:.2f})"
    return f"{said}."


def _subnetworks_in_short(results: Results) -> str:
    last = _last(_with_accuracy(results.evaluations))
    full = last[(last["sparsity"] == 0) & (last["role"] == "id")]
    model = full.set_index("suite")["accuracy"]
    said = []
    for sparsity, some in last[last["sparsity"] > 0].groupby("sparsity"):
        known = some[some["role"] == "id"]
        away = (known["accuracy"] - known["suite"].map(model)) * 100
        cases = some[some["case_kind"] == "adversarial"].groupby("case")["accuracy"]
        spans = cases.max() - cases.min()
        case = spans.idxmax()
        low, high = cases.min()[case], cases.max()[case]
        said.append(
            f"At {_percent(sparsity)} sparsity {some['seed'].nunique()} subnetworks are "
            f"{away.min():+.1f} to {away.max():+.1f} points off the model in-domain, and differ "
            f"most on `{case}`: {_share(low)} to {_share(high)}."
        )
    return " ".join(said)


def accuracies(arms: Mapping[str, Results]) -> str:
    """Give a table of accuracies of full models and subnetworks, by kind of case."""
    tables = {
        arm: _with_parts(_with_accuracy(results.evaluations), results)
        for arm, results in arms.items()
    }
    # In the order of the arms' suites, parts that only later arms have beside their like.
    found = {part for table in tables.values() for part in table["part"]}
    in_domain = [
        suite
        for table in tables.values()
        for suite in dict.fromkeys(table[table["role"] == "id"]["suite"])
    ]
    columns = [*dict.fromkeys(in_domain), *(part for part in _PARTS if part in found)]
    rows = []
    for arm, table in tables.items():
        for (checkpoint, sparsity), some in table.groupby(["checkpoint", "sparsity"]):
            systems = some.groupby(["part", "seed"])["accuracy"].mean()
            row = [arm, str(checkpoint), _percent(sparsity), str(some["seed"].nunique())]
            rows.append(row + [_range(systems[p]) if p in systems else "" for p in columns])
    return table_of(["arm", "step", "sparsity", "systems", *columns], rows)


def cases(arms: Mapping[str, Results], seeds: pd.DataFrame) -> str:
    """Give a table of every subcase: last full model, subnetworks, and 100 models of others."""
    spread = seeds.set_index("column")
    rows = []
    for arm, results in arms.items():
        last = _with_parts(_last(_with_accuracy(results.evaluations)), results)
        last = last[last["role"] == "ood"]
        sparsities = sorted(set(last["sparsity"]))
        for (kind, case), some in last.groupby(["case_kind", "case"], sort=False):
            row = [arm, kind, f"`{case}`", "seen" if some["seen"].iloc[0] else ""]
            row += [_range(some[some["sparsity"] == s]["accuracy"]) for s in sparsities]
            row.append(_mean_range(*spread.loc[case, ["mean", "min", "max"]]))
            rows.append(row)
    systems = [f"subnetworks at {_percent(s)}" if s else "full model" for s in sparsities]
    return table_of(
        ["arm", "kind", "case", "in training", *systems, "100 fine-tunings of BERT-base"], rows
    )


def costs(arms: Mapping[str, Results], forecasts: Mapping[str, Mapping[str, float]]) -> str:
    """Give a table of what every kind of cell took, and was forecast to take."""
    rows = []
    for arm, results in arms.items():
        cells = pd.DataFrame(results.manifest["cells"])
        label = cells["name"].str.rsplit("-", n=1).str[0]
        grid = label.str.startswith("grid").map({True: "grid, ", False: ""})
        cells = cells.assign(stage=grid + cells["kind"], forecast=label.map(forecasts[arm]))
        stages = pd.concat([cells, cells.assign(stage="all")]).groupby("stage", sort=False)
        for stage, some in stages:
            n_told = some["forecast"].notna().sum()
            forecast = f"{some['forecast'].sum() / 60:.1f}" if n_told else "none"
            if 0 < n_told < len(some):
                forecast += f" for {n_told} of them"
            minutes = f"{some['seconds'].sum() / 60:.1f}"
            examples = f"{some['examples'].sum():,}"
            rows.append([arm, str(stage), str(len(some)), examples, minutes, forecast])
    return table_of(["arm", "stage", "cells", "examples", "minutes", "forecast, minutes"], rows)


def machines(arms: Mapping[str, Results]) -> str:
    """Say what every arm ran on."""
    rows = []
    for arm, results in arms.items():
        machine, found = results.manifest["machine"], results.manifest["versions"]
        versions = ", ".join(f"{k} {v}" for k, v in found.items() if k != "heuristic-core")
        # Runs of earlier versions say no more of a processor than its kind.
        found_on = machine.get("processors") or [machine["processor"]]
        devices = f"{', '.join(machine['devices'])}, {machine['threads']} threads"
        rows.append([arm, f"{'; '.join(found_on)}; {devices}", versions])
    return table_of(["arm", "machine", "versions"], rows)


def anchor(heading: str) -> str:
    """Give the name that a heading is linked by."""
    return re.sub(r"[^a-z0-9 -]", "", heading.lower()).replace(" ", "-")


def table_of(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Write a table in Markdown."""
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


_SEEN, _UNSEEN = "adversarial, seen", "adversarial, unseen"
_PARTS = (_SEEN, _UNSEEN, "friendly")


def _with_parts(table: pd.DataFrame, results: Results) -> pd.DataFrame:
    """Say of each row what it is a part of, and whether it was trained on."""
    seen = _seen(results)
    known = table["case"].isin(seen) | ("every " + table["case_kind"]).isin(seen)
    part = table["case_kind"].where(
        table["case_kind"] != "adversarial", known.map({True: _SEEN, False: _UNSEEN})
    )
    return table.assign(seen=known, part=table["suite"].where(table["role"] == "id", part))


def _parts(table: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    grouped = dict(iter(table.groupby("part")))
    return [(part, grouped[part]) for part in _PARTS if part in grouped]


def _seen(results: Results) -> set[str]:
    """Give the cases that the task file of an arm takes training examples of."""
    name = results.manifest["config"]["task"]["name"]
    sources = tomllib.loads((HERE.parent / name).read_text())["train"]
    kept = [source["keep"] for source in sources if "keep" in source]
    named = {case for rows in kept for case in rows.get("subcase", ())}
    # Every friendly case is one of entailment.
    return named | {"every friendly" for rows in kept if rows.get("label") == "entailment"}


def _last(table: pd.DataFrame) -> pd.DataFrame:
    return table[table["checkpoint"] == table["checkpoint"].max()]


def _with_accuracy(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(accuracy=table["correct"] / table["n"])


def _percent(share: float) -> str:
    return f"{share:.0%}"


def _share(share: float) -> str:
    return f"{share:.1%}"


def _range(values: pd.Series) -> str:
    if len(values) < 2:
        return _share(values.mean())
    return _mean_range(values.mean(), values.min(), values.max())


def _mean_range(mean: float, low: float, high: float) -> str:
    return f"{mean:.1%} ({low:.1%} to {high:.1%})"


def _listed(parts: Sequence[str]) -> str:
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)
