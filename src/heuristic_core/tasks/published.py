"""The published data sets: file names in the data folder, and names on the hub."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from ..errors import InputError, one_line
from .folders import has_data_set, inside
from .hub import HUB_PREFIX
from .labels import NLI_LABELS, PARAPHRASE_LABELS
from .readers import read_hans, read_nli, read_paws, read_qqp
from .reading import Source
from .sources import EXTENSIONS, IN_WORDS
from .task import Examples

#: The folder of data files, or None for the one that the environment names.
Folder = str | os.PathLike[str] | None
# From a source and its split to examples.
Reader = Callable[[Source, str | None], Examples]

#: The environment variable that names the folder of data files.
DATA_VARIABLE = "HCORE_DATA"


@dataclass(frozen=True)
class PublishedSplit:
    """One split of a published data set.

    Args:
        stems: File names in the data folder, with any supported extension; or folders of a table's
            parts. The first two are named in messages.
        hub: Name on the hub, for data folders without such a file; empty if the hub lacks it.
        split: Name of the split on the hub.
        config: Configuration on the hub, if there are several.
        folder: A folder in the data folder that holds all splits.
        only_beside: A file of the same archive, by which a stem such as ``train`` is known to be
            this split.
    """

    stems: tuple[str, ...]
    hub: str = ""
    split: str = ""
    config: str | None = None
    folder: str = ""
    only_beside: tuple[str, str] | None = None


def _mnli(file: str, split: str) -> PublishedSplit:
    archived = f"multinli_1.0_{file}"
    stems = (f"mnli_{file}", archived, f"multinli_1.0/{archived}", f"MNLI/{file}")
    beside = (file, "dev_matched") if file == "train" else (file, "train")
    return PublishedSplit(stems, "nyu-mll/multi_nli", split, folder="mnli", only_beside=beside)


def _snli(split: str) -> PublishedSplit:
    archived = f"snli_1.0_{split}"
    stems = (f"snli_{split}", archived, f"snli_1.0/{archived}", f"SNLI/{split}")
    return PublishedSplit(stems, "stanfordnlp/snli", split, folder="snli")


NLI_TRAIN = {"mnli": _mnli("train", "train"), "snli": _snli("train")}
#: The in-domain test sets by case. MNLI has no public test labels.
NLI_TEST = {
    "mnli": {
        "matched": _mnli("dev_matched", "validation_matched"),
        "mismatched": _mnli("dev_mismatched", "validation_mismatched"),
    },
    "snli": {"test": _snli("test")},
}
HANS = PublishedSplit(
    ("hans", "heuristics_evaluation_set", "hans/heuristics_evaluation_set"),
    "jhu-cogsci/hans",
    "validation",
)

#: One file of training and test pairs; the end of the column ``source`` says which they are.
QQP_PAIRS = PublishedSplit(("qqp_pairs",))
QQP_TRAIN_SOURCES, QQP_TEST_SOURCES = ("_train", "_dev"), ("_test",)
#: GLUE's files, under these names or in the folder of its archive.
QQP_TRAIN = PublishedSplit(("qqp_train", "QQP/train"), "nyu-mll/glue", "train", "qqp", "qqp")
QQP_TEST = PublishedSplit(("qqp_dev", "QQP/dev"), "nyu-mll/glue", "validation", "qqp", "qqp")

#: The licence keeps PAWS-QQP off the hub. Its own program writes the two official files.
PAWS = PublishedSplit(("paws_qqp",))
PAWS_OFFICIAL = tuple(
    PublishedSplit((f"paws_qqp/{file}", f"paws_qqp/output/{file}"))
    for file in ("train", "dev_and_test")
)


def data_folder(data: Folder) -> Path | None:
    """Return the folder of data files, if one is named.

    Args:
        data: The folder; by default the environment variable ``HCORE_DATA`` names it.

    Returns:
        The folder, or ``None`` if neither names one.

    Raises:
        InputError: If it is not a folder.
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
    return read_published(
        NLI_TRAIN[name], folder, notes, partial(read_nli, case="train", notes=notes)
    )


def nli_test(name: str, folder: Path | None, notes: list[str]) -> Examples:
    """Read the in-domain test pairs of ``mnli`` or ``snli``, divided into their cases."""
    cases = [
        read_published(split, folder, notes, partial(read_nli, case=case, notes=notes))
        for case, split in NLI_TEST[name].items()
    ]
    return Examples.concat(cases, NLI_LABELS)


