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
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import typer
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from published_tables import accuracies, anchor, cases, costs, in_short, machines, table_of

from heuristic_core.report import Results
from heuristic_core.report.figures import draw
from heuristic_core.report.findings import Card, findings
from heuristic_core.storage import read_json, read_table, write_json, write_table, write_text
from heuristic_core.study.beside import beside
from heuristic_core.study.results import read_results

HERE = Path(__file__).parent
PLACE = HERE.parent / "docs" / "results" / "minilm-mnli-hans"
ARMS = ("natural", "augmented", "augmented-2")


#: Pairs that the paper's BERT-base was fine-tuned on: 61,360 steps of 32 (its appendix on MNLI).
PAPER_PAIRS = 61_360 * 32
#: What each finding says and which analyses answer it; the file's head tells what its keys are.
FINDINGS: list[dict[str, Any]] = tomllib.loads(
    (HERE / "published_findings.toml").read_text("utf-8")
)["findings"]
#: By arm and analysis.
Cards = Mapping[str, Mapping[str, Sequence[Card]]]
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
    arms = kept()
    # Each arm's verdicts are made once, as they take all of the arm's tables.
    found = {arm: {one.key: one.cards for one in findings(arms[arm])} for arm in arms}
    drawn = {arm: draw(results) for arm, results in arms.items()}
    environment = Environment(
        loader=FileSystemLoader(HERE),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    text = environment.get_template("published_study.md.j2").render(
        in_short=in_short(arms),
        commands={arm: results.manifest["command"] for arm, results in arms.items()},
        summary=summary(found),
        findings=[_finding(found, drawn, asked) for asked in FINDINGS],
        accuracies=accuracies(arms),
        cases=cases(arms, read_table(PLACE / "seeds.parquet")),
        recipe=_recipe(arms),
        costs=costs(arms, {arm: read_json(PLACE / arm / "forecast.json") for arm in arms}),
        machines=machines(arms),
        beside=_beside(arms),
    )
    path = PLACE.with_suffix(".md")
    # Reasons are the program's, prose is the page's; they set the sign differently.
    write_text(path, re.sub(r"(?<=\d)%", " %", text))
    print(path)


def kept() -> dict[str, Results]:
    """Read what is kept of each arm."""
    return {arm: read_results(PLACE / arm) for arm in ARMS if (PLACE / arm).is_dir()}


def _recipe(arms: dict[str, Results]) -> dict[str, Any]:
    """Say how the first arm was fine-tuned, searched and evaluated."""
    config = next(iter(arms.values())).manifest["config"]
    tuned, search = config["finetune"], config["search"]
    return {
        "steps": f"{tuned['steps']:,}",
        "batch": tuned["batch_size"],
        "rate": f"{tuned['learning_rate']:g}",
        "pairs": f"{tuned['steps'] * tuned['batch_size']:,}",
        "share": tuned["steps"] * tuned["batch_size"] / PAPER_PAIRS,
        "searches": len(search["seeds"]),
        "sparsities": " and ".join(f"{s:.0%}" for s in search["sparsities"]),
    }


def _finding(found: Cards, drawn: Mapping[str, Any], asked: Mapping[str, Any]) -> dict[str, Any]:
    """Give a finding's verdicts by arm, and its figures."""
    cards = {
        arm: [
            (_held(supports, card.decision), card)
            for key, supports in asked["here"].items()
            for card in by_key.get(key, ())
        ]
        for arm, by_key in found.items()
    }
    in_all = {arm: _in_all(held for held, _ in some) for arm, some in cards.items()}
    figures = []
    for arm, drawings in drawn.items():
        for drawing in (d for key in asked["shown"] for d in drawings.get(key, ())):
            path = PLACE / arm / "figures" / f"{drawing.name}.svg"
            write_text(path, drawing.svg)
            figures.append((f"{arm}: {drawing.name}", str(path.relative_to(PLACE.parent))))
    return {**asked, "cards": cards, "in_all": in_all, "figures": figures}


def _held(supports: bool, decision: str) -> str:
    """Say whether a finding of the paper holds by a verdict."""
    yes, no = _HOLDS[supports]
    return {"supported": yes, "contradicted": no}.get(decision, "not decided")


def summary(found: Cards) -> str:
    """Give a table of whether each finding holds, an arm a column."""
    rows = []
    for number, asked in enumerate(FINDINGS, start=1):
        title = asked["title"]
        row = [f"[{number}. {title}](#{anchor(f'{number} {title}')})"]
        for by_key in found.values():
            row.append(
                _in_all(
                    _held(supports, card.decision)
                    for key, supports in asked["here"].items()
                    for card in by_key.get(key, ())
                )
            )
        rows.append(row)
    return table_of(["finding", *found], rows)


def _in_all(held: Iterable[str]) -> str:
    """Say what the verdicts on one finding come to."""
    counts = Counter(held)
    if not counts:
        return "not measured"
    decided = [what for what in ("holds", "does not hold") if counts[what]]
    if len(decided) > 1:
        in_all = "in part"
    elif 2 * sum(counts[what] for what in decided) >= counts.total():
        in_all = "".join(decided)
    else:
        in_all = "mostly not decided" if decided else "not decided"
    return f"**{in_all}** ({', '.join(f'{n} {what}' for what, n in counts.most_common())})"


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
