"""Data sets of several files: folders that `datasets` saved, shards, and name patterns."""

from __future__ import annotations

import glob
import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from ..errors import InputError, one_line, unknown
from .packing import split_packing
from .records import Records

#: Extensions of the formats that are read, the most common first.
FORMATS = (".jsonl", ".parquet", ".csv", ".tsv", ".txt", ".json", ".arrow", ".feather")
#: Files beside the data that hold none.
_NO_DATA = re.compile(r"(readme|licen[cs]e|dataset_infos?|state|dataset_dict|metadata)\b.*", re.I)
_SHARD = re.compile(r"(?P<name>.*?)[-_.]?(?P<number>\d+)(?:[-_]of[-_](?P<all>\d+))?(?:[-_.]c\d+)?")
_SPARK = re.compile(r"part-(?P<number>\d+)-[0-9a-f-]{36}.*")
_SPLITS = ("train", "validation", "dev", "valid", "test")


@dataclass(frozen=True)
class Files:
    """The files of a data set, in order.

    Args:
        paths: The files.
        one_split: Whether they are those of the split that was asked for.
    """

    paths: tuple[Path, ...]
    one_split: bool = False


def is_pattern(name: str) -> bool:
    """Return whether a name is a pattern for names of files, such as ``train-*.parquet``."""
    return any(c in name for c in "*?[")


def matching(pattern: str, shown: str) -> Files:
    """Find the files of a pattern.

    Raises:
        InputError: If there are none, or a shard is missing.
    """
    paths = [Path(name) for name in glob.glob(pattern) if os.path.isfile(name)]
    if not paths:
        raise InputError(f"no file matches {shown}; check the pattern")
    return Files(_complete(paths, shown))


def has_data_set(folder: Path) -> bool:
    """Return whether a folder is a data set, saved by `datasets` or as it lies on the hub."""
    saved = any((folder / name).is_file() for name in ("dataset_dict.json", "state.json"))
    patterns = (f"{sub}*{e}" for sub in ("", "*/") for e in (".parquet", ".arrow"))
    return folder.is_dir() and (saved or any(any(folder.glob(p)) for p in patterns))


def inside(folder: Path, shown: str, split: str | None) -> Files:
    """Find the files of a data set in a folder.

    Args:
        folder: The folder: what `datasets` saved, shards of one table, or a copy from the hub.
        shown: Its name in messages.
        split: The split, if there are several.

    Raises:
        InputError: If it holds no data set, several of which none is chosen, or a part of one.
    """
    if (folder / "dataset_dict.json").is_file():
        splits = [str(name) for name in _json(folder / "dataset_dict.json").get("splits", [])]
        name = _pick_split(splits, split, shown)
        return Files(inside(folder / name, f"{shown}/{name}", None).paths, one_split=True)
    if (folder / "state.json").is_file():
        return Files(_saved(folder, shown))
    paths = [p for p in folder.iterdir() if p.is_file() and extension_of(p.name)]
    paths = [p for p in paths if p.name[0] not in "._" and not _NO_DATA.fullmatch(p.name)]
    if not paths:
        return _below(folder, shown, split)
    groups: dict[str, list[Path]] = {}
    for path in paths:
        groups.setdefault(_group(path.name), []).append(path)
    named = groups if split is None else {g: groups[g] for g in groups if _is_split(g, split)}
    exact = {g: some for g, some in named.items() if g.split(".")[0] == split}
    named = exact or named
    if split is not None and not named and len(groups) == 1:
        (only,) = groups
        if not any(_is_split(only, other) for other in _SPLITS):
            return Files(_complete(paths, shown))
    if len(named) != 1:
        names = ", ".join(one_line(path.name, 40) for path in sorted(paths)[:8])
        asked = "" if split is None else f", of which {len(named)} are of the split {split!r}"
        raise InputError(
            f"{shown} is a folder of several tables ({names}){asked}; name the data file, or a "
            "pattern for its parts such as train-*.parquet"
        )
    return Files(_complete(next(iter(named.values())), shown), one_split=split is not None)


def extension_of(name: str) -> str:
    """Return the extension of a file's format, without that of its packing; empty if unknown."""
    name = split_packing(name.lower())[0]
    return next((e for e in FORMATS if name.endswith(e)), "")