def hans_test(folder: Path | None, notes: list[str]) -> Examples:
    """Read HANS's evaluation set, divided into its subcases."""
    # A file of HANS may hold both splits, so the split is always given to the reader.
    return read_published(
        HANS, folder, notes, lambda source, _: read_hans(source, HANS.split, notes=notes)
    )


def qqp_train(folder: Path | None, notes: list[str]) -> Examples:
    """Read the training pairs of QQP."""
    return _qqp(QQP_TRAIN, QQP_TRAIN_SOURCES, "train", folder, notes)


def qqp_test(folder: Path | None, notes: list[str]) -> Examples:
    """Read the in-domain test pairs of QQP; GLUE has no public test labels."""
    return _qqp(QQP_TEST, QQP_TEST_SOURCES, "qqp", folder, notes)


def paws_test(folder: Path | None, notes: list[str], *, detokenise: bool) -> Examples:
    """Read both files of PAWS-QQP, divided into duplicates and other pairs."""

    def read(source: Source, split: str | None) -> Examples:
        return read_paws(source, detokenise=detokenise, notes=notes)

    if _path(PAWS, folder) is None and any(_path(split, folder) for split in PAWS_OFFICIAL):
        files = [read_published(split, folder, notes, read) for split in PAWS_OFFICIAL]
        return Examples.concat(files, PARAPHRASE_LABELS)
    return read_published(PAWS, folder, notes, read)


def _qqp(
    split: PublishedSplit,
    sources: tuple[str, ...],
    case: str,
    folder: Path | None,
    notes: list[str],
) -> Examples:
    path = _path(QQP_PAIRS, folder)
    if path is None:
        read = partial(read_qqp, config=split.config, case=case, notes=notes)
        return read_published(split, folder, notes, read)
    read_notes: list[str] = []
    examples = read_qqp(path, case_column="source", notes=read_notes)
    notes += [note for note in read_notes if note not in notes]  # the file is read for both splits
    chosen = examples.table["case"].str.endswith(sources).to_numpy()
    ends = " or ".join(sources)
    if not chosen.any():
        raise InputError(
            f"{one_line(str(path))} has no row whose source ends in {ends}; "
            "see docs/reference/data.md"
        )
    notes.append(f"{split.stems[0]}: read from {path.name}, sources that end in {ends}")
    return examples.take(np.flatnonzero(chosen))


def _path(split: PublishedSplit, folder: Path | None) -> Path | None:
    """Find the file or folder of a split in the data folder."""
    if folder is None:
        return None

    def files(stem: str) -> list[Path]:
        return [folder / (stem + e) for e in EXTENSIONS if (folder / (stem + e)).exists()]

    for stem in split.stems:
        if found := files(stem):
            return found[0]
        if has_data_set(folder / stem):
            return folder / stem
    if split.folder and has_data_set(whole := folder / split.folder):
        if not inside(whole, one_line(str(whole)), split.split).one_split:
            raise InputError(
                f"{one_line(str(whole))} has no split {split.split}; name it {split.stems[0]} if "
                "it is that split"
            )
        return whole
    # The folder may be the archive's own.
    if split.only_beside is not None and files(split.only_beside[1]):
        return next(iter(files(split.only_beside[0])), None)
    return None


def read_published(
    split: PublishedSplit, folder: Path | None, notes: list[str], read: Reader
) -> Examples:
    """Read a split from the data folder or, if it is not there, from the hub."""
    path = _path(split, folder)
    if path is not None:
        notes.append(f"{split.stems[0]}: read from {path.name}")
        return read(path, split.split if path.is_dir() else None)
    where = f"in {one_line(str(folder))}" if folder else f"(no --data and no {DATA_VARIABLE})"
    missing = f"there is no {' or '.join(split.stems[:2])} ({IN_WORDS}, or a folder) {where}"
    if not split.hub:
        raise InputError(f"{missing}, and the hub does not have it; see docs/reference/data.md")
    notes.append(f"{split.stems[0]}: read from hub:{split.hub}, split {split.split}")
    try:
        return read(f"{HUB_PREFIX}{split.hub}", split.split)
    except InputError as error:
        raise InputError(f"{missing}, and {error}") from error
