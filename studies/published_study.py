"""The published study: keep a run's small files, and write its page from them alone.

    hcore run studies/minilm-mnli-hans.toml --plan --json > natural.json
    python studies/published_study.py keep runs/minilm-mnli-hans natural --plan natural.json
    python studies/published_study.py page

``keep`` copies what conclusions are drawn from: study, manifest and tables, no weights, and what
was forecast before anything was started. ``page`` draws all conclusions anew from what is kept and
writes ``docs/results/minilm-mnli-hans.md`` with its figures; it runs no model. ``hcore show`` and
``hcore report`` take a kept folder as well.
"""

from __future__ import annotations

import re
import shutil
import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import typer
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from heuristic_core.report import Results
from heuristic_core.report.figures import draw
from heuristic_core.report.findings import Card, findings
from heuristic_core.storage import read_json, read_table, write_json, write_table, write_text
from heuristic_core.study.beside import beside
from heuristic_core.study.results import read_results

HERE = Path(__file__).parent
PLACE = HERE.parent / "docs" / "results" / "minilm-mnli-hans"
ARMS = ("natural", "augmented", "augmented-2")


@dataclass(frozen=True)
class Asked:
    """A finding of the paper and what answers it here.

    Args:
        title: The finding.
        paper: What the paper found on BERT-base, numbers its own.
        here: For each analysis that answers it whether *supported* means that the finding holds.
        shown: The analyses whose figures are shown.
    """

    title: str
    paper: str
    here: Mapping[str, bool]
    shown: tuple[str, ...] = ()


FINDINGS = (
    Asked(
        "Same in-domain, different out of domain",
        "Twelve subnetworks at 50 % are within 1.4 to 3.3 points of the model on MNLI, and are "
        "right on 2 to 36 % of `ln_subject/object_swap`, the model on 87 %.",
        {"spread": True, "discrimination": True, "ranks": True},
        ("spread",),
    ),
    Asked(
        "Sparser generalises worse, smoothly",
        "At 70 % almost nothing is left of the accuracy on adversarial cases; there is no sharp "
        "transition.",
        {"sparser": True, "smoothness": True},
        ("smoothness",),
    ),
    Asked(
        "Not disjoint: a core is shared",
        "Nine of 144 heads are in all 24 subnetworks; how often heads are kept at 50 and at 70 % "
        "correlates with 0.82.",
        {"core": True, "overlap": True, "disjoint": False},
        ("core", "disjoint"),
    ),
    Asked(
        "Effective size rises",
        "While the model comes to generalise, its effective size stays at about half of the units "
        "in-domain and rises from 30 to over 70 % out of domain.",
        {"size": False},
        ("size",),
    ),
    Asked(
        "The core is there before generalisation",
        "The nine heads are in the subnetworks of the checkpoint before accuracy on adversarial "
        "cases rises.",
        {"curves": True, "emergence": True},
        ("curves", "emergence"),
    ),
    Asked(
        "The core computes shallow features",
        "Four of nine heads attend between tokens of both sentences, others to the previous or "
        "next token or to [SEP]. Whether they do so before fine-tuning was left open.",
        {"patterns": True, "repeated": True},
        ("repeated",),
    ),
    Asked(
        "Generalisation rests on the core",
        "Without L4H0 accuracy on `ln_subject/object_swap` falls from 87 to 45 %, in-domain by 0.4 "
        "points; without three heads of the core it is 4 %, more than the sum.",
        {"removal": True, "additivity": True, "core_removal": True},
        ("core_removal",),
    ),
    Asked(
        "Cores are shared across tasks",
        "QQP has eight core heads, five of them in the core of MNLI. Other fine-tunings were not "
        "compared.",
        {"core_overlap": True},
    ),
    Asked(
        "Two-sided heuristics",
        "In GPT-2, removals suggest heuristics for entailment and for its opposite.",
        {"roles": True, "sides": True},
    ),
    Asked(
        "The heads that make it generalise depend on the core",
        "Said in the abstract, and concluded from removals; paths were not patched.",
        {"dependency": True},
        ("dependency",),
    ),
)

_HOLDS = {True: ("holds", "does not hold"), False: ("does not hold", "holds")}

app = typer.Typer(add_completion=False, help=__doc__)


