"""The training losses that another program logged beside the checkpoints that a study is given."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from ..errors import InputError
from ..models.sources import resolve
from ..storage import read_json
from ..tables import FINETUNING
from .config import StudyConfig

#: Where a transformers Trainer keeps its log in each of its checkpoints.
_FILE = "trainer_state.json"
_NUMBERS = ("loss", "learning_rate")


def given_losses(config: StudyConfig) -> pd.DataFrame:
    """Read what a Trainer logged of the fine-tunings that were there already.

    Args:
        config: The study, with the places of its models.

    Returns:
        The table ``finetuning``: of each fine-tuning what the log of its last checkpoint holds;
        nothing where there is no log, or a damaged one.
    """
    rows: list[dict[str, Any]] = []
    for seed, steps in config.model.fine_tunings.items():
        last = max(steps)
        logged = dict(_logged(config, steps[last], last))
        rows += [{"finetune_seed": seed, "step": step, **logged[step]} for step in sorted(logged)]
    return FINETUNING.frame(rows)


def _logged(config: StudyConfig, source: str, last: int) -> Iterator[tuple[int, dict[str, float]]]:
    """Yield the steps of a log with their numbers; nothing if any is none."""
    try:
        path = Path(resolve(config.place(source).to_load())) / _FILE
        state = read_json(path) if os.path.isfile(path) else None
    except InputError:
        return
    history = state.get("log_history") if isinstance(state, Mapping) else None
    entries = history if isinstance(history, list) else []
    # Entries about evaluations, and that of the end, have no loss.
    entries = [one for one in entries if not isinstance(one, Mapping) or "loss" in one]
    if all(map(_is_sound, entries)):
        for one in entries:
            if one["step"] <= last:
                yield one["step"], {name: float(one[name]) for name in _NUMBERS}


def _is_sound(entry: Any) -> bool:
    if not isinstance(entry, Mapping) or type(entry.get("step")) is not int:
        return False
    numbers: list[Any] = [entry.get(name) for name in _NUMBERS]
    return entry["step"] > 0 and all(type(n) in (int, float) and math.isfinite(n) for n in numbers)
