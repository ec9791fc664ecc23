"""One run through all sparsities beside a run of its own for each, for the learned search.

Both have the same settings unless told otherwise; ``joint.`` and ``separate.`` name those of one.
A run of its own rises from 0 anew, so that all of them together take more steps.

    python benchmarks/separate.py --model small --seeds 5
    python benchmarks/separate.py --model small --seeds 5 --set joint.ramp_steps=40
"""

from __future__ import annotations

import argparse

import models
import searches
from common import count, mean, median, new_parser, percentage, run, save, shown, table
from searches import Row, each_cost, entry, jaccard, values

INTRO = (
    "KL to the full model on held-out in-domain pairs, in nats: medians over seeds. The difference "
    "is joint minus separate within seeds, its mean; Jaccard is between the two subnetworks of a "
    "seed. Brackets are 95 % bootstrap intervals over seeds. Costs are for each subnetwork."
)


def lines(joint: list[Row], separate: dict[float, list[Row]]) -> list[list[str]]:
    """Lay out one line a sparsity."""
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


def main(options: argparse.Namespace) -> None:
    seeds = range(1, options.seeds + 1)
    work = searches.Searches(models.subject(options), options.out / "search-rows", options.set)
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


if __name__ == "__main__":
    program = new_parser(__doc__)
    models.add_arguments(program)
    searches.add_arguments(program)
    program.add_argument("--seeds", type=count, default=5, help="seeds of the search")
    program.add_argument(
        "--sparsities",
        type=percentage,
        nargs="+",
        default=[0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9],
        metavar="PERCENT",
    )
    run(main, program)
