"""How far from the best subnetwork each search method ends, in models small enough to know it.

Every model is so small that the divergence of all subnetworks of a size can be computed
(``faithful/enumeration.py``). Searches see the very examples that divergence is measured on. Models
of 3 layers x 4 heads are trained from scratch like ``small`` of ``subjects.py``, shorter, each with
other weights at the start and another order of pairs; ``small`` itself has 20 units.

    python benchmarks/optimum.py --models 5 --seeds 4 --small
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

import subjects
from common import count, new_parser, percentage, run, save, table
from heuristic_core.faithful.enumeration import Enumeration, enumerate_subnetworks
from heuristic_core.models.classifier import Classifier
from heuristic_core.models.loading import load_model
from heuristic_core.search.asked import LEAST_FALL
from heuristic_core.search.data import SearchData, prepare
from heuristic_core.search.find import find_subnetworks
from heuristic_core.search.methods import METHODS, method_options
from heuristic_core.search.options import DeterministicOptions
from heuristic_core.storage import file_digest
from heuristic_core.study.settings import settings

INTRO = (
    "An instance is a model, a sparsity and a seed of the search. The optimum is the subnetwork of "
    "this size with the least mean KL divergence from the full model, of all that there are, on "
    "the examples that the search saw. A search is at the optimum if its divergence is at most "
    f"{LEAST_FALL:g} nats above; the excess is what it is above it, also as a share of that of the "
    "optimum. The place counts the subnetworks that are better. Methods that draw nothing find the "
    "same with every seed, which counts once."
)
#: The methods that are compared, some with other settings than their defaults.
VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    **{name: (name, {}) for name in METHODS if name != "paper"},
    "learned_no_exchange": ("learned", {"exchange_rounds": 0}),
    "learned_measured": ("learned", {"measured_rounds": 8}),
    "learned_more_exchange": ("learned", {"exchange_rounds": 24, "exchange_size": 1}),
    "paper": ("paper", {"by_length": True}),
}
TOY = {
    "models": 1,
    "seeds": 1,
    "sparsities": [0.85],
    "examples": 12,
    "small": False,
    "methods": ["learned", "gradient", "random"],
    "set": ["learned.ramp_steps=6", "learned.batch_size=4", "learned.exchange_rounds=1"],
}

Row = dict[str, Any]


def trained(options: argparse.Namespace) -> Iterator[tuple[str, Classifier, SearchData, str]]:
    """Give the models by name, each with the examples of its searches and a digest of both."""
    small = subjects.RECIPES["toy" if options.toy else "small"]
    fifteen = small
    if not options.toy:
        fifteen = replace(
            small,
            sizes=(16_000, 2000, 100),
            architecture={**small.architecture, "num_hidden_layers": 3},
            phases=((0.0, 900), (0.1, 300)),
        )
    recipes = {
        f"{i}": replace(fifteen, training={**small.training, "seed": i})
        for i in range(options.models)
    }
    if options.small:
        recipes["small"] = small
    for name, recipe in recipes.items():
        task = subjects.one_split_task(recipe.sizes, 1)
        cache = options.out if options.toy else options.cache
        named = name if name == "small" else f"optimum-{name}"
        folder = subjects.trained(named, recipe, task, cache)
        model = load_model(folder, max_length=subjects.LONGEST)
        data = prepare(model, task.search.sample(options.examples, seed=0))
        yield name, model, data, file_digest(folder / "model.safetensors")


def instances(
    variant: str, every: Enumeration, sparsity: float, options: argparse.Namespace
) -> Iterator[Row]:
    """Search with every seed, and say how far from the optimum each search ends."""
    method, base = VARIANTS[variant]
    changes = settings(options.set).get(variant, {})
    chosen = method_options(method, {**base, **changes})
    at = {choice.tobytes(): place for place, choice in enumerate(every.choices)}
    # These methods draw no examples here, so every seed finds the same.
    once = isinstance(chosen, DeterministicOptions) and chosen.examples >= options.examples
    for seed in range(1, 2 if once else options.seeds + 1):
        begin = time.perf_counter()
        (found,) = find_subnetworks(
            every.of.model,
            every.of.all_data,
            [sparsity],
            seed=seed,
            method=method,
            **chosen.model_dump(),
        )
        place = at[found.mask.tobytes()]
        yield {
            "variant": variant,
            "sparsity": sparsity,
            "seed": seed,
            "kl": float(every.kl[place]),
            "best": float(every.kl[0]),
            "place": int(np.searchsorted(every.kl, every.kl[place])),
            "of": len(every),
            "seconds": time.perf_counter() - begin,
        }


def summary(rows: list[Row]) -> list[str]:
    """Format how far from the optimum the searches of one method end."""
    kl, best = (np.array([row[what] for row in rows]) for what in ("kl", "best"))
    excess, places = kl - best, np.array([row["place"] for row in rows])
    middle, most = np.quantile(excess, [0.5, 0.9])
    middle_share, most_share = np.quantile(excess / best, [0.5, 0.9])
    return [
        f"{len(rows)}",
        f"{(excess <= LEAST_FALL).mean():.0%}",
        f"{middle:.2g}",
        f"{most:.2g}",
        f"{middle_share:.1%}",
        f"{most_share:.1%}",
        f"{np.median(places):,.0f}",
        f"{np.quantile(places, 0.9):,.0f}",
    ]


def benchmark(options: argparse.Namespace) -> None:
    rows: list[Row] = []
    sizes: list[list[str]] = []
    for name, model, data, weights in trained(options):
        for sparsity in options.sparsities:
            begin = time.perf_counter()
            every = enumerate_subnetworks(
                model, data, sparsity, examples=options.examples, limit=10**6
            )
            spent = time.perf_counter() - begin
            print(f"{name}: {every}, {spent:.0f} s", flush=True)
            within = every.count(1.25 * float(every.kl[0]))
            sizes.append(
                [
                    f"{name}, {len(model.space)} units",
                    f"{100 * sparsity:g} %",
                    f"{len(every):,}",
                    f"{every.kl[0]:.2g}",
                    f"{np.median(every.kl):.2g}",
                    f"{within:,}",
                    f"{spent:.0f}",
                ]
            )
            for variant in options.methods:
                rows += [
                    {"model": name, "weights": weights, **row}
                    for row in instances(variant, every, sparsity, options)
                ]
    head = ["method", "instances", "at the optimum", "excess KL", "90 %", "of the optimum's"]
    head += ["90 %", "better ones", "90 %"]
    lines = [
        [variant, *summary([row for row in rows if row["variant"] == variant])]
        for variant in options.methods
    ]
    titles = ["model", "dropped", "subnetworks", "least KL", "median", "within 1.25 x", "s"]
    save(
        options,
        "optimum",
        "How far from the best subnetwork",
        INTRO,
        table(head, lines, "Excess and better ones: the median and the 90 % quantile.")
        + "\n"
        + table(titles, sizes, "The enumerated models."),
        {"rows": rows},
    )


def parser(description: str | None) -> argparse.ArgumentParser:
    """Return a parser with the options that choose models and sizes."""
    program = new_parser(description)
    program.add_argument("--cache", type=Path, default=Path(__file__).parent / "cache")
    program.add_argument("--models", type=count, default=5, help="models of 15 units")
    program.add_argument("--small", action="store_true", help="also the model of 20 units")
    program.add_argument("--examples", type=count, default=128, help="mask-learning examples")
    program.add_argument(
        "--sparsities", type=percentage, nargs="+", default=[0.3, 0.5, 0.7], metavar="PERCENT"
    )
    program.add_argument("--set", action="append", default=[], metavar="METHOD.OPTION=VALUE")
    return program


def main(arguments: Sequence[str] | None = None) -> None:
    program = parser(__doc__)
    program.add_argument("--seeds", type=count, default=4, help="seeds of the search")
    program.add_argument(
        "--methods",
        nargs="+",
        choices=list(VARIANTS),
        default=[name for name in VARIANTS if name != "paper"],
    )
    run(benchmark, program, TOY, arguments)


if __name__ == "__main__":
    main()
