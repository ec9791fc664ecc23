"""What a finished run holds, as all that reports on it takes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from ..errors import one_line

if TYPE_CHECKING:  # loads SciPy, which nobody needs who only passes results on
    from ..analysis.conclusions import Conclusions


@dataclass(frozen=True, eq=False, kw_only=True)
class Results:
    """A finished run's stored results.

    Args:
        name: The study's name.
        manifest: What the numbers depend on: versions, seeds, data, machine; keys may be absent.
        config: The study's configuration as nested dictionaries.
        command: The command that produced the run; may be empty.
        measured: The measured tables by name, all of ``tables.TABLES``.
        conclusions: What the study's questions come to.
    """

    name: str
    manifest: Mapping[str, Any]
    config: Mapping[str, Any]
    command: str
    measured: Mapping[str, pd.DataFrame]
    conclusions: Conclusions

    def __repr__(self) -> str:
        n = len(self.conclusions.verdicts)
        return f"Results({one_line(self.name, 80)!r}, {n} verdicts)"
