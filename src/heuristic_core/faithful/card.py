"""A card of validity: what tests say of one subnetwork, as tables, text and JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from .. import notebook
from ..card_tables import CARD, CORE, NECESSITY, STABILITY, SUFFICIENCY, TABLES
from ..errors import one_line
from ..storage import plain
from ..subnetwork import Subnetwork
from ..writing import p_text, signed, small


@dataclass(frozen=True, eq=False, kw_only=True, repr=False)
class Card:
    """What tests say of one subnetwork; ``print`` shows it as sentences, a notebook as tables.

    Args:
        subnetwork: The subnetwork.
        tests: Its ranks among random sets, as in ``CARD``.
        units: What each unit kept is needed for, as in ``UNITS``.
        searches: The same search on resampled examples, as in ``SEARCHES``; no rows if it was not
            repeated.
        cases: The subnetwork on every case, as in ``CASES``.
        left_out: What dropping a left-out unit costs after it was added, in nats: the mean over
            these units, which stand for idle ones.
        about: How it was made: the examples, the draws, the seed, the core.
    """

    subnetwork: Subnetwork
    tests: pd.DataFrame
    units: pd.DataFrame
    searches: pd.DataFrame
    cases: pd.DataFrame
    left_out: float
    about: Mapping[str, Any]

    @property
    def tables(self) -> dict[str, pd.DataFrame]:
        """The tables by name."""
        frames = (self.tests, self.units, self.searches, self.cases)
        return {table.name: frame for table, frame in zip(TABLES, frames, strict=True)}

    @property
    def n_needed(self) -> int:
        """How many of the units kept are shown to be needed."""
        return int(self.units["needed"].sum())

    def passed(self, test: str) -> bool:
        """Return whether a test is passed beside both kinds of random sets.

        Args:
            test: ``sufficiency``, ``necessity``, ``core alone`` or ``stability``; one that was not
                made is not passed.
        """
        rows = self.tests[self.tests["test"] == test]
        return len(rows) > 0 and bool(rows["passed"].all())

    def matrix(self, what: str = "kl") -> pd.DataFrame:
        """Return one number of every case as a matrix, a row for each task and suite.

        Args:
            what: A column of ``cases``, such as ``kl`` or ``difference``.
        """
        return self.cases.pivot(index=["task", "suite"], columns="case", values=what)

    def record(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        rows = {
            name.removeprefix("card-"): table.to_dict("records")
            for name, table in self.tables.items()
        }
        record: dict[str, Any] = plain(
            {
                "subnetwork": self.subnetwork.record(),
                "about": self.about,
                "tests": rows.pop(CARD.name),
                **rows,
                "left_out": self.left_out,
                "needed": self.n_needed,
            }
        )
        return record

    def lines(self) -> Iterator[str]:
        """Say in sentences what the tests came to; p-values are the corrected ones."""
        sub, about = self.subnetwork, self.about
        examples = one_line(str(about["examples"]), 80)
        yield (
            f"{len(sub)} of {len(sub.space)} units kept; ranks over {about['n']}, units over "
            f"{about['n_of_units']} {examples}."
        )
        for test, what in _VALUES.items():
            rows = self.tests[self.tests["test"] == test]
            if len(rows):
                verdict = "passed" if self.passed(test) else "not passed"
                yield f"{test.capitalize()}: {verdict}. {what}: {_beside_random(rows)}."
        yield (
            f"Minimality: {self.n_needed} of {len(self.units)} units kept are shown to be needed; "
            f"a unit left out is worth {signed(self.left_out, 4)} nats on average."
        )
        if len(self.searches):
            n_searches, kl = len(self.searches), _range(self.searches["kl"])
            yield f"Resampled data: {n_searches} searches found subnetworks of KL {kl}."
        change = self.cases["difference"]
        yield (
            f"Transfer: KL {_range(self.cases['kl'])} over {len(self.cases)} cases; accuracy "
            f"{signed(change.min(), 1)} to {signed(change.max(), 1)} points."
        )

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def __repr__(self) -> str:
        said = [f"{'passes' if self.passed(test) else 'fails'} {test}" for test in self._made()]
        return f"Card({', '.join(said)}; {self.n_needed} of {len(self.units)} units needed)"

    def _made(self) -> list[str]:
        return list(dict.fromkeys(self.tests["test"]))

    def _repr_html_(self) -> str:
        parts = [notebook.heading(line) for line in self.lines()]
        for declared, frame in zip(TABLES, self.tables.values(), strict=True):
            rows = [[_cell(value) for value in row] for row in frame.itertuples(index=False)]
            if rows:
                parts.append(notebook.table(list(frame.columns), rows, declared.title))
        return "".join(parts)


#: What the value of each test is.
_VALUES = {
    SUFFICIENCY: "KL from the full model, nats",
    NECESSITY: "KL of the full model without these units, nats",
    CORE: "KL with only the core kept, nats",
    STABILITY: "Jaccard index of the heads with those found on resampled data",
}
_RANDOM = {"anywhere": "of its size", "in layers": "of its size in every layer"}


def _beside_random(rows: pd.DataFrame) -> str:
    parts = [
        f"random sets {_RANDOM[row.drawn]} {small(row.random_low)} to {small(row.random_high)} "
        f"({p_text(row.p_corrected)})"
        for row in rows.itertuples(index=False)
    ]
    return f"{small(rows['value'].iloc[0])}; {', '.join(parts)}"


def _range(values: pd.Series) -> str:
    return f"{small(values.min())} to {small(values.max())}"


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return "" if pd.isna(value) else f"{value:.3g}"
    return str(value)
