"""What faster matrix products save on a processor: steps of searches and of fine-tuning.

A search step is one of the learned search, a fine-tuning step one of the Trainer, on sentence pairs
of about the same number of tokens. Both are timed with the products that torch itself chooses and
with those that models use here, fine-tuning also in bfloat16. Rounds take the systems in turn.

    python benchmarks/products.py --source minilm runs/models/mpnet-base --threads 2
"""

from __future__ import annotations

import argparse
import copy
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from unittest import mock

import numpy as np
import torch

from common import (
    count,
    gate_step_seconds,
    interleaved,
    median,
    new_parser,
    run,
    save,
    shown,
    table,
)
from heuristic_core.errors import InputError
from heuristic_core.models import products
from heuristic_core.models.classifier import Classifier
from heuristic_core.models.loading import new_classifier
from heuristic_core.search.data import SearchData, prepare
from heuristic_core.search.learned import LearnedOptions
from heuristic_core.tasks.grammar import training_mix
from heuristic_core.tasks.hans import grammar_examples
from heuristic_core.tasks.labels import HANS_LABELS
from heuristic_core.tasks.task import Examples
from heuristic_core.training.finetune import finetune
from subjects import toy_encoder

#: By name, whether products are the faster ones, and what fine-tuning computes in.
SYSTEMS = {
    "torch's own": (False, "float32"),
    "faster": (True, "float32"),
    "bfloat16": (True, "bfloat16"),
}
TOY = {"batch": 4, "tuned": 4, "length": 18, "window": 4, "rounds": 2, "steps": 1, "warm_up": 1}
INTRO = (
    "Medians over rounds of the fastest step of a round, and of the ratios within rounds; in "
    "brackets 95 % bootstrap intervals. Times are the processor's own, for each thread; other "
    "programs disturb them less than those of the clock."
)


def pairs_of(model: Classifier, options: argparse.Namespace) -> Examples:
    """Select generated pairs whose number of tokens is near the one wanted."""
    examples = grammar_examples(training_mix(4000, seed=0, split="search"), "in-domain")
    distance = np.abs(model.encode(examples).lengths - options.length)
    rows = np.flatnonzero(distance <= options.window)
    if len(rows) < max(options.batch, options.tuned):
        raise InputError(f"only {len(rows)} pairs are of about {options.length} tokens")
    return examples.take(rows[:1000])


def search_seconds(
    model: Classifier, data: SearchData, seed: int, options: argparse.Namespace
) -> list[float]:
    """Time steps of the learned search, from the end of one step to the end of the next."""
    return gate_step_seconds(
        model,
        data,
        LearnedOptions(batch_size=options.batch),
        steps=options.steps,
        seed=seed,
        warm_up=options.warm_up,
        clock=time.process_time,
    )


def tuning_seconds(
    model: Classifier, examples: Examples, precision: str, options: argparse.Namespace
) -> list[float]:
    """Time steps of fine-tuning, from the end of one step to the end of the next."""
    ends: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        finetune(
            model,
            examples,
            Path(folder),
            steps=options.warm_up + options.steps,
            checkpoints=[],
            seed=0,
            batch_size=options.tuned,
            precision=precision,
            progress=lambda done, of: ends.append(time.process_time()),
        )
    return np.diff(ends)[options.warm_up - 1 :].tolist()


def systems(
    model: Classifier, examples: Examples, options: argparse.Namespace
) -> dict[str, Callable[[int], float]]:
    """Return functions that time the fastest step of a round; names say step, threads, system."""
    data = prepare(model, examples)
    tuned = copy.deepcopy(model)

    def timed(what: str, threads: int, system: str) -> Callable[[int], float]:
        fast, precision = SYSTEMS[system]

        def measure(round_: int) -> float:
            torch.set_num_threads(threads)
            slow = mock.patch.object(products, "has_products", return_value=False)
            with nullcontext() if fast else slow:
                if what == "fine-tuning":
                    return min(tuning_seconds(tuned, examples, precision, options)) / threads
                return min(search_seconds(model, data, 100 + round_, options)) / threads

        return measure

    return {
        f"{what} | {threads} | {system}": timed(what, threads, system)
        for what in ("search", "fine-tuning")
        for threads in range(1, options.threads + 1)
        for system, (_, precision) in SYSTEMS.items()
        if what == "fine-tuning" or precision == "float32"
    }


def row(step: str, times: dict[str, np.ndarray]) -> list[str]:
    """Return the cells of one row: milliseconds, and how many times as fast as torch's own."""
    own = times["torch's own"]
    cells = step.split(" | ")
    for system in SYSTEMS:
        known = times.get(system)
        cells.append("" if known is None else f"{1000 * np.median(known):.0f}")
        if system != "torch's own":
            cells.append("" if known is None else shown(median(own / known)))
    return cells


def benchmark(options: argparse.Namespace) -> None:
    sources = [toy_encoder(options.out)] if options.toy else options.source
    rows, every = [], {}
    for source in sources:
        name = Path(source).name
        model = new_classifier(source, HANS_LABELS, seed=0)
        every[name] = interleaved(systems(model, pairs_of(model, options), options), options.rounds)
        steps: dict[str, dict[str, np.ndarray]] = {}
        for key, times in every[name].items():
            step, system = key.rsplit(" | ", 1)
            steps.setdefault(step, {})[system] = np.array(times)
        rows += [row(f"{name}, {step}", of) for step, of in steps.items()]
    head = ["step", "threads", "torch's own, ms", "faster, ms", "times as fast", "bfloat16, ms"]
    text = table([*head, "times as fast"], rows)
    note = (
        f"Batches of {options.batch} pairs to search and {options.tuned} to fine-tune, each of "
        f"{options.length - options.window} to {options.length + options.window} tokens."
    )
    content = {"seconds": every}
    save(options, "products", "Faster matrix products", f"{note} {INTRO}", text, content)


def main(arguments: Sequence[str] | None = None) -> None:
    program = new_parser(__doc__)
    program.add_argument(
        "--source", nargs="+", default=["minilm"], help="encoders, which get a new head"
    )
    program.add_argument("--batch", type=count, default=16, help="pairs of a search step")
    program.add_argument("--tuned", type=count, default=32, help="pairs of a fine-tuning step")
    program.add_argument("--length", type=count, default=22, help="tokens of a pair")
    program.add_argument("--window", type=int, default=2, help="tokens more or less than that")
    program.add_argument("--rounds", type=count, default=10)
    program.add_argument("--steps", type=count, default=5, help="steps a round that count")
    program.add_argument("--warm-up", type=count, default=2, help="steps a round before these")
    run(benchmark, program, TOY, arguments)


if __name__ == "__main__":
    main()
