"""How faithful subnetworks are at each sparsity, for every search method, and at what cost.

A method finds its subnetworks at all sparsities in one run a seed; ``paper`` runs once for each of
``--paper-sparsities``, and only in the small model unless ``--paper`` is given. Greedy removal is
left out where the model has more units than it takes. The second page compares the learned search
with the published procedure. Earlier results are not computed again.

    python benchmarks/frontier.py --model small --seeds 5
    python benchmarks/frontier.py --model minilm --seeds 3 --ood-per-case 10
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from typing import Any

import matplotlib
import matplotlib.pyplot as plt
import numpy as np

import searches
import subjects
from common import mean, median, new_parser, percentage, run, save, shown, table
from heuristic_core.analysis.intervals import Estimate, student
from heuristic_core.storage import replacing
from searches import VARIANTS, Row, each_cost, entry, jaccard, values

#: Runs by variant.
Runs = dict[str, list[Row]]
INTRO = (
    "All methods are measured on the same held-out pairs. KL is that of the full model's "
    "predictions to the subnetwork's, in nats. Values are over seeds, brackets 95 % bootstrap "
    "intervals over seeds; a method that draws nothing has none. The cost of a run that finds "
    "several subnetworks is divided among them; an example run forward alone counts for half."
)
CONTENDERS = ("learned", "learned_no_exchange")
TOY = searches.TOY | {"sparsities": [0.3, 0.6], "paper_sparsities": [0.6], "paper": True}
PAIR_INTRO = (
    "The learned search, one run for all sparsities, and the published procedure, a run for "
    "each, cut to the same number of units by its soft values. Differences (learned less "
    "published) and ratios are between runs of the same seed: the mean of the differences, the "
    "median of the ratios of seconds and of examples, with 95 % bootstrap intervals over seeds. "
    "The core is the set of heads in the subnetworks of all seeds."
)


def rows_at(rows: list[Row], sparsity: float) -> list[Row]:
    return [row for row in rows if sparsity in row["sparsities"]]


def grid(
    runs: Runs,
    sparsities: list[float],
    what: str,
    summary: Callable[[np.ndarray], Estimate],
    form: str,
    caption: str,
) -> str:
    """Format one number by sparsity and method."""
    lines = []
    for sparsity in sparsities:
        cells = [f"{100 * sparsity:g} %"]
        for rows in runs.values():
            there = rows_at(rows, sparsity)
            cells.append(shown(summary(values(there, sparsity, what)), form) if there else "")
        lines.append(cells)
    return table(["dropped", *runs], lines, caption)


def costs(runs: Runs) -> str:
    """Format the cost of each method."""
    lines = []
    for variant, rows in runs.items():
        seconds = median([each_cost(row, "seconds") for row in rows])
        examples = median([each_cost(row, "examples") for row in rows]).value
        whole = median([row["seconds"] for row in rows]).value
        each = np.median([len(row["subnetworks"]) for row in rows])
        lines.append([variant, shown(seconds), f"{examples:,.0f}", f"{whole:.3g}", f"{each:.0f}"])
    head = ["method", "s a subnetwork", "examples a subnetwork", "s a run", "subnetworks a run"]
    return table(head, lines, "Cost")


def spread(numbers: np.ndarray) -> str:
    """Format the mean of accuracies with its interval, their standard deviation and range."""
    interval = student(numbers)
    deviation = numbers.std(ddof=1) if len(numbers) > 1 else 0.0
    ends = f"[{interval.low:.1%}, {interval.high:.1%}]" if len(numbers) > 1 else ""
    return (
        f"{numbers.mean():.1%} {ends} ± {100 * deviation:.1f} "
        f"({numbers.min():.1%} to {numbers.max():.1%})"
    )


def overlaps(rows: list[Row], sparsity: float) -> str:
    """Format the mean and range of the overlap of two seeds' subnetworks."""
    subs = [entry(row, sparsity) for row in rows]
    pairs = [jaccard(a, b) for a, b in combinations(subs, 2)]
    return f"{np.mean(pairs):.2f} ({min(pairs):.2f} to {max(pairs):.2f})" if pairs else ""


def core(rows: list[Row], sparsity: float) -> str:
    """List the heads in all subnetworks."""
    shared = set.intersection(*(set(entry(row, sparsity)["kept"]) for row in rows))
    heads = sorted(unit for unit in shared if not unit.endswith("MLP"))
    return f"{len(heads)}: {' '.join(heads)}"


