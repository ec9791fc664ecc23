"""What mending gains: units blamed by searches with aims, beside random ones and full training.

Subnetworks that generalise well and badly at equal fidelity are searched for. Blamed are the units
that those which generalise badly keep more often. They are dropped, scaled or trained on few
out-of-domain examples, of the cases that searches aimed at; other examples and cases judge. The
same command goes on after the finished stages of stopped searches.

    python benchmarks/mending.py --run runs/quickstart --threads 2
    python benchmarks/mending.py --run runs/minilm-mnli-hans-augmented --data FOLDER
"""

from __future__ import annotations

import argparse
import shutil
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

import searches
import subjects
from common import count, new_parser, percentage, run, save, table
from heuristic_core.columns import ENDS
from heuristic_core.errors import InputError
from heuristic_core.faithful.targeted import GeneralisationRange, generalisation_range
from heuristic_core.faithful.ways_to_mend import ways_to_mend
from heuristic_core.progress import as_lines
from heuristic_core.search.aim import TOWARDS
from heuristic_core.search.stages import spent
from heuristic_core.study.settings import settings

INTRO = (
    "The first table is of subnetworks of equal fidelity that generalise as well and as badly as "
    "they can: mean over seeds. The second is of ways of mending, in per cent: each measure with "
    "its gain over the full model and the gain's 95 % interval, over examples and, for random "
    "units, choices. The third is of what blamed units gain beyond random ones, in points. Blamed "
    "units are those that the subnetworks which generalise badly keep most often beyond those that "
    "generalise well."
)
MEASURES = ("in_domain", "balanced", "worst_group", "held_out")
TOY = searches.TOY | {
    "ood_per_case": 4,
    "sparsity": 0.5,
    "blamed": 2,
    "random": 1,
    "n_examples": 40,
    "steps": 2,
    "set": ["learned.ramp_steps=6", "learned.batch_size=4", "learned.exchange_rounds=1"],
}


def blame(found: GeneralisationRange, n: int) -> pd.DataFrame:
    """Say how much more often each unit is kept by what generalises badly, the most first.

    Args:
        found: The subnetworks.
        n: How many units to blame at most; only those that it keeps more often are.
    """
    rows = [
        {"unit": str(unit)} | {aim: _share(found, aim, unit) for aim in TOWARDS}
        for unit in found.subnetworks["badly"][0].space
    ]
    shares = pd.DataFrame(rows)
    shares["more"] = shares["badly"] - shares["well"]
    return shares[shares["more"] > 0].sort_values("more", ascending=False, kind="stable").head(n)


def _share(found: GeneralisationRange, aim: str, unit: Any) -> float:
    some = found.subnetworks[aim]
    return sum(unit in one for one in some) / len(some)


def benchmark(options: argparse.Namespace) -> None:
    it = subjects.subject(options)
    name = options.run.name if options.model == "minilm" else options.model
    unfinished = (options.out if options.toy else options.cache) / f"mending-{name}"
    found = generalisation_range(
        it.model,
        it.task,
        options.sparsity,
        seeds=range(1, options.seeds + 1),
        data=it.data,
        unfinished=unfinished,
        progress=as_lines("searching", lambda line: print(line, flush=True)),
        **settings(options.set).get("learned", {}),
    )
    searched, _ = spent(unfinished)
    blamed = blame(found, options.blamed)
    if blamed.empty:
        raise InputError("no unit is kept more often by what generalises badly; try more --seeds")
    begin = time.perf_counter()
    gains = ways_to_mend(
        it.model,
        it.task,
        blamed["unit"].tolist(),
        n_examples=options.n_examples,
        n_random=options.random,
        data=it.data,
        steps=options.steps,
        progress=as_lines("mending", lambda line: print(line, flush=True)),
    )
    mended = time.perf_counter() - begin
    ranges = [
        [aim, *(f"{row[name]:.3g}" for name in ("divergence", "faithful", "in_domain")),
         f"{row['aimed_auc']:.3f}", f"{row['held_out_auc']:.3f}"]
        for aim, row in found.summary.iterrows()
    ]  # fmt: skip
    lines = [
        [f"{row['how']}, {row['units']}" if row["units"] else "full model"]
        + [_gain(row, measure) for measure in MEASURES]
        for row in gains.table.to_dict("records")
    ]
    beyond = [
        [row["how"], *(_bounded(row, measure) for measure in MEASURES)]
        for row in gains.beyond_random.to_dict("records")
    ]
    head = ["aim", "KL, nats", "faithful", "ID accuracy", "AUROC, aimed at", "AUROC, held out"]
    measures = [name.replace("_", " ") for name in MEASURES]
    units = " ".join(blamed["unit"])
    notes = (
        f"Within {found.bound:.3g} nats. Searches took {searched / 60:.1f} minutes, mending "
        f"{mended / 60:.1f}. Blamed: {units}."
    )
    save(
        options,
        f"mending-{name}",
        "What mending gains",
        INTRO,
        f"{notes}\n\n"
        + table(head, ranges)
        + "\n"
        + table(["way", *measures], lines)
        + "\n"
        + table(["blamed minus random", *measures], beyond),
        {
            "weights": it.digest,
            "bound": found.bound,
            "blamed": blamed.to_dict("records"),
            "range": found.summary.reset_index().to_dict("records"),
            "gains": _records(gains.table),
            "beyond_random": _records(gains.beyond_random),
            "seconds": {"searching": searched, "mending": mended},
        },
    )
    shutil.rmtree(unfinished, ignore_errors=True)


def _records(rows: pd.DataFrame) -> list[dict[str, Any]]:
    return rows.astype(object).where(rows.notna(), None).to_dict("records")


def _gain(row: dict[str, Any], measure: str) -> str:
    text = f"{100 * row[measure]:.1f}"
    if row["how"] == "none":
        return text
    return f"{text}, {_bounded(row, measure, f'{measure}_gain')}"


def _bounded(row: dict[str, Any], measure: str, name: str = "") -> str:
    value, low, high = (100 * row[key] for key in (name or measure, *(measure + e for e in ENDS)))
    return f"{value:+.1f}" + ("" if np.isnan(low) else f" [{low:+.1f}, {high:+.1f}]")


def main(arguments: Sequence[str] | None = None) -> None:
    program = new_parser(__doc__)
    subjects.add_arguments(program)
    program.set_defaults(model="minilm")
    program.add_argument("--sparsity", type=percentage, default=0.5, help="in per cent")
    program.add_argument("--seeds", type=count, default=4, help="searches with each aim")
    program.add_argument("--blamed", type=count, default=6, help="units to blame at most")
    program.add_argument("--random", type=count, default=5, help="random choices of as many")
    program.add_argument("--n-examples", type=count, default=64, help="OOD examples to fit on")
    program.add_argument("--steps", type=count, default=100, help="optimiser steps")
    program.add_argument("--set", nargs="*", default=[], metavar="learned.KEY=VALUE")
    run(benchmark, program, TOY, arguments)


if __name__ == "__main__":
    main()
