"""Keep the small files of the published study's runs, and write its page from them alone.

    hcore run studies/minilm-mnli-hans.toml --plan --json > natural.json
    python studies/published_study.py keep runs/minilm-mnli-hans natural --plan natural.json
    python studies/published_study.py page

``keep`` copies what conclusions are drawn from: study, manifest and tables, without weights, and
the forecast that was made before the run. ``page`` draws all conclusions again from what is kept
and writes ``docs/results/minilm-mnli-hans.md`` with its figures; it runs no model. It reads in the
arms' task files which cases were trained on. ``hcore show`` and ``hcore report`` take a kept folder
as well.
"""

from __future__ import annotations

import re
import shutil
import sys
import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import typer
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from heuristic_core.analysis.across.core_pairs import OF_MODELS
from heuristic_core.analysis.questions import QUESTIONS
from heuristic_core.errors import InputError
from heuristic_core.published.markdown import to_markdown
from heuristic_core.report import Results
from heuristic_core.report.figures import draw
from heuristic_core.report.page.findings import in_a_word
from heuristic_core.report.sections import Card, sections, varied
from heuristic_core.report.wording import SPACE
from heuristic_core.storage import read_json, read_table, write_json, write_table, write_text
from heuristic_core.study.compare import compare_results
from heuristic_core.study.results import read_results
from heuristic_core.tables import VERDICTS
from published_sections import SECTIONS, apart
from published_short import in_short
from published_tables import accuracies, anchor, bars, cases, costs, hours, machines

