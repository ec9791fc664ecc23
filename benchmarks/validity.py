"""Whether the p-values of a card of validity are what they claim, and what cards say of methods.

Under the null, subnetworks are drawn at random: p of sufficiency and of necessity by rank should be
uniform, and few of the corrected ones small. Idle units are planted in a copy of the model, whose
examples are drawn again and again: few should be called needed. Then each method's subnetworks get
a card. Seconds are the processor's own.

    python benchmarks/validity.py --model small --seeds 3
    python benchmarks/validity.py --model minilm --seeds 1 --methods learned gradient --cases 0
"""

from __future__ import annotations

import argparse
import copy
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from scipy import stats

import searches
import subjects
from common import count, new_parser, run, save, table
from heuristic_core.analysis.intervals import holm
from heuristic_core.faithful.divergence import Divergences, Masks
from heuristic_core.faithful.needed import needed_units
from heuristic_core.faithful.rank_tests import comparisons, rank_rows
from heuristic_core.faithful.remembered import Remembered
from heuristic_core.faithful.validity import validate
from heuristic_core.search.data import SearchData, prepare
from heuristic_core.search.problem import no_progress
from heuristic_core.subnetwork import Subnetwork

INTRO = (
    "The first table is of random subnetworks that keep --null-kept units. The second is of units "
    "that do nothing, beside the others, in random subnetworks that keep half of the units, on "
    "examples drawn with replacement. The third is of cards: the largest p of sufficiency and of "
    "necessity beside both kinds of random sets, Holm-corrected over the card, and how many of the "
    "units kept are shown to be needed."
)
#: Settings of random choices, so that those of one part do not move those of another.
_DRAWN, _IDLE = 1, 2
TOY = searches.TOY | {
    "sparsities": [0.6],
    "methods": ["gradient", "random"],
    "cases": 10,
    "null_kept": 2,
    "draws": 39,
    "examples": 8,
}


def null(it: subjects.Subject, data: SearchData, options: argparse.Namespace) -> dict[str, Any]:
    """Test random subnetworks: the share that is found anything, and whether p is uniform."""
    space, n = it.model.space, len(it.model.space)
    kl = Remembered(Divergences(it.model, data), no_progress).of
    rng = np.random.default_rng(_DRAWN)
    found = []
    for number in range(options.cases):
        mask = np.isin(np.arange(n), rng.permutation(n)[: options.null_kept])
        sub = Subnetwork(space, space.from_mask(mask))
        rows = rank_rows(
            comparisons(sub, np.zeros(n, dtype=bool)), space, kl, options.draws, number
        )
        found.append([row["p"] for row in rows])
    p = np.array(found)
    corrected = np.array([holm(row) for row in p])
    return {
        "tests": [f"{row['test']}, {row['drawn']}" for row in rows],
        "passed": (p <= 0.05).mean(0).tolist(),
        "ks": [float(stats.kstest(column, "uniform").pvalue) for column in p.T],
        "any_corrected": float((corrected <= 0.05).any(1).mean()),
    }


