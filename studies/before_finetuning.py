"""Does a tuned model's core matter before fine-tuning, and in encoders of random weights?

A finished run with `[analysis.removal] probe` has asked it of the pretrained encoder. Here the same
is asked of encoders with the same configuration, tokenizer and inputs, whose weights are drawn at
random: a linear probe reads the intact encoder, and stays fixed while the core of the tuned model,
other heads of the same layers, and single units are removed. What the core does there is due to its
place in the network, and not to pretraining.

    python studies/before_finetuning.py runs/mpnet-mnli-hans --data FOLDER
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import torch
import typer

import heuristic_core as hc
from heuristic_core.analysis.questions import analyze
from heuristic_core.errors import InputError, one_line
from heuristic_core.measure.probe import probe_removals
from heuristic_core.models.classifier import Classifier
from heuristic_core.models.loading import new_classifier
from heuristic_core.progress import as_lines
from heuristic_core.report.results import Results
from heuristic_core.storage import write_json, write_text
from heuristic_core.study.analyses import open_finished
from heuristic_core.study.analysis_plan import sampled
from heuristic_core.study.kinds.removal import removal_sets
from heuristic_core.study.results import read_results

PRETRAINED = "pretrained"
_TABLES = ("removal", "removal_discrimination")
_MEASURES = ("core", "lowest", "highest")


def random_encoder(model: Classifier, seed: int) -> Classifier:
    """Return a model of the same configuration with the weights that a new one starts from.

    Args:
        model: The model, whose tokenizer and device it takes.
        seed: Seed of the weights.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        weights = type(model.hf)(model.hf.config)
    weights = weights.to(device=model.device, dtype=model.hf.dtype).eval()
    return Classifier(weights, model.tokenizer, f"random weights, seed {seed}", model.max_length)


def with_probe(results: Results, rows: Iterable[pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Put other measurements in the place of those that the run's own probe made.

    Args:
        results: The run's.
        rows: The removals of a probe, and how they change the AUROC of cases.
    """
    tables = dict(results.measured)
    for name, measured in zip(_TABLES, rows, strict=True):
        own = tables[name]
        (row,) = own.loc[own["readout"] == "probe", ["finetune_seed", "checkpoint"]].head(1).values
        system = {"finetune_seed": row[0], "checkpoint": row[1]}
        kept = own[own["readout"] != "probe"]
        tables[name] = pd.concat([kept, measured.assign(**system)], ignore_index=True)
    return tables


def answers(tables: dict[str, pd.DataFrame], settings: dict[str, Any]) -> list[dict[str, Any]]:
    """Compare the removal of the core with that of other heads, as a probe sees it.

    Args:
        tables: The measured tables, with one probe's removals.
        settings: The study's own of its analyses.
    """
    concluded = analyze(tables, margin_points=settings["margin_points"], seed=settings["seed"])
    verdicts = concluded.verdicts.query("question == 'core_removal' and readout == 'probe'")
    measures = concluded.tables["core-removal"].query("readout == 'probe'")
    removed = tables["removal"].query("readout == 'probe' and group == 'none'")
    correct = removed.groupby("role")[["correct", "n"]].sum()
    accuracy = (correct["correct"] / correct["n"]).to_dict()
    return [
        {
            "decision": row.decision,
            "reason": row.reason,
            "accuracy": accuracy,
            "measures": measures[["measure", *_MEASURES]].to_dict("records"),
        }
        for row in verdicts.itertuples()
    ]


def main(
    run: Annotated[Path, typer.Argument(help="A finished run folder, its analyses measured.")],
    data: Annotated[Path | None, typer.Option(help="The folder of data files.")] = None,
    draws: Annotated[int, typer.Option(min=1, help="How many encoders of random weights.")] = 3,
    out: Annotated[Path | None, typer.Option(help="Where the results go; RUN if absent.")] = None,
) -> None:
    """Remove the core of a tuned model from encoders of random weights."""
    opened, results = open_finished(run, data), read_results(run)
    cells = [cell for cell in opened.analyses.cells if cell.kind == "probe"]
    if not cells:
        raise InputError(f"{run} has no probe before fine-tuning; set [analysis.removal] probe")
    if len(cells[0].spec["core"]) < 2:
        raise InputError(f"{run} has no core of two heads or more to remove")
    settings, suites = opened.config.analysis, sampled(opened.config, opened.task)
    pretrained = new_classifier(
        opened.config.place(opened.config.last_source).to_load(),
        opened.task.labels,
        seed=cells[0].system["finetune_seed"],
        max_length=opened.config.model.max_length,
    )
    asked = {"margin_points": settings.margin_points, "seed": settings.seed}
    found = {PRETRAINED: answers(dict(results.measured), asked)}
    for seed in range(1, draws + 1):
        model = random_encoder(pretrained, seed)
        prepared = hc.prepare(model, opened.task, ablation=opened.config.search.ablation)
        progress = as_lines(f"random weights {seed} of {draws}", lambda line: print(line))
        measured = probe_removals(
            model,
            opened.task.search,
            suites,
            removal_sets(model, cells[0]),
            prepared.values,
            progress=progress,
        )
        tables = with_probe(results, (measured.removal, measured.discrimination))
        found[f"random {seed}"] = answers(tables, asked)
    place = out or run
    write_json(place / "before_finetuning.json", {"core": cells[0].spec["core"], "encoders": found})
    text = page(results.name, cells[0].spec["core"], found)
    write_text(place / "before_finetuning.md", text)
    print(text)


def page(name: str, core: list[str], found: dict[str, list[dict[str, Any]]]) -> str:
    """Write the answers as a table, a row for each encoder and measure.

    Args:
        name: The study's.
        core: The heads of the core.
        found: The answers by encoder.
    """
    lines = [
        f"# The core before fine-tuning: {name}",
        "",
        f"Changes without {', '.join(core)}; lowest and highest are of as many other heads of "
        "their layers, removed in the same way. AUROCs are between adversarial and friendly "
        "cases, margins in nats. Random encoders have the weights that a new model starts from.",
        "",
        "| encoder | probe in-domain | measure | core | lowest | highest | the core matters more |",
        "|---|---:|---|---:|---:|---:|---|",
    ]
    for encoder, of_encoder in found.items():
        for answer in of_encoder:
            for row in answer["measures"]:
                id_accuracy = f"{answer['accuracy'].get('id', float('nan')):.1%}"
                numbers = " | ".join(f"{row[key]:.3f}" for key in _MEASURES)
                decision = one_line(answer["decision"], 60)
                cells = (encoder, id_accuracy, row["measure"], numbers, decision)
                lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    try:
        typer.run(main)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from None
