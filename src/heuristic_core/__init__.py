"""How fine-tuned transformers generalise, from the subnetworks inside them.

Most programs need only the names below. They are imported on first use, which keeps
``import heuristic_core`` fast.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .errors import InputError
    from .measure.accuracy import evaluate, predict
    from .measure.removal import without
    from .models.classifier import Classifier
    from .models.loading import load_model
    from .search.data import means, prepare
    from .search.find import find_subnetwork, find_subnetworks
    from .study.compare import compare
    from .subnetwork import Subnetwork
    from .tasks import load_suite, load_task
    from .units import Unit, UnitSpace

_HOMES = {
    "InputError": "errors",
    "Unit": "units",
    "UnitSpace": "units",
    "Subnetwork": "subnetwork",
    "Classifier": "models.classifier",
    "load_model": "models.loading",
    "load_task": "tasks",
    "load_suite": "tasks",
    "means": "search.data",
    "prepare": "search.data",
    "find_subnetwork": "search.find",
    "find_subnetworks": "search.find",
    "compare": "study.compare",
    "evaluate": "measure.accuracy",
    "predict": "measure.accuracy",
    "without": "measure.removal",
}

__all__ = [
    "Classifier",
    "InputError",
    "Subnetwork",
    "Unit",
    "UnitSpace",
    "compare",
    "evaluate",
    "find_subnetwork",
    "find_subnetworks",
    "load_model",
    "load_suite",
    "load_task",
    "means",
    "predict",
    "prepare",
    "without",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)