HERE = Path(__file__).parent
PLACE = HERE.parent / "docs" / "results" / "minilm-mnli-hans"
ARMS = ("natural", "augmented", "augmented-2")
#: Pairs that the paper's BERT-base was fine-tuned on: 61,360 steps of 32 (its appendix on MNLI).
PAPER_PAIRS = 61_360 * 32
#: What each finding says and which questions answer it; the file's head explains its keys.
FINDINGS: list[dict[str, Any]] = tomllib.loads(
    (HERE / "published_findings.toml").read_text("utf-8")
)["findings"]
#: Verdicts by the name of an arm, or of a part of its cases, and by question.
Cards = Mapping[str, Mapping[str, Sequence[Card]]]
_HOLDS = {True: ("holds", "does not hold"), False: ("does not hold", "holds")}
_MANY = {"holds": "hold", "does not hold": "do not hold"}

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
    # Where the data files are is nobody else's business.
    command = re.sub(r"--data(=| )\S+", "--data FOLDER", manifest["command"])
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
def page() -> None:
    """Write the page and its figures from what is kept."""
    arms = kept()
    seeds = read_table(PLACE / "seeds.parquet")
    parts = apart(arms)
    verdicts = {
        name: {section.question.key: section.cards for section in sections(results)}
        for name, results in parts.items()
    }
    check_readings(verdicts)
    for arm in arms:
        shutil.rmtree(PLACE / arm / "figures", ignore_errors=True)
    environment = Environment(
        loader=FileSystemLoader(HERE),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    text = environment.get_template("published_study.md.j2").render(
        in_short=in_short(arms, seeds),
        commands={arm: results.manifest["command"] for arm, results in arms.items()},
        summary=summary(verdicts),
        findings=[
            {
                **asked,
                "cards": _merged({name: _cards(some, asked) for name, some in verdicts.items()}),
                "table": _table(asked, arms, parts),
                "figures": _figures(asked, arms),
            }
            for asked in FINDINGS
        ],
        accuracies=accuracies(arms),
        cases=cases(arms, seeds),
        opposite=_opposite,
        recipe=_recipe(arms),
        costs=costs(arms, {arm: read_json(PLACE / arm / "forecast.json") for arm in arms}),
        bars=bars(arms),
        hours=hours(arms),
        machines=machines(arms),
        same_core=_same_core(arms),
    )
    path = PLACE.with_suffix(".md")
    # Reasons write a percentage without a space, tables with one.
    write_text(path, re.sub(r"(?<=\d)%", f"{SPACE}%", text))
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
    searched = next(c for c in first.manifest["cells"] if c["name"].startswith("search-"))
    return {
        "steps": f"{tuned['steps']:,}",
        "batch": tuned["batch_size"],
        "rate": f"{tuned['learning_rate']:g}",
        "pairs": f"{tuned['steps'] * tuned['batch_size']:,}",
        "share": tuned["steps"] * tuned["batch_size"] / PAPER_PAIRS,
        "searches": len(search["seeds"]),
        "searched": f"{searched['examples']:,}",
        "search_steps": searched["examples"] // search["options"]["batch_size"],
        "sparsities": " and ".join(f"{s:.0%}" for s in search["sparsities"]),
        "heads": " and ".join(f"{1 - share:.0%}" for share in heads),
        "mlps": f"{units[units['head'] < 0]['kept'].mean():.1%}",
    }


def _figures(asked: Mapping[str, Any], arms: Mapping[str, Results]) -> list[tuple[str, str]]:
    """Write the figures of a finding; return their names and paths."""
    figures = []
    for arm, results in arms.items():
        for question in (q for q in QUESTIONS if q.key in asked["shown"]):
            for drawing in draw(question, results.conclusions.tables, varied(results)):
                path = PLACE / arm / "figures" / f"{drawing.name}.svg"
                write_text(path, drawing.svg)
                figures.append((f"{arm}: {drawing.title}", str(path.relative_to(PLACE.parent))))
    return figures


def _table(
    asked: Mapping[str, Any], arms: Mapping[str, Results], parts: Mapping[str, Results]
) -> tuple[str, str] | None:
    """Return the title of the table beside the verdicts on a finding, and the table."""
    if "table" not in asked:
        return None
    section = SECTIONS[asked["table"]]
    return section.title, section.write(parts if section.apart else arms)


def _opposite(held: str, card: Card) -> str:
    """Explain how a finding can hold where the claim is contradicted, or the reverse."""
    turned = {"holds": "contradicted", "does not hold": "supported"}.get(held) == card.decision
    return f", as this is {card.decision}" if turned else ""


def check_readings(verdicts: Cards) -> None:
    """Make sure that every reading was written for these verdicts.

    Raises:
        InputError: If the verdicts were others when a reading was written.
    """
    for asked in FINDINGS:
        now = {name: _in_all(_counted(_cards(by_key, asked))) for name, by_key in verdicts.items()}
        if now != asked["read_when"]:
            raise InputError(
                f"the reading of {asked['title']!r} in published_findings.toml was written for "
                f"{asked['read_when']}, and the verdicts now are {now}: read them again, then "
                "change reading and read_when"
            )


def _merged(cards: Mapping[str, list[Any]]) -> dict[str, list[Any]]:
    """Join the verdicts on unseen and on seen cases of an arm where they are the same."""
    merged: dict[str, list[Any]] = {}
    for name, some in cards.items():
        arm = name.partition(",")[0]
        if merged.get(f"{arm}, unseen") == some:
            merged[f"{arm}, unseen and seen"] = merged.pop(f"{arm}, unseen")
        else:
            merged[name] = some
    return merged


def _cards(
    by_key: Mapping[str, Sequence[Card]], asked: Mapping[str, Any]
) -> list[tuple[str, bool, Card]]:
    """Return an arm's verdicts on a finding: whether it holds, whether that counts, the verdict."""
    aside = re.compile(asked.get("aside", "(?!)"))
    return [
        (_held(supports, card.decision), not aside.search(f"{card.claim} {card.where}"), card)
        for key, supports in asked["here"].items()
        for card in by_key.get(key, ())
    ]


def _counted(cards: Iterable[tuple[str, bool, Card]]) -> Counter[str]:
    return Counter(held for held, counts, _ in cards if counts)


def _held(supports: bool, decision: str) -> str:
    """Translate a decision into whether the paper's finding holds."""
    yes, no = _HOLDS[supports]
    return {"supported": yes, "contradicted": no}.get(decision, "not decided")


def summary(verdicts: Cards) -> str:
    """Write a table of whether each finding holds in each arm, and of the readings."""
    arms = list(dict.fromkeys(name.partition(",")[0] for name in verdicts))
    rows = []
    for number, asked in enumerate(FINDINGS, start=1):
        title = asked["title"]
        row = [f"[{number}. {title}](#{anchor(f'{number} {title}')})"]
        for arm in arms:
            by_text: dict[str, list[str]] = {}
            for name, by_key in verdicts.items():
                if name.partition(",")[0] == arm:
                    part = name.partition(", ")[2]
                    by_text.setdefault(_in_all(_counted(_cards(by_key, asked))), []).append(part)
            row.append(
                "<br>".join(
                    f"{' and '.join(parts)}: {text}" if len(by_text) > 1 else text
                    for text, parts in by_text.items()
                )
            )
        rows.append([*row, asked["reading"]])
    return to_markdown(["finding", *arms, "in words"], rows)


def _in_all(counts: Counter[str]) -> str:
    """Write what the verdicts on one finding come to, with their numbers."""
    word = in_a_word(counts)
    if not counts:
        return word
    texts = [f"{n} {_MANY.get(what, what) if n > 1 else what}" for what, n in counts.most_common()]
    return f"**{word}** ({', '.join(texts)})"


def _same_core(arms: Mapping[str, Results]) -> list[dict[str, Any]]:
    """Compare the cores of every two arms."""
    verdicts = compare_results(arms).verdicts if len(arms) > 1 else VERDICTS.empty()
    return verdicts[verdicts["question"] == OF_MODELS.key].to_dict("records")


if __name__ == "__main__":
    try:
        app()
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from None
