"""What evaluating in bfloat16 saves and changes, on the models and subnetworks of a finished run.

The last model of a run and the first seed's subnetwork at each sparsity are evaluated in float32
and in bfloat16 (``evaluation.precision``), on a sample of each case. Both are timed in turn. Of the
run only fine-tuning and searches are needed; nothing in it is changed.

    python benchmarks/rounding.py runs/minilm-mnli-hans --data FOLDER --threads 2
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import subjects
from common import count, interleaved, mean, median, new_parser, run, save, seconds, shown, table
from heuristic_core.errors import InputError
from heuristic_core.measure.accuracy import Logits, per_example, predict
from heuristic_core.models.classifier import Classifier
from heuristic_core.models.loading import load_model
from heuristic_core.precision import Precision
from heuristic_core.search.find import find_subnetworks
from heuristic_core.study.kinds.search import SEARCH, load_subnetwork
from heuristic_core.study.plan import make_plan
from heuristic_core.study.run import load_study_task
from heuristic_core.study.run_folder import open_run
from heuristic_core.study.store import Store
from heuristic_core.subnetwork import Subnetwork
from heuristic_core.tasks.task import Suite
from heuristic_core.training.finetune import checkpoint_folder

PRECISIONS: tuple[Precision, ...] = ("float32", "bfloat16")
TOY = {"model": "toy", "ood_per_case": 2, "examples": 40, "repeats": 2}


def systems(folder: Path, data: Path | None) -> tuple[Classifier, tuple[Suite, ...], list[Any]]:
    """Read a run's last model, its suites, and the subnetworks with their sparsities."""
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
    missing += [search for search in map(SEARCH.needed_by, cells) if not store.has(search)]
    if not tuned or missing:
        raise InputError(f"{folder} has no fine-tuning and searches; do first: hcore run")
    location = checkpoint_folder(store.path(tuned[0]), first[0])
    model = load_model(location, max_length=config.model.max_length)
    subnetworks = [(cell.system["sparsity"], load_subnetwork(store, cell)) for cell in cells]
    return model, task.suites, [(0.0, None), *subnetworks]


def toy_systems(
    options: argparse.Namespace,
) -> tuple[Classifier, tuple[Suite, ...], list[Any]]:
    """Return the toy model, its suites, and random subnetworks."""
    it = subjects.subject(options)
    sparsities = [0.3, 0.6]
    subnetworks = find_subnetworks(it.model, it.data, sparsities, method="random")
    measured = [(0.0, None), *zip(sparsities, subnetworks, strict=True)]
    return it.model, it.task.suites, measured


def measure(
    model: Classifier, suite: Suite, subnetwork: Subnetwork | None, repeats: int
) -> dict[str, Any]:
    """Evaluate a suite in both precisions; return the differences and the share of the time."""
    encoded = model.encode(suite.examples)

    def answer(precision: Precision) -> Logits:
        return predict(model, encoded, subnetwork=subnetwork, precision=precision)

    logits = {name: answer(name) for name in PRECISIONS}
    frames = {
        name: per_example(suite, model.labels, answers, logits["float32"])
        for name, answers in logits.items()
    }

    def timer(precision: Precision) -> Callable[[int], float]:
        return lambda _: seconds(lambda: answer(precision))

    times = interleaved({name: timer(name) for name in PRECISIONS}, repeats)
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
    if options.toy:
        model, suites, subnetworks = toy_systems(options)
    elif options.run is None:
        raise InputError("name a run folder, such as runs/quickstart")
    else:
        model, suites, subnetworks = systems(options.run, options.data)
    for suite in suites:
        per_case = max(1, options.examples // len(suite.cases))
        some = suite.examples.sample_per_case(per_case, 0)
        small = Suite(
            name=suite.name,
            role=suite.role,
            examples=some,
            kinds=suite.kinds,
            label_map=suite.label_map,
            groups=suite.groups,
        )
        for sparsity, subnetwork in subnetworks:
            row = measure(model, small, subnetwork, options.repeats)
            yield {"suite": suite.name, "sparsity": sparsity, **row}


def benchmark(options: argparse.Namespace) -> None:
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


def main(arguments: Sequence[str] | None = None) -> None:
    parser = new_parser(__doc__)
    parser.add_argument("run", type=Path, nargs="?", help="a run folder")
    parser.add_argument("--data", type=Path, help="the folder of its data files")
    parser.add_argument("--examples", type=count, default=3000, help="of each suite, about")
    parser.add_argument("--repeats", type=count, default=3, help="rounds that are timed")
    run(benchmark, parser, TOY, arguments)


if __name__ == "__main__":
    main()
