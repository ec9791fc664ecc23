"""Which study a run folder is of."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..storage import read_json
from .config import StudyConfig, check_study
from .manifest import read_manifest
from .place import places_of, read_origin


def open_run(folder: Path) -> StudyConfig:
    """Read the configuration that a run folder was made with, and find its models.

    Relative paths start where those of the study file did, wherever the run is opened.

    Raises:
        InputError: If the folder holds no run.
    """
    config = read_study(folder)
    with suppress(InputError):  # whoever needs the manifest reports what is wrong with it
        sources = set(config.sources.values())
        return config.at(places_of(sources, folder, read_manifest(folder)))
    return config


def read_study(folder: Path) -> StudyConfig:
    """Read the configuration that a run folder was made with.

    Raises:
        InputError: If the folder holds no run.
    """
    path = folder / "study.json"
    if not os.path.isfile(path):
        raise InputError(f"{folder} is no run folder (it has no study.json); start one: hcore run")
    try:
        raw = read_json(path)
        if not isinstance(raw, Mapping):
            raise InputError("it should hold a configuration")
        return check_study(raw, read_origin(folder))
    except InputError as error:
        raise InputError(
            f"{path} is damaged ({error}); remove it and start the study again with `hcore run`: "
            "finished cells are kept"
        ) from error


def check_claim(folder: Path, config: StudyConfig, update: bool) -> None:
    """Make sure that a run folder is free for a study, or its own; nothing is written.

    Args:
        folder: The run folder.
        config: The study.
        update: Whether changed settings may replace the folder's own.

    Raises:
        InputError: If it holds another study, this one with other settings, or other files.
    """
    if os.path.isfile(folder / "study.json"):
        old, new = read_study(folder).model_dump(mode="json"), config.model_dump(mode="json")
        if old["name"] != new["name"]:
            raise InputError(
                f"{folder} is the run of another study, {old['name']!r}; choose another --out"
            )
        changed = differences(old, new, "")
        if changed and not update:
            raise InputError(
                f"{folder} holds this study with other settings ({', '.join(changed[:5])}); choose "
                "another --out, or --update to change it (finished cells that still fit are kept)"
            )
    else:
        check_free(folder)


def check_free(folder: Path) -> None:
    """Make sure that a folder without a study may become a run folder; nothing is written.

    One that a killed or failed command has begun may, and so may one whose study was removed.

    Args:
        folder: The folder, which need not exist.

    Raises:
        InputError: If it holds other files.
    """
    if folder.is_dir() and any(folder.iterdir()) and not (folder / "cells").is_dir():
        raise InputError(f"{folder} is not empty and no run folder; choose another --out")


def differences(old: Any, new: Any, key: str) -> list[str]:
    """List the keys of nested settings that differ, such as ``search.seeds``."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        return [
            difference
            for name in sorted({*old, *new})
            for difference in differences(old.get(name), new.get(name), f"{key}.{name}".strip("."))
        ]
    return [] if old == new else [key]
