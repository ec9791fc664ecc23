"""What a run leaves behind, as everything that reports on it takes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from ..tables import MEASURED, empty


@dataclass(frozen=True, eq=False)
class Results:
    """A finished run's stored results.

    Args:
        name: The study's name.
        manifest: What the numbers depend on: versions, seeds, data, machine; keys may be absent.
        config: The study's configuration as nested dictionaries.
        evaluations: Rows as in ``tables.EVALUATION``.
        subnetworks: Rows as in ``tables.SUBNETWORKS``.
        finetuning: Rows as in ``tables.FINETUNING``.
        measured: What else was measured, by the names in ``tables.MEASURED``.
        analysis: What ``heuristic_core.analysis.analyze`` makes of the tables.
        command: The command that produced the run; may be empty.
    """

    name: str
    manifest: dict[str, Any]
    config: dict[str, Any]
    evaluations: pd.DataFrame
    subnetworks: pd.DataFrame
    finetuning: pd.DataFrame
    analysis: dict[str, Any]
    command: str
    measured: Mapping[str, pd.DataFrame] = field(default_factory=dict)

    def measurements(self, name: str) -> pd.DataFrame:
        """Give one of the tables of ``tables.MEASURED``, without rows where it was not measured."""
        return self.measured[name] if name in self.measured else empty(MEASURED[name])
