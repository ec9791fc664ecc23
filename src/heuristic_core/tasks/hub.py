"""Data sets on the Hugging Face hub, read without ever running what is found there."""

from __future__ import annotations

import os
import re
from collections.abc import Collection

from ..errors import InputError, one_line, unknown
from .labels import NO_GOLD_LABEL
from .records import Records

#: What a source starts with that is meant to be on the hub.
HUB_PREFIX = "hub:"

#: A name on the hub.
HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")


def checked_hub_name(name: str) -> str:
    """Make sure that the hub's client takes a name for one on the hub and for nothing else."""
    shown = f"{HUB_PREFIX}{one_line(name)}"
    # Names without namespace may be the client's own readers: some versions have one, "pandas",
    # that unpickles whatever lies in the working folder.
    if not HUB_NAME.fullmatch(name):
        raise InputError(
            f"{shown} is no name on the hub; write hub:namespace/name, or give a local file"
        )
    # The client would read the local one and call it the hub's.
    if os.path.exists(name):
        raise InputError(
            f"{shown} is also the name of something in the working folder; start from another "
            "folder, or give a local file"
        )
    return name


def read_hub(
    name: str, wanted: Collection[str], split: str | None = None, config: str | None = None
) -> Records:
    """Read some columns of a data set on the hub.

    Args:
        name: ``namespace/name``, as ``checked_hub_name`` lets it pass.
        wanted: Names of the columns to read; those that are not there are left out.
        split: Which split, of a data set that has several.
        config: Which of its configurations, of a data set that has several.

    Returns:
        The columns, class numbers as names.

    Raises:
        InputError: If it cannot be loaded.
    """
    shown = f"{HUB_PREFIX}{one_line(name)}"
    which = (name,) if config is None else (name, config)
    try:
        import datasets  # takes a second, and files do not need it

        try:
            loaded = datasets.load_dataset(*which, split=split)
        except RuntimeError as error:
            if "scripts are no longer supported" not in str(error):
                raise
            # The hub keeps a converted copy of data sets that were published as a program.
            loaded = datasets.load_dataset(*which, split=split, revision="refs/convert/parquet")
    except Exception as error:  # whatever the hub's client raises, it is no bug of the caller
        raise InputError(
            f"cannot load {shown} ({one_line(str(error), 160)}); check name, "
            "configuration, split and connection, or download the data and give the file"
        ) from error
    if not isinstance(loaded, datasets.Dataset):
        splits = list(loaded) if isinstance(loaded, datasets.DatasetDict) else []
        if len(splits) != 1:
            raise unknown(f"split of {shown}:", split, splits)
        loaded = loaded[splits[0]]
    present = tuple(loaded.column_names)
    names = [column for column in wanted if column in present]
    columns = {column: list(loaded[column]) for column in names}
    for column in names:
        feature = loaded.features[column]
        if isinstance(feature, datasets.ClassLabel):
            columns[column] = [_class_name(value, feature.names) for value in columns[column]]
    if not len(loaded):
        raise InputError(f"{shown} has no examples; name another split")
    return Records(shown, "row", present, columns, list(range(1, len(loaded) + 1)))


def _class_name(number: int | None, names: list[str]) -> str | None:
    if number is None:
        return None
    return names[number] if number >= 0 else NO_GOLD_LABEL
