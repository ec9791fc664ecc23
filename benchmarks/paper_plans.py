"""What the paper's studies come to: prunings, cells, and forecasts of time, memory and disk.

The files in ``studies/paper`` are planned and nothing is run. Only the shapes of the models matter,
so each is made with random weights. The data folder may hold fewer pairs than the studies ask for.

    python benchmarks/paper_plans.py --data FOLDER
"""

from __future__ import annotations

import argparse
import math
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    AutoModelForSequenceClassification,
    BertConfig,
    GPT2Config,
    PretrainedConfig,
    PreTrainedTokenizerFast,
    RobertaConfig,
)

from common import count, new_parser, run, save, table
from heuristic_core.study.analyses import plan_run
from heuristic_core.study.config import load_study
from heuristic_core.study.forecast import forecast, makespan
from heuristic_core.study.machines import GPUS, Machine
from heuristic_core.study.run import prepare_study
from heuristic_core.study.store import Cell, Store

STUDIES = Path(__file__).parents[1] / "studies/paper"
NAMES = ("mnli-hans", "qqp-paws", "roberta-mnli-hans", "gpt2-mnli-hans")
#: The published models' sizes, where they are not the defaults of their configuration.
SHAPES: dict[str, PretrainedConfig] = {
    "bert-base-cased": BertConfig(vocab_size=28996),
    "roberta-base": RobertaConfig(vocab_size=50265, max_position_embeddings=514, pad_token_id=1),
    "gpt2": GPT2Config(pad_token_id=0),
}
TOY = {"gpu": "A5000", "gpus": 2, "studies": ["roberta-mnli-hans"], "toy_task": True}
INTRO = (
    "Hours are forecast from the maker's peak speed in float32, of which each kind of cell is "
    "taken to reach the share that it reaches on a CPU with MiniLM; they leave out the cells about "
    "the core, which are planned after the searches. The paper took about 750 GPU-hours on A5000 "
    "cards in all (a second-hand figure)."
)


def made(folder: Path, source: str) -> Path:
    """Make a model of a published shape with random weights, and a tokenizer of a few words."""
    place = folder / source
    if not place.is_dir():
        AutoModelForSequenceClassification.from_config(SHAPES[source]).save_pretrained(place)
        words = Tokenizer(models.WordLevel({"[PAD]": 0, "[UNK]": 1}, unk_token="[UNK]"))
        words.pre_tokenizer = pre_tokenizers.Whitespace()
        PreTrainedTokenizerFast(
            tokenizer_object=words, pad_token="[PAD]", unk_token="[UNK]"
        ).save_pretrained(place)
    return place


def planned(options: argparse.Namespace, folder: Path, name: str) -> dict[str, Any]:
    """Plan a study and forecast it."""
    path = STUDIES / f"{name}.toml"
    source = load_study(path).model.source
    assert source is not None
    sets = [f"model.source='{made(folder, source)}'"]
    # As many pairs as there are here; how many there are changes no other number.
    sets += (
        [] if options.search_size is None else [f"task.options.search_size={options.search_size}"]
    )
    if options.toy_task:
        sets += ["task.name='hans-grammar'", "task.options={per_case=2, search_size=100}"]
    config, task = prepare_study(load_study(path, sets), options.data, folder / f"run-{name}")
    cells = plan_run(config, task, Store(folder / f"run-{name}", make=False))[0].cells
    weights = (config.place(config.last_source).shape or {}).get("bytes", 0)
    machines = [Machine(gpu=options.gpu, workers=n) for n in (1, options.gpus)]
    alone, together = (forecast(cells, None, machine, weights=weights) for machine in machines)
    searches = [cell for cell in cells if cell.kind == "search"]
    return {
        "study": name,
        "main_prunings": prunings(searches, of_grid=False),
        "grid_prunings": prunings(searches, of_grid=True),
        "cells": len(cells),
        "searching_hours": hours(f.seconds for f in alone if f.cell.kind == "search"),
        "hours": hours([makespan(alone, 1)]),
        "hours_together": hours([makespan(together, options.gpus)]),
        "gigabytes": sum(f.megabytes for f in alone) / 1e3,
        "memory": max(f.memory for f in alone) / 1e9,
    }


def prunings(searches: Sequence[Cell], *, of_grid: bool) -> int:
    """Count the subnetworks that searches find, those of the grid or the others."""
    chosen = [cell for cell in searches if cell.label.startswith("grid-") == of_grid]
    return sum(len(cell.spec["sparsities"]) for cell in chosen)


def hours(seconds: Iterable[float | None]) -> float:
    """Add up seconds; without a forecast of one there is none of all."""
    return sum(math.nan if s is None else s for s in seconds) / 3600


def benchmark(options: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory() as folder:
        names = [f"{name}{mode}" for name in options.studies for mode in ("", "-fast")]
        rows = [planned(options, Path(folder), name) for name in names]
    head = [
        "study",
        "prunings",
        "of the grid",
        "cells",
        f"hours on one {options.gpu}",
        "of them searching",
        f"hours on {options.gpus}",
        "disk, GB",
        "memory of a worker, GB",
    ]
    lines = [
        [
            f"`{row['study']}.toml`",
            f"{row['main_prunings']}",
            f"{row['grid_prunings']}",
            f"{row['cells']}",
            *(f"{row[key]:.3g}" for key in ("hours", "searching_hours", "hours_together")),
            *(f"{row[key]:.1f}" for key in ("gigabytes", "memory")),
        ]
        for row in rows
    ]
    save(
        options,
        "paper-plans",
        "The paper's studies, planned",
        INTRO,
        table(head, lines),
        {"rows": rows},
    )


def main(arguments: Sequence[str] | None = None) -> None:
    parser = new_parser(__doc__)
    parser.add_argument("--data", type=Path, help="the folder of data files")
    parser.add_argument("--gpu", choices=list(GPUS), default="A5000", help="what is forecast for")
    parser.add_argument("--gpus", type=count, default=8, help="how many of them")
    parser.add_argument("--studies", nargs="+", choices=NAMES, default=list(NAMES))
    parser.add_argument(
        "--search-size", type=count, help="mask-learning pairs, where there are few"
    )
    parser.set_defaults(toy_task=False)
    run(benchmark, parser, TOY, arguments)


if __name__ == "__main__":
    main()