def together(name: str, parts: Sequence[Records], paths: Sequence[Path]) -> Records:
    """Put the rows of several files one below another.

    Args:
        name: The name of the whole in messages.
        parts: The rows of each file.
        paths: The files.

    Raises:
        InputError: If the files differ in columns or in the names of classes.
    """
    first = parts[0]
    for part, path in zip(parts, paths, strict=True):
        if set(part.columns) != set(first.columns) or part.class_names != first.class_names:
            raise InputError(
                f"{name}: {one_line(path.name, 60)} has other columns or classes than "
                f"{one_line(paths[0].name, 60)}; name the files of one table alone"
            )
    return Records(
        name=name,
        unit=first.unit,
        present=first.present,
        columns={c: [v for part in parts for v in part.columns[c]] for c in first.columns},
        numbers=[
            f"{number} of {one_line(path.name, 60)}"
            for part, path in zip(parts, paths, strict=True)
            for number in part.numbers
        ],
        class_names=first.class_names,
        notes=tuple(dict.fromkeys(note for part in parts for note in part.notes)),
    )


def _pick_split(splits: Sequence[str], split: str | None, shown: str) -> str:
    if split is not None:
        if split not in splits:
            raise unknown(f"split of {shown}:", split, splits)
        return split
    if len(splits) != 1:
        names = ", ".join(one_line(name, 40) for name in splits[:8])
        raise InputError(
            f'{shown} holds the splits {names}; name one, with split = "..." or as '
            f"{one_line(PurePath(shown).name, 60)}/SPLIT"
        )
    return splits[0]


def _saved(folder: Path, shown: str) -> tuple[Path, ...]:
    """List the files of a folder that `save_to_disk` wrote."""
    state = _json(folder / "state.json")
    try:
        names = [str(part["filename"]) for part in state["_data_files"]]
    except (KeyError, TypeError) as error:
        raise InputError(f"{shown}: state.json names no files; save the data set again") from error
    if state.get("_indices_data_files"):
        raise InputError(f"{shown} was saved by an old version of `datasets`; save it again")
    for name in names:
        if PurePath(name).name != name or not (folder / name).is_file():
            raise InputError(f"{shown} lacks the file {one_line(name, 60)}; copy all of it")
    if not names:
        raise InputError(f"{shown} has no examples; give data with at least one")
    return tuple(folder / name for name in names)


def _below(folder: Path, shown: str, split: str | None) -> Files:
    """Find the data set in the one folder inside that may hold it."""
    subs = sorted(p.name for p in folder.iterdir() if p.is_dir() and p.name[0] not in "._")
    if "snapshots" in subs:
        raise InputError(f"{shown} is a folder of the hub's cache; name the one in its snapshots")
    with_data = [name for name in subs if has_data_set(folder / name) and "=" not in name]
    chosen = next((n for n in (split, "data") if n in with_data), None)
    if chosen is None and len(with_data) == len(subs) == 1:
        (chosen,) = with_data
    if chosen is None:
        names = ", ".join(one_line(name, 40) for name in subs[:8])
        there = f" (folders there: {names})" if names else ""
        raise InputError(
            f"{shown} is a folder without data files{there}; give the data file inside it"
        )
    found = inside(folder / chosen, f"{shown}/{chosen}", None if chosen == split else split)
    return Files(found.paths, found.one_split or chosen == split)


def _json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(
            f"{one_line(str(path))} is no valid JSON; save the data set again"
        ) from error
    return value if isinstance(value, dict) else {}


def _group(name: str) -> str:
    """Return the name that the parts of one table share."""
    extension = extension_of(name)
    stem = split_packing(name)[0][: -len(extension)]
    found = _SPARK.fullmatch(stem)
    shard = _SHARD.fullmatch(stem)
    return ("part" if found else shard["name"] if shard else stem) + extension


def _is_split(group: str, split: str) -> bool:
    return split in re.split(r"[-.]", group)


def _complete(paths: Sequence[Path], shown: str) -> tuple[Path, ...]:
    """Put parts in order; a missing one raises an error."""
    numbers: dict[str, set[int]] = {}
    for path in paths:
        stem = path.name.split(".")[0]
        if (shard := _SHARD.fullmatch(stem)) and shard["all"]:
            key = f"{shard['name']} of {int(shard['all'])}"
            numbers.setdefault(key, set()).add(int(shard["number"]))
    for key, found in numbers.items():
        if missing := sorted(set(range(int(key.split()[-1]))) - found):
            raise InputError(
                f"{shown} lacks part {missing[0]} of {key.split()[-1]}; fetch all parts"
            )

    def order(path: Path) -> list[tuple[int, str]]:
        return [(int(s), "") if s.isdigit() else (-1, s) for s in re.split(r"(\d+)", path.name)]

    return tuple(sorted(paths, key=order))
