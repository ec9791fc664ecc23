"""Samples of faithful subnetworks: beside all of them in small models, and at length in MiniLM.

Without ``--run``, the models of ``optimum.py`` are sampled and enumerated: the share of faithful
subnetworks that keep each unit is compared with the exact one. With ``--run`` the last checkpoint
of this run is sampled, and the effect of each unit's presence on discrimination out of domain is
estimated.

    python benchmarks/samples.py --models 3 --small
    python benchmarks/samples.py --run runs/quick-mnli-hans --threads 2
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

import optimum
import subjects
from common import count, run, save, table
from heuristic_core.faithful.enumeration import enumerate_subnetworks
from heuristic_core.faithful.presence import presence_effects
from heuristic_core.faithful.sampling import SubnetworkSample, sample_subnetworks
from heuristic_core.progress import as_lines
from heuristic_core.search.data import prepare
from heuristic_core.study.settings import settings

SMALL_INTRO = (
    "Faithful is a subnetwork whose mean KL divergence from the full model is at most `room` times "
    "that of the best one of its size. The error is the largest difference, over units, between "
    "the share of sampled subnetworks that keep a unit and the share of all faithful ones; beside "
    "it stands how many units have the exact share within their 95 % interval. R-hat and the "
    "effective sample size are the worst of the divergence and all units."
)
LARGE_INTRO = (
    "Four chains, each from a subnetwork that the learned search found with a seed of its own. "
    "R-hat and the effective sample size are those of the divergence, and the median and the worst "
    "over units that some but not all sampled subnetworks keep. Runs are different subnetworks "
    "that the model was run as. The effect of a unit is that of keeping it in place of another "
    "one, with its 95 % interval."
)
TOY = optimum.TOY | {
    "sparsities": [0.85],
    "n": 16,
    "steps": 2,
    "set": ["learned.ramp_steps=6", "learned.batch_size=4", "learned.exchange_rounds=1"],
}


def facts(sample: SubnetworkSample) -> dict[str, Any]:
    """Return what is kept of a sample."""
    return {
        "sparsity": 1 - sample.of.n_kept / sample.of.n_prunable,
        "bound": sample.bound,
        "subnetworks": len(sample),
        "different": len(np.unique(sample.choices, axis=0)),
        **sample.diagnostics,
        "inclusion": sample.inclusion.to_dict("records"),
    }


def small(options: argparse.Namespace) -> None:
    """Compare samples with enumerations."""
    rows, lines = [], []
    learned = settings(options.set).get("learned", {})
    for name, model, data, weights in optimum.trained(options):
        for sparsity in options.sparsities:
            every = enumerate_subnetworks(
                model, data, sparsity, examples=options.examples, limit=10**6
            )
            bound = options.room * float(every.kl[0])
            begin = time.perf_counter()
            sample = sample_subnetworks(
                model,
                data,
                sparsity,
                bound=bound,
                n=options.n,
                steps=options.steps,
                examples=options.examples,
                **learned,
            )
            spent = time.perf_counter() - begin
            exact = every.inclusion(bound)["share"]
            error = np.abs(sample.inclusion["share"] - exact)
            within = exact.between(sample.inclusion["low"], sample.inclusion["high"])
            row = facts(sample) | {
                "model": name,
                "weights": weights,
                "all": len(every),
                "faithful": every.count(bound),
                "exact": exact.tolist(),
                "error": float(error.max()),
                "within": float(within.mean()),
                "seconds": spent,
            }
            rows.append(row)
            lines.append(
                [
                    f"{name}, {len(model.space)} units",
                    f"{100 * sparsity:g} %",
                    f"{len(every):,}",
                    f"{row['faithful']:,}",
                    f"{row['error']:.3f}",
                    f"{row['within']:.0%}",
                    f"{row['worst_rhat']:.3f}",
                    f"{row['least_ess']:.0f}",
                    f"{row['runs']:,}",
                    f"{spent:.0f}",
                ]
            )
            print(lines[-1], flush=True)
    head = ["model", "dropped", "subnetworks", "faithful", "error", "in interval", "R-hat"]
    head += ["effective size", "runs", "s"]
    save(
        options,
        "samples-small",
        "Samples beside all faithful subnetworks",
        SMALL_INTRO,
        table(head, lines),
        {"rows": rows},
    )


def large(options: argparse.Namespace) -> None:
    """Sample the last checkpoint of a run."""
    _, model, task = subjects.from_run(options.run, options.ood_per_case, options.id_pairs)
    data = prepare(model, task)
    sparsity = options.sparsities[0]
    begin = time.perf_counter()
    sample = sample_subnetworks(
        model,
        data,
        sparsity,
        bound=options.bound,
        n=options.n,
        steps=options.steps,
        examples=options.examples,
        progress=as_lines("sampling", lambda line: print(line, flush=True)),
        **settings(options.set).get("learned", {}),
    )
    spent = time.perf_counter() - begin
    begin = time.perf_counter()
    effects = presence_effects(sample, task)
    measured = time.perf_counter() - begin
    row = facts(sample) | {"seconds": spent, "seconds_of_effects": measured}
    varying = sample.inclusion[sample.inclusion["share"].between(0, 1, inclusive="neither")]
    always = sample.inclusion.loc[sample.inclusion["share"] == 1, "unit"].tolist()
    never = sample.inclusion.loc[sample.inclusion["share"] == 0, "unit"].tolist()
    lines = [
        ["subnetworks", f"{len(sample)}, {row['different']} different"],
        ["kept", f"{sample.of.n_kept} of {sample.of.n_prunable} units"],
        ["KL, at most", f"{sample.bound:.3g} nats on {len(sample.of.data.encoded)} examples"],
        ["minutes", f"{spent / 60:.1f} to sample, {measured / 60:.1f} to measure effects"],
        ["runs", f"{row['runs']:,}"],
        ["accepted", f"{row['accepted']:.0%} of moves"],
        ["R-hat of KL", f"{row['rhat']:.3f}"],
        ["R-hat of units", f"{varying['rhat'].median():.3f}, worst {row['worst_rhat']:.3f}"],
        ["effective size of KL", f"{row['ess']:.0f}"],
        ["effective size of units", f"{varying['ess'].median():.0f}, least {row['least_ess']:.0f}"],
        ["units in all", f"{len(always)}: {' '.join(always)}"],
        ["units in none", f"{len(never)}: {' '.join(never)}"],
    ]
    shown = effects[effects["p_corrected"] < 0.05].sort_values("p")
    cells = [
        [
            unit["measure"],
            unit["unit"],
            f"{unit['share']:.2f}",
            f"{unit['effect']:+.3f} [{unit['low']:+.3f}, {unit['high']:+.3f}]",
            f"{unit['p_corrected']:.2g}",
        ]
        for unit in shown.to_dict("records")
    ]
    save(
        options,
        "samples-minilm",
        "Faithful subnetworks of MiniLM",
        LARGE_INTRO,
        table(["", ""], lines)
        + "\n"
        + table(
            ["measure", "unit", "share", "effect", "p, corrected"], cells, "Units with effects."
        ),
        {**row, "effects": effects.astype(object).where(effects.notna(), None).to_dict("records")},
    )


def benchmark(options: argparse.Namespace) -> None:
    if options.run is None:
        small(options)
    else:
        large(options)


def main(arguments: Sequence[str] | None = None) -> None:
    program = optimum.parser(__doc__)
    program.add_argument("--run", type=Path, help="the run folder of a larger model")
    program.add_argument("--n", type=count, default=200, help="subnetworks to draw")
    program.add_argument("--steps", type=count, default=20, help="moves between two of them")
    program.add_argument("--room", type=float, default=1.5, help="times the best divergence")
    program.add_argument("--bound", type=float, help="of a larger model, in nats")
    program.add_argument("--ood-per-case", type=count, default=20, help="OOD pairs of each case")
    program.add_argument("--id-pairs", type=count, default=300, help="held-out in-domain pairs")
    run(benchmark, program, TOY, arguments)


if __name__ == "__main__":
    main()
