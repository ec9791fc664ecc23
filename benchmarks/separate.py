"""The learned search in one run through all sparsities, compared with a separate run for each.

Both have the same settings unless changed; ``joint.`` and ``separate.`` name the settings of one.
Every separate run starts from sparsity 0, so that all of them together take more steps.

    python benchmarks/separate.py --model small --seeds 5
    python benchmarks/separate.py --model small --seeds 5 --set joint.ramp_steps=40
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import searches
import subjects
from common import mean, median, new_parser, run, save, shown, table
from searches import Row, each_cost, entry, jaccard, values

SHORT = ("ramp_steps=6", "exchange_rounds=1")
TOY = searches.TOY | {
    "sparsities": [0.3, 0.6],
    "set": [f"{run}.{setting}" for run in ("joint", "separate") for setting in SHORT],
}

INTRO = (
    "KL to the full model on held-out in-domain pairs, in nats: medians over seeds. The difference "
    "is joint minus separate within seeds, its mean; Jaccard is between the two subnetworks of a "
    "seed. Brackets are 95 % bootstrap intervals over seeds. Costs are for each subnetwork."
)


def lines(joint: list[Row], separate: dict[float, list[Row]]) -> list[list[str]]:
    """Format one line for each sparsity."""
    result = []
    for sparsity, alone in separate.items():
        one, other = values(joint, sparsity, "id_kl"), values(alone, sparsity, "id_kl")
        overlap = [
            jaccard(entry(a, sparsity), entry(b, sparsity))
            for a, b in zip(joint, alone, strict=True)
        ]
        cells = [shown(median(one)), shown(median(other)), shown(mean(one - other))]
        cells.append(shown(mean(overlap), ".2f"))
        for what in ("seconds", "examples"):
            costs = [each_cost(row, what) for row in joint], [each_cost(row, what) for row in alone]
            cells += [f"{median(cost).value:.4g}" for cost in costs]
        result.append([f"{100 * sparsity:g} %", *cells])
    return result


def benchmark(options: argparse.Namespace) -> None:
    seeds = range(1, options.seeds + 1)
    work = searches.Searches(subjects.subject(options), options.out / "search-rows", options.set)
    wanted = sorted(options.sparsities)
    joint = [work.row("learned", wanted, seed, "joint") for seed in seeds]
    separate = {s: [work.row("learned", [s], seed, "separate") for seed in seeds] for s in wanted}
    head = ["dropped", "KL joint", "KL separate", "difference", "Jaccard"]
    head += ["s joint", "s separate", "examples joint", "examples separate"]
    content = {"joint": joint, "separate": [row for rows in separate.values() for row in rows]}
    save(
        options,
        f"separate-{options.model}",
        "One run for all sparsities, or one for each",
        INTRO,
        table(head, lines(joint, separate)),
        content,
    )


def main(arguments: Sequence[str] | None = None) -> None:
    program = new_parser(__doc__)
    searches.add_arguments(program, [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9])
    run(benchmark, program, TOY, arguments)


if __name__ == "__main__":
    main()