@app.command()
def keep(
    run: Annotated[Path, typer.Argument(help="A finished run folder.")],
    arm: Annotated[str, typer.Argument(help=f"One of {', '.join(ARMS)}.")],
    plan: Annotated[Path, typer.Option(help="What `--plan --json` printed before it started.")],
) -> None:
    """Copy what a run's conclusions are drawn from."""
    if arm not in ARMS:
        raise typer.BadParameter(f"arms are {', '.join(ARMS)}")
    read_results(run)  # fails before anything is replaced
    place = PLACE / arm
    forecast = read_json(plan)["cells"]
    shutil.rmtree(place, ignore_errors=True)
    (place / "tables").mkdir(parents=True)
    for name in ("study.json", "manifest.json"):
        shutil.copy(run / name, place / name)
    for table in sorted((run / "tables").glob("*.parquet")):
        shutil.copy(table, place / "tables" / table.name)
    write_json(place / "forecast.json", {c["cell"]: c["seconds"] for c in forecast})
    print(place)


@app.command()
def seeds(
    table: Annotated[Path, typer.Argument(help="berts_of_a_feather.csv of McCoy et al. 2020.")],
) -> None:
    """Keep how much 100 fine-tunings of BERT differ on every subcase of HANS."""
    runs = pd.read_csv(table).iloc[:100]
    numbers = runs.apply(pd.to_numeric, errors="coerce").dropna(axis=1, how="any")
    spread = numbers.agg(["min", "mean", "max"]).T.rename_axis("column").reset_index()
    write_table(PLACE / "seeds.parquet", spread)


