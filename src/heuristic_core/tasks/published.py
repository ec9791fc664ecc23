"""The published data sets: file names in the data folder, and names on the hub."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from ..errors import InputError, one_line
from .labels import NLI_LABELS
from .readers import Source, read_hans, read_nli
from .sources import EXTENSIONS
from .task import Examples

#: The environment variable that names the folder of data files.
DATA_VARIABLE = "HCORE_DATA"


@dataclass(frozen=True)
class Part:
    """One part of a published data set.

    Args:
        stems: File names without extension under which it is looked for in the data folder; any
            extension that can be read will do.
        hub: Its name on the hub, where it is read from if there is no such file.
        split: Its split there.
    """

    stems: tuple[str, ...]
    hub: str
    split: str


NLI_TRAIN = {
    "mnli": Part(("mnli_train", "multinli_1.0_train"), "nyu-mll/multi_nli", "train"),
    "snli": Part(("snli_train", "snli_1.0_train"), "stanfordnlp/snli", "train"),
}
#: What a model is tested on in domain, by case: MNLI's test labels are not public.
NLI_TEST = {
    "mnli": {
        "matched": Part(
            ("mnli_dev_matched", "multinli_1.0_dev_matched"),
            "nyu-mll/multi_nli",
            "validation_matched",
        ),
        "mismatched": Part(
            ("mnli_dev_mismatched", "multinli_1.0_dev_mismatched"),
            "nyu-mll/multi_nli",
            "validation_mismatched",
        ),
    },
    "snli": {"test": Part(("snli_test", "snli_1.0_test"), "stanfordnlp/snli", "test")},
}
HANS = Part(("hans", "heuristics_evaluation_set"), "jhu-cogsci/hans", "validation")


def data_folder(data: str | os.PathLike[str] | None) -> Path | None:
    """Give the folder of data files, if there is one.

    Args:
        data: The folder; if not given, the environment variable ``HCORE_DATA`` names it.

    Returns:
        The folder, or ``None`` if neither names one.

    Raises:
        InputError: If it is no folder.
    """
    given = data or os.environ.get(DATA_VARIABLE)
    if not given:
        return None
    folder = Path(given).expanduser()
    if not folder.is_dir():
        what = "a file" if folder.exists() else "missing"
        raise InputError(
            f"the data folder {one_line(str(given))} is {what}; give the folder that holds the "
            f"data files, with --data or in {DATA_VARIABLE}"
        )
    return folder


def nli_train(name: str, folder: Path | None, notes: list[str]) -> Examples:
    """Read the training pairs of ``mnli`` or ``snli``, all of one case ``train``."""
    return _read(NLI_TRAIN[name], folder, notes, _nli_reader("train", notes))


def nli_test(name: str, folder: Path | None, notes: list[str]) -> Examples:
    """Read the in-domain test pairs of ``mnli`` or ``snli``, divided into their cases."""
    tables = [
        _read(part, folder, notes, _nli_reader(case, notes)).table
        for case, part in NLI_TEST[name].items()
    ]
    return Examples(pd.concat(tables, ignore_index=True), NLI_LABELS)


def hans_test(folder: Path | None, notes: list[str]) -> Examples:
    """Read HANS's evaluation set, divided into its subcases."""
    # A file of HANS may hold both splits, so the reader always asks for the one that is meant.
    return _read(HANS, folder, notes, lambda source, _: read_hans(source, HANS.split, notes=notes))


Reader = Callable[[Source, str | None], Examples]


def _nli_reader(case: str, notes: list[str]) -> Reader:
    return lambda source, split: read_nli(source, split, case=case, notes=notes)


def _read(part: Part, folder: Path | None, notes: list[str], read: Reader) -> Examples:
    """Read a part from the data folder or, if it is not there, from the hub."""
    paths = [folder / (stem + e) for stem in part.stems for e in EXTENSIONS] if folder else []
    path = next((path for path in paths if path.exists()), None)
    if path is not None:
        notes.append(f"{part.stems[0]}: read from {path.name}")
        return read(path, None)
    notes.append(f"{part.stems[0]}: read from hub:{part.hub}, split {part.split}")
    try:
        return read(f"hub:{part.hub}", part.split)
    except InputError as error:
        names = " or ".join(stem + EXTENSIONS[0] for stem in part.stems)
        where = f"in {one_line(str(folder))}" if folder else f"(no --data and no {DATA_VARIABLE})"
        raise InputError(f"there is no {names} {where}, and {error}") from error
