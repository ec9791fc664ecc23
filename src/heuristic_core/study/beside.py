"""The cores of two runs compared: of different tasks, or of different starts of training."""

from __future__ import annotations

from pathlib import Path

from ..analysis.conclusions import Conclusions, collect
from ..analysis.core_overlap import QUESTION, compare_cores
from ..analysis.cores import Core, cores_of
from ..errors import InputError
from .results import open_results, read_searched


def beside(folder: Path, other: Path) -> Conclusions:
    """Compare the cores of two finished runs from their stored tables; no model is run.

    Args:
        folder: One run folder.
        other: The other.

    Returns:
        A verdict of the question ``core_overlap``, and a row of its table, for each pair of a model
        of one run and a model of the other.

    Raises:
        InputError: If a folder holds no finished run, or the runs cannot be compared: they hold
            the same model, or models of different heads, or no cores of one search method.
    """
    same = _models(folder) & _models(other)
    if same:
        raise InputError(
            f"{folder} and {other} hold the same model ({min(same)}); give --beside a run of "
            "another task, or from another start"
        )
    cores = {path: _cores(path) for path in (folder, other)}
    methods = {path: sorted({core.method for core in cores[path]}) for path in cores}
    if not set(methods[folder]) & set(methods[other]):
        raise InputError(
            f"{folder} was searched by {', '.join(methods[folder])}, {other} by "
            f"{', '.join(methods[other])}; only cores found by one method can be compared"
        )
    return collect({QUESTION: compare_cores(cores[folder], cores[other])})


def _models(folder: Path) -> set[str]:
    """Name the cells that make a run's models, or what searches in them start from."""
    _, manifest = open_results(folder)
    cells = manifest.get("cells", [])
    return {cell["name"] for cell in cells if cell["kind"] in ("finetune", "prepare")}


def _cores(folder: Path) -> list[Core]:
    cores = cores_of(read_searched(folder)["subnetworks"])
    if not cores:
        raise InputError(f"the run in {folder} has no subnetworks, so no core; search for some")
    return cores
