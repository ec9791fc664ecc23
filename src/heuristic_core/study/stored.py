"""Models and subnetworks out of a finished run's cells, whatever data and code made them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..models.classifier import Classifier
from ..models.device import pick_device
from ..storage import read_json
from ..subnetwork import Subnetwork
from ..tasks.task import Examples, Task
from .bench import Workbench
from .kinds.finetune import classifier
from .kinds.search import place_of
from .planner import Checkpoint
from .run_folder import open_run
from .store import Cell, Store

#: A model is loaded without its task.
_NO_TASK = Task(name="", labels=(), train=Examples.none(()), search=Examples.none(()), suites=())


def stored_model(
    folder: Path, manifest: Mapping[str, Any], finetune_seed: int, step: int, device: str
) -> Classifier:
    """Load the model of one checkpoint.

    Args:
        folder: The run folder.
        manifest: Its manifest.
        finetune_seed: The seed of the fine-tuning.
        step: The optimiser step.
        device: Where to load it.

    Raises:
        InputError: If its weights are not there.
    """
    config, store = open_run(folder), Store(folder, make=False)
    tuned = [
        cell
        for cell in _cells(folder, manifest, "finetune")
        if cell.spec.get("seed") == finetune_seed
    ]
    if config.finetune is not None and not tuned:
        raise InputError(
            f"the run in {folder} holds no weights any more (its cell of fine-tuning "
            f"{finetune_seed} is not there); make the run again with `hcore run`"
        )
    bench = Workbench(config, _NO_TASK, store, pick_device(device), ())
    system = Checkpoint(finetune_seed, step).columns
    about = Cell(kind="evaluate", label="", spec={}, inputs=tuple(tuned[:1]), system=system)
    return classifier(bench, about)


def stored_subnetwork(
    folder: Path, manifest: Mapping[str, Any], system: Mapping[str, Any]
) -> Subnetwork | None:
    """Read a subnetwork of the study's own searches; ``None`` if its cell is not there.

    Args:
        folder: The run folder.
        manifest: Its manifest.
        system: What names it: the columns of ``tables.SYSTEM``.
    """
    place = Checkpoint(int(system["finetune_seed"]), int(system["checkpoint"]))
    seed = int(system["seed"])
    for cell in _cells(folder, manifest, "search"):
        # The grid's searches have another label.
        of_study = cell.label.startswith(f"search-{place.label}-k")
        if of_study and seed in cell.spec.get("seeds", [cell.spec.get("seed")]):
            with Store(folder, make=False).reading(cell) as path:
                return Subnetwork.read(path / place_of(cell.spec, seed, system["sparsity"]))
    return None


def _cells(folder: Path, manifest: Mapping[str, Any], kind: str) -> list[Cell]:
    """Find those of a run's cells of one kind that are there."""
    store = Store(folder, make=False)
    found: list[Cell] = []
    # A manifest's names are not used as paths: they are looked up among the cells' folders.
    there = {path.name: path for path in store.cells.glob("*")} if store.cells.is_dir() else {}
    for entry in manifest.get("cells") or ():
        if entry.get("kind") != kind or entry["name"] not in there:
            continue
        record = read_json(there[entry["name"]] / "record.json")
        if not isinstance(record, Mapping) or not isinstance(record.get("spec"), Mapping):
            continue
        label = str(record.get("label"))
        found.append(_Named(kind=kind, label=label, spec=record["spec"], folder=entry["name"]))
    return found


@dataclass(frozen=True, eq=False, kw_only=True)
class _Named(Cell):
    """A finished cell whose inputs are not known any more, so that its folder names it.

    Args:
        folder: The name of its folder.
    """

    folder: str

    @property
    def name(self) -> str:
        """Name of the cell's folder."""
        return self.folder
