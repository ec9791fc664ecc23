"""The published data sets: file names in the data folder, and names on the hub."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from ..errors import InputError, one_line
from .labels import NLI_LABELS, PARAPHRASE_LABELS
from .readers import read_hans, read_nli, read_paws, read_qqp
from .reading import Source
from .sources import EXTENSIONS
from .task import Examples

#: The environment variable that names the folder of data files.
DATA_VARIABLE = "HCORE_DATA"

_FORMATS = ".jsonl, .csv, .tsv or .txt, each also with .gz, or .parquet"


@dataclass(frozen=True)
class Part:
    """One part of a published data set.

    Args:
        stems: File names without extension under which it is looked for in the data folder; any
            extension that can be read will do.
        hub: Its name on the hub, where it is read from if there is no such file; empty if it is
            not there.
        split: Its split there.
        config: Its configuration there, where there are several.
    """

    stems: tuple[str, ...]
    hub: str = ""
    split: str = ""
    config: str | None = None


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

#: One file of pairs to train on and to test on, told apart by the end of what ``source`` says.
QQP_PAIRS = Part(("qqp_pairs",))
QQP_TRAIN_SOURCES, QQP_TEST_SOURCES = ("_train", "_dev"), ("_test",)
#: GLUE's files, under these names or in the folder that its archive unpacks to.
QQP_TRAIN = Part(("qqp_train", "QQP/train"), "nyu-mll/glue", "train", "qqp")
QQP_TEST = Part(("qqp_dev", "QQP/dev"), "nyu-mll/glue", "validation", "qqp")

#: PAWS-QQP may not be passed on, so that it is not on the hub; its own program makes two files.
PAWS = Part(("paws_qqp",))
PAWS_OFFICIAL = (Part(("paws_qqp/train",)), Part(("paws_qqp/dev_and_test",)))


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


def qqp_train(folder: Path | None, notes: list[str]) -> Examples:
    """Read the training pairs of QQP."""
    return _qqp(QQP_TRAIN, QQP_TRAIN_SOURCES, "train", folder, notes)


def qqp_test(folder: Path | None, notes: list[str]) -> Examples:
    """Read the in-domain test pairs of QQP: GLUE's test labels are not public."""
    return _qqp(QQP_TEST, QQP_TEST_SOURCES, "qqp", folder, notes)


def paws_test(folder: Path | None, notes: list[str], *, detokenise: bool) -> Examples:
    """Read PAWS-QQP, both its parts, divided into pairs that are duplicates and others."""

    def read(source: Source, split: str | None) -> Examples:
        return read_paws(source, detokenise=detokenise, notes=notes)

    if _path(PAWS, folder) is None and any(_path(part, folder) for part in PAWS_OFFICIAL):
        tables = [_read(part, folder, notes, read).table for part in PAWS_OFFICIAL]
        return Examples(pd.concat(tables, ignore_index=True), PARAPHRASE_LABELS)
    return _read(PAWS, folder, notes, read)


def _qqp(
    part: Part, sources: tuple[str, ...], case: str, folder: Path | None, notes: list[str]
) -> Examples:
    path = _path(QQP_PAIRS, folder)
    if path is None:
        return _read(
            part,
            folder,
            notes,
            lambda source, split: read_qqp(
                source, split, config=part.config if split else None, case=case, notes=notes
            ),
        )
    said: list[str] = []
    examples = read_qqp(path, case_column="source", notes=said)
    notes += [note for note in said if note not in notes]  # it is read for both parts
    chosen = examples.table["case"].str.endswith(sources).to_numpy()
    ends = " or ".join(sources)
    if not chosen.any():
        raise InputError(
            f"{one_line(str(path))} has no row whose source ends in {ends}; see docs/data.md"
        )
    notes.append(f"{part.stems[0]}: read from {path.name}, sources that end in {ends}")
    return examples.take(np.flatnonzero(chosen))


# From a source and its split to examples.
Reader = Callable[[Source, str | None], Examples]


def _nli_reader(case: str, notes: list[str]) -> Reader:
    return lambda source, split: read_nli(source, split, case=case, notes=notes)


def _path(part: Part, folder: Path | None) -> Path | None:
    """Find a part's file in the data folder."""
    paths = [folder / (stem + e) for stem in part.stems for e in EXTENSIONS] if folder else []
    return next((path for path in paths if path.exists()), None)


def _read(part: Part, folder: Path | None, notes: list[str], read: Reader) -> Examples:
    """Read a part from the data folder or, if it is not there, from the hub."""
    path = _path(part, folder)
    if path is not None:
        notes.append(f"{part.stems[0]}: read from {path.name}")
        return read(path, None)
    where = f"in {one_line(str(folder))}" if folder else f"(no --data and no {DATA_VARIABLE})"
    missing = f"there is no {' or '.join(part.stems)} ({_FORMATS}) {where}"
    if not part.hub:
        raise InputError(f"{missing}, and the hub does not have it; see docs/data.md")
    notes.append(f"{part.stems[0]}: read from hub:{part.hub}, split {part.split}")
    try:
        return read(f"hub:{part.hub}", part.split)
    except InputError as error:
        raise InputError(f"{missing}, and {error}") from error
