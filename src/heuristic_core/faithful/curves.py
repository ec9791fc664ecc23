"""What subnetworks of rising size recover of the model's performance, beside random ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float

from .. import notebook
from ..errors import InputError, expect, expect_whole, one_line
from ..measure.accuracy import log_odds
from ..models.classifier import Classifier, check_classifier
from ..models.encoding import Encoded
from ..models.masked_runs import MaskedRuns
from ..models.steady import steady
from ..precision import check_precision
from ..progress import Progress
from ..search.problem import no_progress
from ..storage import plain
from ..subnetwork import Subnetwork
from ..tasks.task import Suite, Task
from .compact_runs import CompactRuns
from .curve_rows import Measured, cases_of
from .curve_tables import AREAS, CURVES, TABLES
from .divergence import check_finite
from .methods_found import methods_of, random_orders
from .transfer import suites_of

#: Choices of units between two reports of progress.
_CHUNK = 10


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class Curves:
    """What subnetworks of rising size recover; a notebook shows the areas.

    Args:
        areas: CPR and CMD, as in ``AREAS``.
        curves: The share recovered at each size, as in ``CURVES``.
        about: How it was made: the number of random orders, the seed, the precision.
    """

    areas: pd.DataFrame
    curves: pd.DataFrame
    about: Mapping[str, Any]

    @property
    def tables(self) -> dict[str, pd.DataFrame]:
        """The tables by name."""
        return dict(zip((table.name for table in TABLES), (self.areas, self.curves), strict=True))

    def matrix(self, what: str = "cmd") -> pd.DataFrame:
        """Return one number as a matrix: methods by suites and cases.

        Args:
            what: A column of ``areas``, such as ``cpr`` or ``cmd``.
        """
        return self.areas.pivot(index="method", columns=["suite", "case"], values=what)

    def record(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        record: dict[str, Any] = plain(
            {
                "about": self.about,
                "areas": self.areas.to_dict("records"),
                "curves": self.curves.to_dict("records"),
            }
        )
        return record

    def __repr__(self) -> str:
        methods = ", ".join(self.areas["method"].unique())
        n = len(self.areas[["suite", "case"]].drop_duplicates())
        return f"Curves({one_line(methods, 120)}; {n} cases)"

    def _repr_html_(self) -> str:
        shown = self.areas[
            ["method", "suite", "case", "n", "cpr", "random_cpr", "cmd", "random_cmd"]
        ]
        rows = [
            ["" if pd.isna(v) else f"{v:.3f}" if isinstance(v, float) else v for v in row]
            for row in shown.itertuples(index=False)
        ]
        return notebook.table(list(shown.columns), rows, AREAS.title)


@steady()
def faithfulness_curves(
    model: Classifier,
    task: Task | Suite | Iterable[Suite],
    found: Mapping[str, Iterable[Subnetwork]],
    *,
    orders: int = 20,
    seed: int = 0,
    precision: str = "float32",
    compact: bool = True,
    other_model: bool = False,
    progress: Progress | None = None,
) -> Curves:
    """Compute CPR and CMD of search methods, in-domain and on every case out of domain.

    Args:
        model: The full model.
        task: A task, a suite or several suites.
        found: For each method, by any name, subnetworks of several sizes. Those of one search seed
            are one run, nested or not; all runs of a method have the same sizes.
        orders: Random orders of the units, which give a random subnetwork of every size each.
        seed: Seed of these, and of bootstrap draws.
        precision: What to compute in: ``float32``, or ``bfloat16`` or ``float16`` where that is
            safe.
        compact: Run subnetworks without their dropped units, which is faster; else by gates.
        other_model: Accept subnetworks that were found in other weights, with a ``Remark``.
        progress: Called with (subnetworks run, subnetworks in all).

    Returns:
        The areas and the curves, as tables.

    Raises:
        InputError: If an argument does not fit, a method has no subnetwork between none and all
            units, its runs differ in size, or subnetworks differ in what they may drop or in what
            replaces dropped units.

    Source:
        Mueller et al. (2025), section 3 of MIB.
    """
    check_classifier(model)
    expect("found", found, Mapping, hint="give subnetworks by the name of their method")
    expect("progress", progress, Callable, type(None))
    expect_whole("orders", orders, 2)
    expect_whole("seed", seed)
    computing = check_precision(precision)
    given: Any = [task] if isinstance(task, Task | Suite) else task
    suites = [suite for _, suite in suites_of(model, given)]
    if not suites:
        raise InputError("there is no suite to measure on; give at least one")
    methods, values, free = methods_of(model, found, other_model)
    every = sorted({n for method in methods for n in method.kept})
    random = random_orders(free, every, orders, seed)
    encoded = Encoded.joined([model.encode(suite.examples) for suite in suites])
    runs: CompactRuns | MaskedRuns
    if compact:
        runs = CompactRuns(model, encoded, values, precision=computing)
    else:
        runs = MaskedRuns(model, encoded, values, precision=computing)
    score = _Scores(runs, suites, model.labels)
    ends = np.stack([~free, np.ones_like(free)])
    score.run([ends, random, *(method.masks for method in methods)], progress or no_progress)
    empty, full = score.of(ends)
    by_chance = score.of(random)
    area_rows, curve_rows = [], []
    for method in methods:
        own = score.of(method.masks)
        chosen = by_chance[:, [every.index(n) for n in method.kept]]
        for number, case in enumerate(cases_of(suites)):
            area, curve = Measured(
                kept=method.kept,
                sizes=np.array(method.kept) / int(free.sum()),
                empty=empty[case.at],
                full=full[case.at],
                runs=own[..., case.at],
                random=chosen[..., case.at],
                seed=[seed, number],
            ).rows()
            named = case.named(method.name)
            area_rows.append(named | area)
            curve_rows += [named | row for row in curve]
    return Curves(
        areas=AREAS.frame(area_rows),
        curves=CURVES.frame(curve_rows),
        about={"orders": orders, "seed": seed, "precision": computing},
    )


class _Scores:
    """Each example's log-odds of the right label under choices of units, each run once."""

    def __init__(
        self, runs: CompactRuns | MaskedRuns, suites: list[Suite], labels: tuple[str, ...]
    ) -> None:
        self._runs = runs
        self._right = np.concatenate(
            [s.class_map(labels)[None] == s.examples.label_ids[:, None] for s in suites]
        )
        self._known: dict[bytes, Float[np.ndarray, " example"]] = {}

    def run(self, masks: Sequence[np.ndarray], progress: Progress) -> None:
        """Run some choices of units."""
        flat = np.concatenate([some.reshape(-1, some.shape[-1]) for some in masks])
        # In this order neighbours agree on as many of the lower layers as possible.
        distinct = np.unique(flat, axis=0)
        for start in range(0, len(distinct), _CHUNK):
            chunk = distinct[start : start + _CHUNK]
            for mask, logits in zip(chunk, self._runs.logits(chunk), strict=True):
                check_finite(logits)
                self._known[mask.tobytes()] = log_odds(logits, self._right)
            progress(min(start + _CHUNK, len(distinct)), len(distinct))

    def of(self, masks: Bool[np.ndarray, "*choice unit"]) -> Float[np.ndarray, "*choice example"]:
        """Return the scores of choices that were run."""
        flat = masks.reshape(-1, masks.shape[-1])
        found = np.stack([self._known[mask.tobytes()] for mask in flat])
        return found.reshape(*masks.shape[:-1], -1)
