"""How the cost of a learned search grows: with input length, units, seeds and sparsities.

Models are BERTs of one width with random weights, inputs random tokens of one length. The first two
tables time steps of the search, the sizes in turn in every round. The last two time whole searches
with a shorter schedule than the default; the examples of the default are given too.

    python benchmarks/scaling.py --rounds 10
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from transformers import BertConfig, BertForSequenceClassification, BertTokenizer

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
from heuristic_core.models.classifier import Classifier
from heuristic_core.models.encoding import Encoded
from heuristic_core.models.means import averaging
from heuristic_core.search.data import SearchData
from heuristic_core.search.find import find_subnetworks
from heuristic_core.search.learned import LearnedOptions

VOCABULARY = 1000
TOY = {
    "width": 24,
    "layers": 2,
    "heads": 3,
    "batch": 4,
    "rounds": 2,
    "steps": 1,
    "ramp": 2,
    "hold": 1,
    "lengths": [4, 8],
    "seeds": [1, 2],
    "n_sparsities": [1, 2],
    "sizes": [(2, 3), (1, 6)],
}
INTRO = (
    "Step times are medians over rounds of the mean step of a round; ratios to the first line are "
    "taken within rounds. Brackets are 95 % bootstrap intervals over rounds. Of whole searches the "
    "times are medians over rounds as well."
)


def random_model(layers: int, heads: int, width: int, longest: int) -> Classifier:
    """Build a BERT with random weights; its tokenizer is never used."""
    config = BertConfig(
        vocab_size=VOCABULARY,
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        intermediate_size=4 * width,
        max_position_embeddings=longest,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        hf = BertForSequenceClassification(config).eval()
    names = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *map(str, range(5, VOCABULARY)))
    tokenizer = BertTokenizer(vocab={name: i for i, name in enumerate(names)})
    return Classifier(hf, tokenizer, "random", longest)


def random_data(model: Classifier, n: int, length: int) -> SearchData:
    """Build search data of random tokens, all examples of the same length."""
    ids = np.random.default_rng(0).integers(0, VOCABULARY, (n, length)).tolist()
    columns = {"input_ids": ids, "attention_mask": [[1] * length] * n}
    encoded = Encoded(columns, dict.fromkeys(columns, 0), "right", 0)
    with averaging(model.anatomy) as computed:
        reference = torch.log_softmax(model.logits(encoded), dim=-1)
    return SearchData(encoded, reference, computed.values())


def steps_of(
    sizes: dict[str, tuple[Classifier, int]], options: argparse.Namespace
) -> dict[str, list[list[float]]]:
    """Time steps of the search for several models and input lengths, in turn."""
    settings = LearnedOptions(batch_size=options.batch)

    def timer(model: Classifier, length: int) -> Callable[[int], list[float]]:
        data = random_data(model, 8 * options.batch, length)
        return lambda round_: gate_step_seconds(
            model, data, settings, steps=options.steps, seed=100 + round_
        )

    systems = {name: timer(*size) for name, size in sizes.items()}
    return interleaved(systems, options.rounds)


def step_table(what: str, times: dict[str, list[list[float]]]) -> str:
    """Format step times with their ratios to the first."""
    each = {name: np.array(rounds).mean(1) for name, rounds in times.items()}
    first = next(iter(each.values()))
    lines = [
        [name, shown(median(1000 * t)), shown(median(t / first)) if t is not first else "1"]
        for name, t in each.items()
    ]
    return table([what, "ms a step", "ratio"], lines)


def runs_of(
    plans: Mapping[str, tuple[int, Sequence[float]]], options: argparse.Namespace
) -> dict[str, list[float]]:
    """Time whole searches, each with its numbers of seeds and its sparsities, in turn."""
    model = random_model(options.layers, options.heads, options.width, options.lengths[0])
    data = random_data(model, 8 * options.batch, options.lengths[0])
    settings = {"ramp_steps": options.ramp, "hold_steps": options.hold, "batch_size": options.batch}

    def search(seeds: int, sparsities: Sequence[float]) -> None:
        for seed in range(seeds):
            find_subnetworks(model, data, sparsities, seed=seed, **settings)

    systems = {
        name: lambda _, plan=plan: seconds(lambda: search(*plan)) for name, plan in plans.items()
    }
    return interleaved(systems, options.rounds)


def run_table(
    what: str,
    plans: Mapping[str, tuple[int, Sequence[float]]],
    times: dict[str, list[float]],
    options: argparse.Namespace,
) -> str:
    """Format the times of whole searches with the number of examples they run."""
    short = LearnedOptions(
        ramp_steps=options.ramp, hold_steps=options.hold, batch_size=options.batch
    )
    lines = []
    for name, (seeds, sparsities) in plans.items():
        here = seeds * short.n_examples(sparsities)
        default = seeds * LearnedOptions().n_examples(sparsities)
        spent = median(times[name])
        each = 1000 * spent.value / here
        lines.append([name, shown(spent), f"{here:,}", f"{each:.2f}", f"{default:,}"])
    head = [what, "s", "examples", "ms an example", "examples with the default schedule"]
    return table(head, lines)


def evenly(n: int) -> list[float]:
    """Return so many sparsities, evenly spaced up to 90 %."""
    return [0.9 * (i + 1) / n for i in range(n)]


def benchmark(options: argparse.Namespace) -> None:
    width, longest = options.width, max(options.lengths)
    standard = random_model(options.layers, options.heads, width, longest)
    lengths = steps_of({str(n): (standard, n) for n in options.lengths}, options)
    print("lengths: done", flush=True)
    sizes = {}
    for layers, heads in options.sizes:
        model = random_model(layers, heads, width, options.lengths[0])
        sizes[f"{layers} x {heads}: {len(model.space)}"] = (model, options.lengths[0])
    units = steps_of(sizes, options)
    print("units: done", flush=True)
    seeds = {str(n): (n, [0.5]) for n in options.seeds}
    sparsities = {str(n): (1, evenly(n)) for n in options.n_sparsities}
    results: dict[str, Any] = {"lengths": lengths, "units": units}
    results["seeds"], results["sparsities"] = runs_of(seeds, options), runs_of(sparsities, options)
    text = "\n".join(
        [
            step_table("tokens", lengths),
            step_table("layers x heads: units", units),
            run_table("seeds at 50 %", seeds, results["seeds"], options),
            run_table("sparsities up to 90 %, one run", sparsities, results["sparsities"], options),
        ]
    )
    save(options, "scaling", "Scaling of the learned search", INTRO, text, {"seconds": results})


def size(text: str) -> tuple[int, int]:
    """Read a size such as ``6x12``, layers by heads."""
    layers, heads = text.split("x")
    return count(layers), count(heads)


def main(arguments: Sequence[str] | None = None) -> None:
    program = new_parser(__doc__)
    program.add_argument("--width", type=count, default=384, help="width of all models")
    program.add_argument("--layers", type=count, default=6, help="where only other things vary")
    program.add_argument("--heads", type=count, default=12, help="the same")
    program.add_argument("--batch", type=count, default=16)
    program.add_argument("--rounds", type=count, default=10)
    program.add_argument("--steps", type=count, default=4, help="steps a round that count")
    program.add_argument("--ramp", type=count, default=8, help="ramp steps of whole searches")
    program.add_argument("--hold", type=int, default=2, help="hold steps of whole searches")
    for name, default, what in (
        ("--lengths", [16, 32, 64, 128], "tokens"),
        ("--seeds", [1, 2, 4], "numbers of seeds"),
        ("--n-sparsities", [1, 2, 4, 8], "numbers of sparsities"),
    ):
        program.add_argument(name, type=count, nargs="+", default=default, help=what)
    sizes = [(2, 12), (4, 12), (6, 12), (12, 12), (6, 6), (6, 24)]
    program.add_argument("--sizes", type=size, nargs="+", default=sizes, metavar="LAYERSxHEADS")
    run(benchmark, program, TOY, arguments)


if __name__ == "__main__":
    main()
