"""The cost of a mask-learning step, compared with a lower bound and with the published step.

On the same batches of sentence pairs, padded to the longest of each batch unless said otherwise:

- learned: steps of the learned search, timed in the training itself;
- floor: forward and backward through the frozen model to its input embeddings, without gates; the
  full model's predictions and the batches are computed beforehand;
- paper: a pass of the published procedure, padded to the model's longest input; the full model's
  predictions are computed at each pass;
- paper_cached: the same with predictions computed beforehand.

Batch size is the same for all, and a step is one pass. Rounds take the systems in turn.

    python benchmarks/step_cost.py --rounds 20 --steps 5
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from functools import partial

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
    seconds,
    shown,
    table,
)
from heuristic_core.errors import InputError
from heuristic_core.models.classifier import Classifier
from heuristic_core.models.loading import new_classifier
from heuristic_core.search.data import SearchData, prepare
from heuristic_core.search.gate_training import GateOptions, kl_divergence
from heuristic_core.search.learned import LearnedOptions
from heuristic_core.search.paper import PaperOptions
from heuristic_core.tasks.grammar import training_mix
from heuristic_core.tasks.hans import grammar_examples
from heuristic_core.tasks.labels import HANS_LABELS
from subjects import toy_encoder

PAIRS = [
    ("learned", "floor"),
    ("paper", "learned"),
    ("paper_cached", "learned"),
    ("paper", "floor"),
    ("paper_cached", "floor"),
]
TOY = {
    "batch": 4,
    "length": 18,
    "window": 4,
    "max_length": 32,
    "rounds": 2,
    "steps": 1,
    "warm_up": 1,
}
INTRO = (
    "Times are medians over rounds of the mean step of a round. Ratios are taken within rounds, "
    "the median with its 95 % bootstrap interval over rounds."
)


def of_length(model: Classifier, options: argparse.Namespace) -> SearchData:
    """Select generated pairs whose number of tokens is near the one wanted."""
    examples = grammar_examples(training_mix(4000, seed=0, split="search"), "in-domain")
    distance = np.abs(model.encode(examples).lengths - options.length)
    rows = np.flatnonzero(distance <= options.window)
    if len(rows) < options.batch:
        raise InputError(f"only {len(rows)} pairs are of about {options.length} tokens")
    return prepare(model, examples.take(rows[:2000]))


def batches(data: SearchData, size: int, n: int, seed: int) -> list[np.ndarray]:
    """Return the batches of gate training with this seed."""
    return list(data.encoded.shuffled(size, n, np.random.default_rng(seed)))


def floor_seconds(
    model: Classifier, data: SearchData, rows_of: list[np.ndarray], warm_up: int
) -> list[float]:
    """Time forward and backward passes to the input embeddings, weights frozen."""
    words = model.hf.get_input_embeddings()
    prepared = []
    for rows in rows_of:
        batch = data.encoded.batch(rows, model.device)
        embedded = words(batch.pop("input_ids")).detach().requires_grad_()
        prepared.append((embedded, batch, data.reference[rows]))

    def step(
        embedded: torch.Tensor, batch: dict[str, torch.Tensor], reference: torch.Tensor
    ) -> None:
        logits = model.hf(inputs_embeds=embedded, **batch).logits
        kl_divergence(reference, logits).mean().backward()

    with model.frozen():
        times = [seconds(partial(step, *inputs)) for inputs in prepared]
    return times[warm_up:]


def systems(
    model: Classifier, data: SearchData, options: argparse.Namespace
) -> dict[str, Callable[[int], list[float]]]:
    """Return functions that time each system in a round, all on the batches of its seed."""
    size, steps, warm_up = options.batch, options.steps, options.warm_up

    def trained(settings: GateOptions) -> Callable[[int], list[float]]:
        return lambda round_: gate_step_seconds(
            model, data, settings, steps=steps, seed=100 + round_, warm_up=warm_up
        )

    def floor(round_: int) -> list[float]:
        rows_of = batches(data, size, warm_up + steps, 100 + round_)
        return floor_seconds(model, data, rows_of, warm_up)

    paper = PaperOptions(batch_size=size, accumulate=1)
    return {
        "learned": trained(LearnedOptions(batch_size=size)),
        "floor": floor,
        "paper": trained(paper),
        "paper_cached": trained(paper.model_copy(update={"cached_reference": True})),
    }


def benchmark(options: argparse.Namespace) -> None:
    source = toy_encoder(options.out) if options.toy else options.source
    model = new_classifier(source, HANS_LABELS, seed=0, max_length=options.max_length)
    data = of_length(model, options)
    lengths = data.encoded.lengths
    times = interleaved(systems(model, data, options), options.rounds)
    each = {name: np.array(rounds).mean(1) for name, rounds in times.items()}
    some = batches(data, options.batch, 200, 0)
    padded = float(np.mean([lengths[rows].max() for rows in some]))
    tokens = {"mean": float(lengths.mean()), "low": int(lengths.min()), "high": int(lengths.max())}
    tokens["mean_padded"] = padded
    note = (
        f"{len(lengths)} pairs of {tokens['low']} to {tokens['high']} tokens, "
        f"{tokens['mean']:.1f} on average, {padded:.1f} with padding; "
        f"{model.max_length} with that of the published procedure."
    )
    speeds = [
        [name, shown(median(1000 * t)), f"{options.batch / np.median(t):.1f}"]
        for name, t in each.items()
    ]
    ratios = {f"{a} / {b}": median(each[a] / each[b]) for a, b in PAIRS}
    text = table(["step", "ms", "examples a second"], speeds)
    text += "\n" + table(["ratio of times", ""], [[name, shown(r)] for name, r in ratios.items()])
    content = {
        "tokens": tokens,
        "seconds": times,
        "ratios": {n: vars(r) for n, r in ratios.items()},
    }
    save(options, "step-cost", "Cost of a mask-learning step", f"{note} {INTRO}", text, content)


def main(arguments: Sequence[str] | None = None) -> None:
    program = new_parser(__doc__)
    program.add_argument("--source", default="minilm", help="an encoder; it gets a new head")
    program.add_argument("--batch", type=count, default=16, help="examples a step")
    program.add_argument("--length", type=count, default=22, help="tokens of a pair")
    program.add_argument("--window", type=int, default=2, help="tokens more or less than that")
    program.add_argument("--max-length", type=count, default=128, help="published padding")
    program.add_argument("--rounds", type=count, default=20)
    program.add_argument("--steps", type=count, default=5, help="steps a round that count")
    program.add_argument("--warm-up", type=count, default=2, help="steps a round before these")
    run(benchmark, program, TOY, arguments)


if __name__ == "__main__":
    main()
