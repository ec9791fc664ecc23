"""Keep the small files of the published study's runs, and write its pages from them alone.

    hcore run studies/minilm-mnli-hans.toml --plan --json > natural.json
    python studies/published_study.py keep runs/minilm-mnli-hans natural --plan natural.json
    python studies/published_study.py page

``keep`` copies what conclusions are drawn from: study, manifest and tables, without weights, and
the forecast that was made before the run. ``page`` draws all conclusions again from what is kept
and writes ``docs/results/minilm-mnli-hans.md``, its pictures, the page of all cases and the paper
in one picture; it runs no model. It reads in the arms' task files which cases were trained on.
``authors`` keeps the verdicts on the accuracies that the paper's authors published. ``hcore show``
and ``hcore report`` take a kept folder as well.
"""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import typer
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from heuristic_core.errors import InputError
from heuristic_core.report import Results
from heuristic_core.report.sections import sections
from heuristic_core.report.wording import SPACE
from heuristic_core.storage import read_json, read_table, write_json, write_table, write_text
from heuristic_core.study.results import read_results
from published_authors import keep_authors
from published_columns import MARGIN, columns
from published_pictures import kept_units, pictures
from published_poster import in_words, poster
from published_sections import SECTIONS, apart, same_core
from published_tables import Arms, accuracies, cases, costs, hours, last_of, over_steps
from published_verdicts import FINDINGS, Readings, check_readings, claims, summary, verdicts_of

HERE = Path(__file__).parent
PLACE = HERE.parent / "docs" / "results" / "minilm-mnli-hans"
ARMS = ("natural", "augmented", "augmented-2")
#: Pairs that the paper's BERT-base was fine-tuned on: 61,360 steps of 32 (its appendix on MNLI).
PAPER_PAIRS = 61_360 * 32

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
    if run.resolve() == place.resolve():
        raise typer.BadParameter(f"{run} is what is kept; give the run folder")
    planned = read_json(plan)
    if not isinstance(planned, dict) or "cells" not in planned:
        raise InputError(f"{plan} is not what `hcore run --plan --json` prints")
    shutil.rmtree(place, ignore_errors=True)
    (place / "tables").mkdir(parents=True)
    shutil.copy(run / "study.json", place / "study.json")
    manifest = read_json(run / "manifest.json")
    # Where the data files are is nobody else's business, nor that the run was resumed.
    command = re.sub(r"--data(=| )\S+", "--data FOLDER", manifest["command"])
    command = command.replace(" --update", "")
    write_json(place / "manifest.json", manifest | {"command": command})
    for table in sorted((run / "tables").glob("*.parquet")):
        shutil.copy(table, place / "tables" / table.name)
    write_json(place / "forecast.json", {c["cell"]: c["seconds"] for c in planned["cells"]})
    print(place)


@app.command()
def seeds(
    table: Annotated[
        Path,
        typer.Argument(
            help="berts_of_a_feather.csv of McCoy et al. 2020.", exists=True, dir_okay=False
        ),
    ],
) -> None:
    """Keep how much 100 fine-tunings of BERT differ on every subcase of HANS."""
    runs = pd.read_csv(table).iloc[:100]
    numbers = runs.apply(pd.to_numeric, errors="coerce").dropna(axis=1, how="any")
    spread = numbers.agg(["min", "mean", "max", "std"]).T.rename_axis("column").reset_index()
    write_table(PLACE / "seeds.parquet", spread)


@app.command()
def authors(
    folder: Annotated[Path, typer.Argument(help="The folder of the authors' JSON files.")],
) -> None:
    """Keep the verdicts on the accuracies that the paper's authors published."""
    keep_authors(folder, PLACE.parent / "published")


@app.command()
def reasons(arm: Annotated[str, typer.Argument(help=f"One of {', '.join(ARMS)}.")]) -> None:
    """Print all verdicts of an arm with their reasons, on unseen and on seen cases apart."""
    arms = kept()
    if arm not in arms:
        raise typer.BadParameter(f"arms are {', '.join(arms)}")
    for part, results in apart({arm: arms[arm]}).items():
        print(f"{part}\n")
        for section in sections(results):
            for card in section.cards:
                where = f" ({card.where})" if card.where else ""
                print(f"{card.decision}: {card.claim}{where}: {card.reason} {card.caveat}\n")