def versus(runs: Runs) -> str:
    """Compare the learned search, with and without exchanges, with the published procedure."""
    lines, described = [], []
    contenders = [name for name in CONTENDERS if name in runs]
    for sparsity in sorted({s for row in runs["paper"] for s in row["sparsities"]}):
        of = {
            name: {row["seed"]: row for row in rows_at(runs[name], sparsity)}
            for name in (*contenders, "paper")
        }
        both = sorted(set.intersection(*(set(rows) for rows in of.values())))
        if not both:
            continue
        chosen = {name: [rows[seed] for seed in both] for name, rows in of.items()}
        share = f"{100 * sparsity:g} %"
        theirs = values(chosen["paper"], sparsity, "id_kl")
        for name in contenders:
            ours = values(chosen[name], sparsity, "id_kl")
            pairs = list(zip(chosen[name], chosen["paper"], strict=True))
            ratios = [
                shown(median([each_cost(y, what) / each_cost(x, what) for x, y in pairs]))
                for what in ("seconds", "examples")
            ]
            kls = [shown(median(ours)), shown(median(theirs)), shown(mean(ours - theirs))]
            lines.append([f"{share}, {name}", str(len(both)), *kls, *ratios])
        described += [
            [
                f"{share}, {name}",
                overlaps(rows, sparsity),
                core(rows, sparsity),
                *(spread(values(rows, sparsity, kind)) for kind in ("adversarial", "friendly")),
            ]
            for name, rows in chosen.items()
        ]
    head = ["dropped", "seeds", "KL", "KL of paper", "difference", "times faster", "times fewer"]
    head_of_seeds = ["subnetworks", "Jaccard of two seeds", "core", "OOD adversarial"]
    return (
        table(head, lines, "Faithfulness and cost")
        + "\n"
        + table(
            [*head_of_seeds, "OOD friendly"],
            described,
            "Seeds: means and ranges; of accuracies also the mean's 95 % interval (Student) and "
            "the standard deviation, in points",
        )
    )


def figure(runs: Runs, path: Any) -> None:
    """Draw KL against sparsity, one line a method."""
    matplotlib.use("svg")
    style: Any = {"svg.hashsalt": "frontier", "font.size": 9, "svg.fonttype": "none"}
    with plt.rc_context(style):
        drawing, axes = plt.subplots(figsize=(7.5, 4.5), layout="constrained")
        colours = matplotlib.color_sequences["tab20"]
        for colour, (variant, rows) in zip(
            (*colours[::2], *colours[1::2]), runs.items(), strict=False
        ):
            at = sorted({s for row in rows for s in row["sparsities"]})
            middle = [np.median(values(rows_at(rows, s), s, "id_kl")) for s in at]
            strong = variant in ("learned", "paper")
            axes.plot(
                [100 * s for s in at],
                middle,
                marker="o",
                markersize=4 if strong else 2.5,
                linewidth=2 if strong else 1,
                linestyle=":" if variant == "paper" else "-",
                color=colour,
                label=variant,
            )
        axes.set_yscale("log")
        axes.set_xlabel("units dropped, %")
        axes.set_ylabel("KL to the full model, in-domain, nats")
        axes.spines[["top", "right"]].set_visible(False)
        drawing.legend(loc="outside right upper", frameon=False)
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as target:
            drawing.savefig(target, format="svg", metadata={"Date": None})
        plt.close(drawing)


def search_all(work: searches.Searches, options: argparse.Namespace) -> Runs:
    """Run every method that fits, or read earlier results."""
    seeds = range(1, options.seeds + 1)
    wanted = sorted(options.sparsities)
    runs: Runs = {}
    for variant in options.methods:
        if not work.fits(variant):
            print(f"{variant} left out: the model has too many units", flush=True)
        elif variant != "paper":
            runs[variant] = [work.row(variant, wanted, seed) for seed in seeds]
        elif options.paper or options.model == "small":
            runs[variant] = [
                work.row(variant, [s], seed) for seed in seeds for s in options.paper_sparsities
            ]
    return runs


def tables(runs: Runs, full: Mapping[str, float], options: argparse.Namespace) -> str:
    """Format the first page's tables."""
    wanted = sorted({*options.sparsities, *options.paper_sparsities})
    line = ", ".join(f"{name} {full[what]:.1%}" for what, name in ACCURACIES.items())
    parts = [f"Full model, accuracy: {line}\n", costs(runs)]
    parts.append(grid(runs, wanted, "id_kl", median, ".3g", "KL, in-domain: medians"))
    for what, name in ACCURACIES.items():
        parts.append(grid(runs, wanted, what, mean, ".1%", f"Accuracy, {name}: means"))
    return "\n".join(parts)


ACCURACIES = {
    "id_accuracy": "in-domain",
    "adversarial": "OOD adversarial",
    "friendly": "OOD friendly",
}


def benchmark(options: argparse.Namespace) -> None:
    work = searches.Searches(subjects.subject(options), options.out / "search-rows", options.set)
    runs = search_all(work, options)
    full = work.full()
    name = f"frontier-{options.model}"
    save(
        options,
        name,
        "Faithfulness against sparsity",
        INTRO,
        tables(runs, full, options),
        {"full": full, "rows": runs},
    )
    figure(runs, options.out / f"{name}.svg")
    if {"learned", "paper"} <= runs.keys():
        rows = {variant: runs[variant] for variant in (*CONTENDERS, "paper") if variant in runs}
        title = "The learned search and the published procedure"
        save(options, f"versus-paper-{options.model}", title, PAIR_INTRO, versus(runs), rows)


def main(arguments: Sequence[str] | None = None) -> None:
    program = new_parser(__doc__)
    searches.add_arguments(program, [i / 20 for i in range(1, 19)])
    program.add_argument("--methods", nargs="+", choices=list(VARIANTS), default=list(VARIANTS))
    program.add_argument(
        "--paper-sparsities",
        type=percentage,
        nargs="+",
        default=[0.3, 0.5, 0.7],
        metavar="PERCENT",
        help="for paper, a run for each",
    )
    program.add_argument(
        "--paper", action="store_true", help="run paper in minilm too, which takes days"
    )
    run(benchmark, program, TOY, arguments)


if __name__ == "__main__":
    main()
