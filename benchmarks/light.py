"""Light pruning: what is lost if only a few units are dropped.

The learned search passes through light sparsities in one run a seed. For each the page gives KL to
the full model in-domain and out-of-domain, and whether it rises from one sparsity to the next.

    python benchmarks/light.py --model minilm --seeds 5
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import searches
import subjects
from common import mean, median, new_parser, run, save, shown, table
from heuristic_core.analysis.intervals import Estimate
from heuristic_core.units import n_kept
from searches import Row, values

TOY = searches.TOY | {"sparsities": [0.1, 0.2]}

INTRO = (
    "KL to the full model in nats, medians over seeds. A step is the KL less that at the sparsity "
    "in the line above (less 0, the full model's, in the first), within seeds, its mean. Brackets "
    "are 95 % bootstrap intervals over seeds. A step rises or falls where its interval excludes 0."
)


def direction(step: Estimate, n_seeds: int) -> str:
    """Say whether a step rises or falls by its interval; a single seed decides nothing."""
    if n_seeds > 1 and step.low > 0:
        return "rises"
    return "falls" if n_seeds > 1 and step.high < 0 else "not decided"


def lines(rows: list[Row], sparsities: list[float], n_units: int) -> list[list[str]]:
    """Format one line for each sparsity."""
    result = []
    for i, sparsity in enumerate(sparsities):
        cells = [f"{100 * sparsity:g} %", str(n_units - n_kept(n_units, sparsity))]
        for domain in ("id", "ood"):
            kl = values(rows, sparsity, f"{domain}_kl")
            step = mean(kl - (values(rows, sparsities[i - 1], f"{domain}_kl") if i else 0))
            cells += [shown(median(kl)), shown(step), direction(step, len(rows))]
        accuracies = ("id_accuracy", "adversarial", "friendly")
        cells += [shown(mean(values(rows, sparsity, what)), ".1%") for what in accuracies]
        result.append(cells)
    return result


def benchmark(options: argparse.Namespace) -> None:
    it = subjects.subject(options)
    work = searches.Searches(it, options.out / "search-rows", options.set)
    wanted = sorted(options.sparsities)
    rows = [work.row(options.method, wanted, seed) for seed in range(1, options.seeds + 1)]
    head = ["dropped", "units dropped", "KL ID", "step ID", "", "KL OOD", "step OOD", ""]
    head += ["ID", "OOD adversarial", "OOD friendly"]
    full = work.full()
    accuracies = [f"{full[what]:.1%}" for what in ("id_accuracy", "adversarial", "friendly")]
    first = ["full model", "0", *["0", "", ""] * 2, *accuracies]
    save(
        options,
        f"light-{options.model}",
        "Light pruning",
        INTRO,
        table(head, [first, *lines(rows, wanted, len(it.model.space))]),
        {"full": full, "rows": rows},
    )


def main(arguments: Sequence[str] | None = None) -> None:
    program = new_parser(__doc__)
    searches.add_arguments(program, [0.025, 0.05, 0.1, 0.15, 0.2])
    program.add_argument("--method", choices=list(searches.VARIANTS), default="learned")
    run(benchmark, program, TOY, arguments)


if __name__ == "__main__":
    main()
