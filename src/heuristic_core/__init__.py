"""How fine-tuned transformers generalise, from the subnetworks inside them.

A whole study
    ``run`` runs one and opens it, ``load_run`` opens a finished one: tables, verdicts, figures,
    subnetworks and models; ``compare`` sets several side by side.
Tasks and models
    ``load_task``, ``load_suite``, ``load_model``, ``finetune``; ``check`` checks a model.
Subnetworks
    ``find_subnetwork`` and ``find_subnetworks`` search for them, on ``prepare``-d data,
    ``find_subnetworks_together`` with several seeds in one pass; ``aim_at`` lets them generalise
    well or badly;
    ``removal`` returns the one that lacks some units, and ``without`` runs a model as it within a
    ``with`` block; ``means`` computes what replaces units.
Faithful sets
    ``generalisation_range`` finds how differently subnetworks generalise that match the model,
    ``repelling_subnetworks`` how little they can share, ``necessity`` what they cannot do without;
    ``enumerate_subnetworks`` computes all of a small model, ``sample_subnetworks`` draws from them
    in a larger one, and ``presence_effects`` says which units let them generalise;
    ``mend`` changes units that are blamed, ``ways_to_mend`` compares what that gains.
Measurements
    ``evaluate``, ``predict``; ``attention`` of a head; ``path_patching`` from head to head;
    ``validate`` tests a subnetwork beside random ones; ``faithfulness_curves`` compares methods
    by CPR and CMD.
Types
    ``Classifier``, ``Subnetwork``, ``Unit``, ``UnitSpace``, ``Task``, ``Suite``, ``LoadedRun``;
    ``InputError`` is every error that a user can cause.

Names are imported on first use, which keeps ``import heuristic_core`` fast.
docs/reference/python.md explains each, and docs/how-to/python.md has an example of each.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .api import attention, check, finetune, run
    from .errors import InputError
    from .faithful.curves import faithfulness_curves
    from .faithful.enumeration import enumerate_subnetworks
    from .faithful.mending import mend
    from .faithful.necessity import necessity
    from .faithful.presence import presence_effects
    from .faithful.repelling import repelling_subnetworks
    from .faithful.sampling import sample_subnetworks
    from .faithful.targeted import generalisation_range
    from .faithful.validity import validate
    from .faithful.ways_to_mend import ways_to_mend
    from .measure.accuracy import evaluate, predict
    from .measure.dependency import path_patching
    from .measure.removal import removal, without
    from .models.classifier import Classifier
    from .models.loading import load_model
    from .search.aim import aim_at
    from .search.data import means, prepare
    from .search.find import find_subnetwork, find_subnetworks, find_subnetworks_together
    from .study.compare import compare
    from .study.loaded import LoadedRun, load_run
    from .subnetwork import Subnetwork
    from .tasks import load_suite, load_task
    from .tasks.task import Suite, Task
    from .units import Unit, UnitSpace

_HOMES = {
    "Classifier": "models.classifier",
    "InputError": "errors",
    "LoadedRun": "study.loaded",
    "Subnetwork": "subnetwork",
    "Suite": "tasks.task",
    "Task": "tasks.task",
    "Unit": "units",
    "UnitSpace": "units",
    "aim_at": "search.aim",
    "attention": "api",
    "check": "api",
    "compare": "study.compare",
    "enumerate_subnetworks": "faithful.enumeration",
    "evaluate": "measure.accuracy",
    "faithfulness_curves": "faithful.curves",
    "find_subnetwork": "search.find",
    "find_subnetworks": "search.find",
    "find_subnetworks_together": "search.find",
    "finetune": "api",
    "generalisation_range": "faithful.targeted",
    "load_model": "models.loading",
    "load_run": "study.loaded",
    "load_suite": "tasks",
    "load_task": "tasks",
    "means": "search.data",
    "mend": "faithful.mending",
    "necessity": "faithful.necessity",
    "path_patching": "measure.dependency",
    "predict": "measure.accuracy",
    "prepare": "search.data",
    "presence_effects": "faithful.presence",
    "removal": "measure.removal",
    "repelling_subnetworks": "faithful.repelling",
    "run": "api",
    "sample_subnetworks": "faithful.sampling",
    "validate": "faithful.validity",
    "ways_to_mend": "faithful.ways_to_mend",
    "without": "measure.removal",
}

__all__ = [
    "Classifier",
    "InputError",
    "LoadedRun",
    "Subnetwork",
    "Suite",
    "Task",
    "Unit",
    "UnitSpace",
    "aim_at",
    "attention",
    "check",
    "compare",
    "enumerate_subnetworks",
    "evaluate",
    "faithfulness_curves",
    "find_subnetwork",
    "find_subnetworks",
    "find_subnetworks_together",
    "finetune",
    "generalisation_range",
    "load_model",
    "load_run",
    "load_suite",
    "load_task",
    "means",
    "mend",
    "necessity",
    "path_patching",
    "predict",
    "prepare",
    "presence_effects",
    "removal",
    "repelling_subnetworks",
    "run",
    "sample_subnetworks",
    "validate",
    "ways_to_mend",
    "without",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version  # slow to import

        return version("heuristic-core")
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_HOMES[name]}", __name__), name)


def __dir__() -> list[str]:
    # Nothing but the public names, which is what TAB is to show.
    return [name for name in globals() if name.startswith("__")] + __all__