@app.command()
def page() -> None:
    """Write the page and its figures from what is kept."""
    arms = {arm: read_results(PLACE / arm) for arm in ARMS if (PLACE / arm).is_dir()}
    environment = Environment(
        loader=FileSystemLoader(HERE),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    text = environment.get_template("published_study.md.j2").render(
        commands={arm: results.manifest["command"] for arm, results in arms.items()},
        summary=summary(arms),
        findings=[_finding(arms, asked) for asked in FINDINGS],
        accuracies=accuracies(arms),
        cases=cases(arms),
        costs=costs(arms),
        machines=machines(arms),
        beside=_beside(arms),
    )
    path = PLACE.with_suffix(".md")
    write_text(path, text)
    print(path)


def _finding(arms: dict[str, Results], asked: Asked) -> dict[str, Any]:
    """Give a finding's verdicts by arm, and its figures."""
    cards: dict[str, list[tuple[str, Card]]] = {}
    figures: list[tuple[str, str]] = []
    for arm, results in arms.items():
        found = {one.key: one for one in findings(results)}
        cards[arm] = [
            (_held(asked.here[key], card.decision), card)
            for key in asked.here
            if key in found
            for card in found[key].cards
        ]
        drawings = draw(results)
        for key in asked.shown:
            for drawing in drawings.get(key, ()):
                path = PLACE / arm / "figures" / f"{drawing.name}.svg"
                write_text(path, drawing.svg)
                figures.append((f"{arm}: {drawing.name}", str(path.relative_to(PLACE.parent))))
    return {"title": asked.title, "paper": asked.paper, "cards": cards, "figures": figures}


def _held(supports: bool, decision: str) -> str:
    """Say whether a finding of the paper holds by a verdict."""
    yes, no = _HOLDS[supports]
    return {"supported": yes, "contradicted": no}.get(decision, "not decided")


def summary(arms: dict[str, Results]) -> str:
    """Give a table of whether each finding holds, an arm a column."""
    found = {arm: {one.key: one for one in findings(results)} for arm, results in arms.items()}
    rows = []
    for number, asked in enumerate(FINDINGS, start=1):
        row = [f"[{number}. {asked.title}](#{_anchor(number, asked.title)})"]
        for arm in arms:
            parts = []
            for key in asked.here:
                if key in found[arm]:
                    held = Counter(
                        _held(asked.here[key], c.decision) for c in found[arm][key].cards
                    )
                    said = ", ".join(
                        f"{what}{f' x {n}' if n > 1 else ''}" for what, n in held.items()
                    )
                    parts.append(f"{key.replace('_', ' ')}: {said}")
            row.append("; ".join(parts) or "not measured")
        rows.append(row)
    return _table(["finding", *arms], rows)


def accuracies(arms: dict[str, Results]) -> str:
    """Give a table of accuracies of full models and subnetworks, by kind of case."""
    rows = []
    for arm, results in arms.items():
        table = _with_accuracy(results.evaluations)
        in_domain = dict.fromkeys(table[table["role"] == "id"]["suite"])
        columns = [*in_domain, "adversarial", "friendly"]
        for (checkpoint, sparsity), some in table.groupby(["checkpoint", "sparsity"]):
            some = some.assign(part=some["suite"].where(some["role"] == "id", some["case_kind"]))
            systems = some.groupby(["part", "seed"])["accuracy"].mean()
            row = [arm, str(checkpoint), _percent(sparsity), str(some["seed"].nunique())]
            rows.append(row + [_range(systems[part]) for part in columns])
    return _table(["arm", "step", "sparsity", "systems", *columns], rows)


def cases(arms: dict[str, Results]) -> str:
    """Give a table of every subcase: last full model, subnetworks, and 100 models of others."""
    spread = read_table(PLACE / "seeds.parquet").set_index("column")
    rows = []
    for arm, results in arms.items():
        seen = _seen(results)
        table = _with_accuracy(results.evaluations)
        last = table[(table["role"] == "ood") & (table["checkpoint"] == table["checkpoint"].max())]
        sparsities = sorted(set(last["sparsity"]))
        for (kind, case), some in last.groupby(["case_kind", "case"], sort=False):
            known = case in seen or f"every {kind}" in seen
            row = [arm, kind, f"`{case}`", "seen" if known else ""]
            row += [_range(some[some["sparsity"] == s]["accuracy"]) for s in sparsities]
            seeds = spread.loc[case]
            row.append(f"{seeds['mean']:.1%} ({seeds['min']:.1%} to {seeds['max']:.1%})")
            rows.append(row)
    systems = [f"subnetworks at {_percent(s)}" if s else "full model" for s in sparsities]
    return _table(
        ["arm", "kind", "case", "in training", *systems, "100 fine-tunings of BERT-base"], rows
    )


def _seen(results: Results) -> set[str]:
    """Give the cases that the task file of an arm takes training examples of."""
    name = results.manifest["config"]["task"]["name"]
    sources = tomllib.loads((HERE.parent / name).read_text())["train"]
    kept = [source["keep"] for source in sources if "keep" in source]
    named = {case for rows in kept for case in rows.get("subcase", ())}
    # Every friendly case is one of entailment.
    return named | {"every friendly" for rows in kept if rows.get("label") == "entailment"}


def costs(arms: dict[str, Results]) -> str:
    """Give a table of what every kind of cell took, and was forecast to take."""
    rows = []
    for arm, results in arms.items():
        forecasts = read_json(PLACE / arm / "forecast.json")
        cells = pd.DataFrame(results.manifest["cells"])
        label = cells["name"].str.rsplit("-", n=1).str[0]
        grid = label.str.startswith("grid").map({True: "grid, ", False: ""})
        cells = cells.assign(stage=grid + cells["kind"], forecast=label.map(forecasts))
        stages = pd.concat([cells, cells.assign(stage="all")]).groupby("stage", sort=False)
        for stage, some in stages:
            n_told = some["forecast"].notna().sum()
            forecast = f"{some['forecast'].sum() / 60:.1f}" if n_told else "none"
            if 0 < n_told < len(some):
                forecast += f" for {n_told} of them"
            minutes = f"{some['seconds'].sum() / 60:.1f}"
            examples = f"{some['examples'].sum():,}"
            rows.append([arm, str(stage), str(len(some)), examples, minutes, forecast])
    return _table(["arm", "stage", "cells", "examples", "minutes", "forecast, minutes"], rows)


def machines(arms: dict[str, Results]) -> str:
    """Say what every arm ran on."""
    rows = []
    for arm, results in arms.items():
        machine, found = results.manifest["machine"], results.manifest["versions"]
        versions = ", ".join(f"{k} {v}" for k, v in found.items() if k != "heuristic-core")
        devices = f"{', '.join(machine['devices'])}, {machine['threads']} threads"
        rows.append([arm, f"{machine['processor']}, {devices}", versions])
    return _table(["arm", "machine", "versions"], rows)


def _with_accuracy(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(accuracy=table["correct"] / table["n"])


def _percent(share: float) -> str:
    return f"{share:.0%}"


def _range(values: pd.Series) -> str:
    mean, low, high = values.mean(), values.min(), values.max()
    return f"{mean:.1%}" if len(values) < 2 else f"{mean:.1%} ({low:.1%} to {high:.1%})"


def _anchor(number: int, title: str) -> str:
    return re.sub(r"[^a-z0-9 -]", "", f"{number} {title}".lower()).replace(" ", "-")


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _beside(arms: dict[str, Results]) -> list[tuple[str, str, Any]]:
    names = list(arms)
    return [
        (one, other, pair)
        for i, one in enumerate(names)
        for other in names[i + 1 :]
        for pair in beside(PLACE / one, PLACE / other)
    ]


if __name__ == "__main__":
    app()
