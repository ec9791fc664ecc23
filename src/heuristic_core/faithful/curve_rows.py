"""Rows on what subnetworks of rising size recover, for each suite in-domain and each case."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from ..analysis.intervals import Estimate
from ..tasks.task import Suite
from .mib import Recovered, areas, recovered, why_none


@dataclass(frozen=True, eq=False)
class Case:
    """Some examples of a suite.

    Args:
        suite: The suite.
        name: The case; ``all`` for the whole suite.
        kind: The kind of the case.
        at: The examples' positions among those of all suites.
    """

    suite: Suite
    name: str
    kind: str
    at: np.ndarray

    def named(self, method: str) -> dict[str, Any]:
        """Return what names the rows of a method on this case."""
        return {
            "method": method,
            "suite": self.suite.name,
            "role": self.suite.role,
            "case": self.name,
            "case_kind": self.kind,
        }


def cases_of(suites: Iterable[Suite]) -> Iterator[Case]:
    """Yield each in-domain suite as a whole, and each case of the others."""
    start = 0
    for suite in suites:
        cases = suite.examples.table["case"].to_numpy()
        if suite.role == "id":
            yield Case(suite, "all", "id", start + np.arange(len(cases)))
        else:
            for case in suite.cases:
                at = start + np.flatnonzero(cases == case)
                yield Case(suite, case, suite.kind(case), at)
        start += len(cases)


@dataclass(frozen=True, eq=False)
class Measured:
    """What the runs of one method, and random orders, score on one case.

    Args:
        kept: How many units each size keeps, rising.
        sizes: The same as shares of the units that may be dropped.
        empty: Each example's log-odds of the right label without any of these units.
        full: The same with all units.
        runs: The same for each run's subnetwork of each size.
        random: The same for random orders.
        seed: Seed of the bootstrap draws.
    """

    kept: tuple[int, ...]
    sizes: Float[np.ndarray, " size"]
    empty: Float[np.ndarray, " example"]
    full: Float[np.ndarray, " example"]
    runs: Float[np.ndarray, "run size example"]
    random: Float[np.ndarray, "order size example"]
    seed: list[int]

    def rows(self) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """Return a row of areas and one for each size, without what names the method and case.

        Nothing is recovered where the full and the empty model hardly differ: then areas and shares
        are missing.
        """
        area: dict[str, Any] = {
            "n": len(self.full),
            "runs": len(self.runs),
            "sizes": len(self.sizes),
            "full": _mean(self.full),
            "empty": _mean(self.empty),
            "note": why_none(self.full, self.empty),
        }
        curve: list[dict[str, Any]] = [
            {"kept": n, "size": float(size)} for n, size in zip(self.kept, self.sizes, strict=True)
        ]
        if area["note"]:
            return area, curve
        own = Recovered.of(self.sizes, self.empty, self.full, self.runs, self.seed)
        random = recovered(self.random.mean(-1), self.empty.mean(), self.full.mean())
        cpr, cmd = areas(own.sizes, random)
        area |= {"cpr": own.cpr, "cmd": own.cmd}
        area |= {"random_cpr": _band(cpr), "random_cmd": _band(cmd)}
        for i, row in enumerate(curve, start=1):
            row |= {"recovered": own.at(i), "random": _band(random[:, i])}
        return area, curve


def _mean(values: Float[np.ndarray, " example"]) -> float | None:
    return float(values.mean()) if np.isfinite(values).all() else None


def _band(values: Float[np.ndarray, " order"]) -> Estimate:
    """Return the median of random orders, and between what 95 % of them lie."""
    low, median, high = map(float, np.quantile(values, [0.025, 0.5, 0.975]))
    return Estimate(median, low, high)
