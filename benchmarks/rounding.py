"""What evaluating in bfloat16 saves and changes, on the models and subnetworks of a finished run.

For the last model of a run and the first seed's subnetwork at each sparsity, each suite is answered
in float32 and in bfloat16 (``evaluation.bf16``), on a sample of each case. Both are timed in turn.
The run needs its fine-tuning and searches only; nothing in it is changed.

    python benchmarks/rounding.py runs/minilm-mnli-hans --data FOLDER --threads 2
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from common import count, interleaved, mean, median, new_parser, run, save, seconds, shown, table
from heuristic_core.errors import InputError
from heuristic_core.measure.accuracy import Logits, per_example, predict
from heuristic_core.models.classifier import Classifier
from heuristic_core.models.loading import load_model
from heuristic_core.study.plan import make_plan
from heuristic_core.study.run import load_study_task, open_run
from heuristic_core.study.saved import load_subnetwork
from heuristic_core.study.store import Store
from heuristic_core.subnetwork import Subnetwork
from heuristic_core.tasks.task import Suite
from heuristic_core.training.finetune import checkpoint_folder

PRECISIONS = {"float32": False, "bfloat16": True}


def systems(folder: Path, data: Path | None) -> tuple[Classifier, tuple[Suite, ...], list[Any]]:
    """Read a run's last model, its suites, and the subnetworks to measure with their sparsities."""
    config = open_run(folder)
    task = load_study_task(config, data)
    store, plan = Store(folder, make=False), make_plan(config, task)
    tuned = plan.of_kind("finetune")
    first = (config.pruned_checkpoints[-1], config.search.seeds[0])
    cells = [
        cell
        for cell in plan.of_kind("evaluate")
        if cell.kind == "evaluate" and (cell.system["checkpoint"], cell.system["seed"]) == first
    ]
    missing = [cell for cell in tuned if not store.has(cell)]
    missing += [c.needed("search") for c in cells if not store.has(c.needed("search"))]
    if not tuned or missing:
        raise InputError(f"{folder} has no fine-tuning and searches; do first: hcore run")
    location = checkpoint_folder(store.path(tuned[0]), first[0])
    model = load_model(location, max_length=config.model.max_length)
    found = [(cell.system["sparsity"], load_subnetwork(store, cell)) for cell in cells]
    return model, task.suites, [(0.0, None), *found]


def measure(
    model: Classifier, suite: Suite, subnetwork: Subnetwork | None, repeats: int
) -> dict[str, Any]:
    """Answer a suite in both precisions; give what differs and the share of the time."""
    encoded = model.encode(suite.examples)

    def answer(bf16: bool) -> Logits:
        return predict(model, encoded, subnetwork=subnetwork, bf16=bf16)

    logits = {name: answer(bf16) for name, bf16 in PRECISIONS.items()}
    frames = {
        name: per_example(suite, model.labels, found, logits["float32"])
        for name, found in logits.items()
    }
    times = interleaved(
        {name: lambda _, b=bf16: seconds(lambda: answer(b)) for name, bf16 in PRECISIONS.items()},
        repeats,
    )
    correct = {name: frame["correct"].to_numpy(dtype=float) for name, frame in frames.items()}
    differ = logits["float32"].argmax(1) != logits["bfloat16"].argmax(1)
    return {
        "n": len(encoded),
        "differ": mean(differ.astype(float)),
        "gain": mean(correct["bfloat16"] - correct["float32"]),
        "accuracy": float(correct["float32"].mean()),
        "kl": float(frames["bfloat16"]["kl"].mean()),
        "time": median(np.divide(times["bfloat16"], times["float32"])),
        "seconds": times,
    }


def measured(options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Measure all systems on samples of all suites."""
    model, suites, found = systems(options.run, options.data)
    for suite in suites:
        per_case = max(1, options.examples // len(suite.cases))
        some = suite.examples.sample_per_case(per_case, 0)
        small = Suite(suite.name, suite.role, some, suite.kinds, suite.label_map, suite.groups)
        for sparsity, subnetwork in found:
            row = measure(model, small, subnetwork, options.repeats)
            yield {"suite": suite.name, "sparsity": sparsity, **row}


def main(options: argparse.Namespace) -> None:
    """Measure, print and save."""
    rows = list(measured(options))
    cells = [
        [
            row["suite"],
            f"{row['sparsity']:.0%}",
            f"{row['n']}",
            f"{row['accuracy']:.1%}",
            shown(row["gain"], "+.2%"),
            shown(row["differ"], ".2%"),
            f"{row['kl']:.1e}",
            shown(row["time"], ".2f"),
        ]
        for row in rows
    ]
    head = ["suite", "sparsity", "examples", "accuracy", "change", "answers that differ"]
    save(
        options,
        "rounding",
        "Evaluating in bfloat16",
        "Beside float32: accuracy and its change, the share of answers that differ, the mean KL "
        "divergence (nats), and the share of the time. In brackets 95 % intervals, over examples "
        "and for times over rounds.",
        table([*head, "KL", "time"], cells),
        {"rows": [_plain(row) for row in rows]},
    )


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    estimates = ("differ", "gain", "time")
    return row | {k: [row[k].value, row[k].low, row[k].high] for k in estimates}


if __name__ == "__main__":
    parser = new_parser(__doc__)
    parser.add_argument("run", type=Path, help="a run folder")
    parser.add_argument("--data", type=Path, help="the folder of its data files")
    parser.add_argument("--examples", type=count, default=3000, help="of each suite, about")
    parser.add_argument("--repeats", type=count, default=3, help="rounds that are timed")
    run(main, parser)
