"""A planted effect: what a study's claims are, truly, and how such studies are drawn."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pandas as pd

#: Whether a claim is true. It holds, at the size that it asks for or above; it is false; nothing at
#: all differs, so that either decision is wrong, as both say that something does; or the effect
#: lies between, so that neither is.
Truth = Literal["holds", "absent", "nothing", "between"]
#: The tables of several studies, as ``Evidence`` takes them.
Tables = Mapping[str, pd.DataFrame]


@dataclass(frozen=True, kw_only=True)
class Claim:
    """What is true of a question's claim.

    Args:
        question: The question's key.
        truth: Whether its claim is true.
        where: Only verdicts about such a subject count.
        effect: The true effect that decides, if the world knows it.
        bar: The least share that must be decided rightly; 0 without a bar.
    """

    question: str
    truth: Truth
    where: Mapping[str, Any] = field(default_factory=dict)
    effect: float | None = None
    bar: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Planted:
    """An effect planted in one design.

    Args:
        effect: What is planted, in a few words.
        design: Seeds, examples and all else that power depends on.
        claims: What is true of the claims of one or more questions.
        draw: Draws the tables of so many studies.
        covered: Tables of these questions in which the truth is the same in all studies, so that
            their intervals can be checked; those of verdicts always are.
        ends: The ends of the scale of a column, as ``table, column`` or ``verdict``, where the
            design has closer ones than the column.
        of_levels: Columns, named likewise, of means over a few searches of what takes few values.
        at_once: Studies that are drawn in one table.
    """

    effect: str
    design: str
    claims: tuple[Claim, ...]
    draw: Callable[[np.random.Generator, int], Tables]
    covered: tuple[str, ...] = ()
    ends: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    of_levels: Collection[str] = ()
    at_once: int = 50

    @property
    def name(self) -> str:
        """What names it among all."""
        keys = dict.fromkeys(claim.question for claim in self.claims)
        return f"{' '.join(keys)} | {self.effect} | {self.design}"

    @property
    def questions(self) -> tuple[str, ...]:
        """The keys of the questions that are asked."""
        return tuple(dict.fromkeys(claim.question for claim in self.claims))