@app.command()
def page() -> None:
    """Write the page, that of all cases, and their pictures from what is kept."""
    arms, seeds = kept(), read_table(PLACE / "seeds.parquet")
    parts = apart(arms)
    concluded = {part: results.conclusions for part, results in parts.items()}
    verdicts = verdicts_of(concluded, MARGIN)
    check_readings(verdicts)
    readings = Readings(concluded)
    for name, svg in pictures(arms).items():
        write_text(PLACE / f"{name}.svg", svg)
    write_page(
        PLACE.with_suffix(".md"),
        "published_study.md.j2",
        commands={arm: results.manifest["command"] for arm, results in arms.items()},
        summary=summary(verdicts, readings),
        findings=[
            {
                **{"note": "", **asked},
                "reading": readings.read(asked),
                "claims": claims(i, verdicts),
                "table": _table(asked, arms, parts),
            }
            for i, asked in enumerate(FINDINGS, start=1)
        ],
        accuracies=accuracies(arms),
        recipe=_recipe(arms),
        costs=costs(arms, {arm: read_json(PLACE / arm / "forecast.json") for arm in arms}),
        hours=sum(hours(pd.DataFrame(results.manifest["cells"])) for results in arms.values()),
        same_core=same_core(arms),
    )
    write_page(
        PLACE.with_name(f"{PLACE.name}-cases.md"),
        "published_cases.md.j2",
        cases=cases(arms, seeds),
        over_steps=over_steps(arms),
    )
    shown = columns(PLACE, arms, verdicts)
    write_text(PLACE.with_name("paper-in-one-picture.svg"), poster(shown, kept_units(arms)))
    write_page(
        PLACE.with_name("paper-in-one-picture.md"),
        "published_poster.md.j2",
        table=in_words(shown),
    )


def write_page(path: Path, template: str, **values: Any) -> None:
    """Write a page from its template."""
    environment = Environment(
        loader=FileSystemLoader(HERE),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    text = environment.get_template(template).render(**values)
    # Sentences write a percentage with and without a space; no line breaks within one.
    write_text(path, re.sub(r"(?<=\d) ?%", f"{SPACE}%", text))
    print(path)


def kept() -> dict[str, Results]:
    """Read what is kept of each arm."""
    return {arm: read_results(PLACE / arm) for arm in ARMS if (PLACE / arm).is_dir()}


def _recipe(arms: dict[str, Results]) -> dict[str, Any]:
    """Return the numbers of the first arm's recipe that the page's prose names."""
    first = next(iter(arms.values()))
    tuned, search = first.manifest["config"]["finetune"], first.manifest["config"]["search"]
    units = pd.concat([results.measured["subnetworks"] for results in arms.values()])
    heads = units[units["head"] >= 0].groupby("sparsity")["kept"].mean()
    tested = {arm: pairs_tested(results) for arm, results in arms.items()}
    searched = next(c for c in first.manifest["cells"] if c["name"].startswith("search-"))
    return {
        "steps": f"{tuned['steps']:,}",
        "batch": tuned["batch_size"],
        "rate": f"{tuned['learning_rate']:g}",
        "pairs": f"{tuned['steps'] * tuned['batch_size']:,}",
        "share": tuned["steps"] * tuned["batch_size"] / PAPER_PAIRS,
        "tested": ", ".join(f"{n:,} ({arm})" for arm, n in tested.items()),
        "searches": len(search["seeds"]),
        "subnetworks": sum(len(r.manifest["config"]["search"]["seeds"]) for r in arms.values()),
        "searched": f"{searched['examples']:,}",
        "search_steps": searched["examples"] // search["options"]["batch_size"],
        "sparsities": " and ".join(f"{s:.0%}" for s in search["sparsities"]),
        "heads": " and ".join(f"{1 - share:.0%}" for share in heads),
        "mlps": f"{units[units['head'] < 0]['kept'].mean():.1%}",
    }


def pairs_tested(results: Results) -> int:
    """Return the number of pairs that the last full model was tested on."""
    table = last_of(results.measured["evaluations"])
    return int(table.loc[table["sparsity"] == 0, "n"].sum())


def _table(asked: Mapping[str, Any], arms: Arms, parts: Arms) -> tuple[str, str] | None:
    """Return the title of the table beside the verdicts on a finding, and the table."""
    if "table" not in asked:
        return None
    section = SECTIONS[asked["table"]]
    written = section.write(parts if section.apart else arms)
    return (section.title, written) if written else None


if __name__ == "__main__":
    try:
        app()
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from None
