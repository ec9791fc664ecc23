"""CPR and CMD, as MIB defines them, of every search method, in-domain and out of domain.

A method finds its subnetworks at all sparsities in one run a seed, as in ``frontier.py``, whose
results are not computed again. By default these are all sizes of the small model. ``paper`` and, in
large models, ``greedy`` are left out unless they are named.

    python benchmarks/mib.py --model small --seeds 3
    python benchmarks/mib.py --model minilm --seeds 3 --ood-per-case 10 --id-pairs 500
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence

import pandas as pd

import searches
import subjects
from common import count, new_parser, run, save, table
from heuristic_core.analysis.intervals import Estimate
from heuristic_core.faithful.curves import faithfulness_curves
from heuristic_core.subnetwork import Subnetwork

INTRO = (
    "CPR is the area below the share of the full model's performance that subnetworks recover, CMD "
    "that between this share and 1, over sizes from no unit to all. Performance is the mean "
    "log-odds of the right label. Brackets are 95 % intervals over seeds and examples, of one run "
    "over examples alone. Random orders of the units stand last. Out of domain, the table has the "
    "median over cases of each kind; cases in which the full and the empty model differ by less "
    "than three standard errors have no areas. The JSON file has every case."
)
TOY = searches.TOY | {
    "sparsities": [0.3, 0.6],
    "methods": ["learned", "gradient", "random"],
    "orders": 3,
}


def benchmark(options: argparse.Namespace) -> None:
    it = subjects.subject(options)
    work = searches.Searches(it, options.out / "search-rows", options.set)
    values = it.data.values.arrays()
    found = {}
    for variant in options.methods:
        if variant == "greedy" and not work.fits(variant):
            continue
        found[variant] = [
            Subnetwork(
                it.model.space,
                it.model.space.from_mask(it.model.space.mask(sub["kept"])),
                values=values,
                provenance={"seed": seed},
            )
            for seed in range(1, options.seeds + 1)
            for sub in work.row(variant, options.sparsities, seed)["subnetworks"]
        ]
    begin = time.process_time()
    curves = faithfulness_curves(
        it.model,
        it.task,
        found,
        orders=options.orders,
        precision=options.precision,
        compact=options.model == "minilm",
    )
    seconds = time.process_time() - begin
    content = {"seconds": seconds, **curves.record()}
    save(
        options,
        f"mib-{options.model}",
        "CPR and CMD of the search methods",
        INTRO,
        areas(curves.areas),
        content,
    )


def areas(rows: pd.DataFrame) -> str:
    """Format the areas of all methods in one table, those of random orders last."""
    lines = [_line(method, some, "") for method, some in rows.groupby("method", sort=False)]
    first = rows[rows["method"] == rows["method"].iloc[0]]
    lines.append(_line("random orders", first, "random_"))
    kinds = [kind for kind in rows["case_kind"].unique() if kind != "id"]
    head = ["method", "runs", "CPR", "CMD"]
    head += [f"{what}, {kind}" for kind in kinds for what in ("CPR", "CMD")]
    n = first["cpr"].notna().sum()
    return table(head, lines) + f"\nCases with areas: {n} of {len(first)}.\n"


def _line(method: str, rows: pd.DataFrame, prefix: str) -> list[str]:
    inner = rows[rows["role"] == "id"].iloc[0]
    cells = [method, "" if prefix else str(inner["runs"])]
    for what in ("cpr", "cmd"):
        name = prefix + what
        cells.append(_shown(Estimate(*(inner[name + end] for end in ("", "_low", "_high")))))
    for kind in rows["case_kind"].unique():
        if kind != "id":
            some = rows[rows["case_kind"] == kind]
            cells += [f"{some[prefix + what].median():.3f}" for what in ("cpr", "cmd")]
    return cells


def _shown(estimate: Estimate) -> str:
    if pd.isna(estimate.value):
        return "none"
    return f"{estimate.value:.3f} [{estimate.low:.3f}, {estimate.high:.3f}]"


def main(arguments: Sequence[str] | None = None) -> None:
    program = new_parser(__doc__)
    searches.add_arguments(program, [i / 20 for i in range(1, 20)])
    usual = [name for name in searches.VARIANTS if name not in ("paper", "random_layer_matched")]
    program.add_argument("--methods", nargs="+", choices=list(searches.VARIANTS), default=usual)
    program.add_argument("--orders", type=count, default=20, help="random orders of the units")
    program.add_argument("--precision", default="float32", help="what is computed in")
    run(benchmark, program, TOY, arguments)


if __name__ == "__main__":
    main()