def idle(it: subjects.Subject, options: argparse.Namespace) -> dict[str, Any]:
    """Count how often units that do nothing, and others, are called needed."""
    model = copy.deepcopy(it.model)
    planted = plant_idle(model)
    data = prepare(model, it.task.search.sample(20 * options.examples, seed=0))
    space, n = model.space, len(model.space)
    kl = Remembered(Divergences(model, data), no_progress)
    at = [space.index(unit) for unit in planted]
    rng = np.random.default_rng(_IDLE)
    any_idle, share_idle, share_others = [], [], []
    for number in range(options.cases):
        mask = np.isin(np.arange(n), rng.permutation(n)[: n // 2])
        mask[at[number % len(at)]] = True
        rows = rng.integers(len(data.encoded), size=options.examples)

        def on_sample(masks: Masks, rows: np.ndarray = rows) -> np.ndarray:
            return kl.per_example(masks)[:, rows]

        units, _ = needed_units(space, mask, np.ones(n, dtype=bool), on_sample, [number])
        of_idle = units["unit"].isin(planted)
        any_idle.append(units.loc[of_idle, "needed"].any())
        share_idle += units.loc[of_idle, "needed"].tolist()
        share_others += units.loc[~of_idle, "needed"].tolist()
    return {
        "planted": planted,
        "any_idle": float(np.mean(any_idle)),
        "idle": float(np.mean(share_idle)),
        "others": float(np.mean(share_others)),
    }


def plant_idle(model: Any) -> list[str]:
    """Make the output of one head of every layer constant, and that of the last MLP."""
    family, hf = model.family, model.hf
    planted = []
    with torch.no_grad():
        for i, layer in enumerate(family.layer_list(hf)):
            out = layer.get_submodule(family.attention_out)
            width = model.anatomy.d_heads[i]
            out.weight[:, :width] = 0
            planted.append(f"L{i}H0")
        last = family.layer_list(hf)[-1].get_submodule(family.mlp_before[-1])
        last.weight.zero_()
        last.bias.zero_()
    return [*planted, f"L{i}MLP"]


def cards(it: subjects.Subject, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Make the card of every method's subnetworks."""
    work = searches.Searches(it, options.out / "search-rows", options.set)
    values = it.data.values.arrays()
    rows: list[dict[str, Any]] = []
    for variant in options.methods:
        for seed in range(1, options.seeds + 1):
            found = work.row(variant, options.sparsities, seed)
            for sparsity in options.sparsities:
                kept = frozenset(map(it.model.space.units.__getitem__, _kept(it, found, sparsity)))
                sub = Subnetwork(it.model.space, kept, values=values)
                begin = time.process_time()
                card = validate(
                    it.model,
                    it.task,
                    sub,
                    draws=options.draws,
                    examples=options.examples,
                    unit_examples=4 * options.examples,
                    precision=options.precision,
                    compact=options.model == "minilm",
                )
                rows.append(
                    {
                        "method": variant,
                        "sparsity": sparsity,
                        "seed": seed,
                        "seconds": time.process_time() - begin,
                        "card": card.record(),
                    }
                )
                print(f"{variant} {sparsity:.0%} {seed}: {card!r}", flush=True)
    return rows


def _kept(it: subjects.Subject, found: searches.Row, sparsity: float) -> list[int]:
    return [it.model.space.index(unit) for unit in searches.entry(found, sparsity)["kept"]]


def _line(row: dict[str, Any]) -> list[str]:
    card = row["card"]
    cells = [f"{row['method']}, {row['sparsity']:.0%}, {row['seed']}"]
    for test in ("sufficiency", "necessity"):
        tested = [one for one in card["tests"] if one["test"] == test]
        cells += [
            f"{tested[0]['value']:.3g}",
            f"{tested[0]['random']:.3g}",
            f"{max(one['p_corrected'] for one in tested):.2g}",
        ]
    n_kept = len(card["units"])
    return [*cells, f"{card['needed']} of {n_kept}", f"{row['seconds']:.0f}"]


def benchmark(options: argparse.Namespace) -> None:
    it = subjects.subject(options)
    inner = next(suite for suite in it.task.suites if suite.role == "id")
    examples = inner.examples.sample(options.examples, seed=0)
    data = prepare(it.model, examples, values=it.data.values)
    content: dict[str, Any] = {}
    tables = []
    if options.cases:
        content["null"] = null(it, data, options)
        lines = [
            [test, f"{passed:.1%}", f"{ks:.2g}"]
            for test, passed, ks in zip(
                *(content["null"][key] for key in ("tests", "passed", "ks")), strict=True
            )
        ]
        lines.append(["any of them, corrected", f"{content['null']['any_corrected']:.1%}", ""])
        head = ["random subnetworks", "p at most 5 %", "p of uniform p (Kolmogorov-Smirnov)"]
        tables.append(table(head, lines))
        content["idle"] = idle(it, options)
        lines = [
            ["any idle unit of a subnetwork", f"{content['idle']['any_idle']:.1%}"],
            ["an idle unit", f"{content['idle']['idle']:.1%}"],
            ["another unit", f"{content['idle']['others']:.1%}"],
        ]
        tables.append(table(["units", "called needed"], lines))
    content["cards"] = cards(it, options)
    head = ["method, dropped, seed", "KL", "of random sets", "p"]
    head += ["KL without", "without random sets", "p", "units needed", "s"]
    tables.append(table(head, list(map(_line, content["cards"]))))
    name = f"validity-{options.model}"
    save(options, name, "Cards of validity", INTRO, "\n".join(tables), content)


def main(arguments: Sequence[str] | None = None) -> None:
    program = new_parser(__doc__)
    searches.add_arguments(program, [0.5])
    program.add_argument(
        "--methods",
        nargs="+",
        choices=list(searches.VARIANTS),
        default=["learned", "fisher", "gradient", "magnitude", "random"],
    )
    program.add_argument("--draws", type=count, default=999, help="random sets of each kind")
    program.add_argument(
        "--examples",
        type=count,
        default=100,
        help="examples of ranks; four times as many show which units are needed",
    )
    program.add_argument(
        "--cases", type=int, default=200, help="random subnetworks under the null; 0 for none"
    )
    program.add_argument(
        "--null-kept",
        type=count,
        default=4,
        help="units that these keep: few, as all sets of their size are run",
    )
    program.add_argument("--precision", default="float32", help="what cards are computed in")
    run(benchmark, program, TOY, arguments)


if __name__ == "__main__":
    main()
