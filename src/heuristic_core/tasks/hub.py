"""Data sets on the Hugging Face hub, read without running any code from there."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager

from ..errors import InputError, one_line, remark, unknown
from ..hub import client
from .columnar import named_classes
from .records import Records

#: Prefix of sources on the hub.
HUB_PREFIX = "hub:"

#: A name on the hub.
HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")


def checked_hub_name(name: str) -> str:
    """Check that the hub's client will look for a name on the hub and nowhere else."""
    shown = f"{HUB_PREFIX}{one_line(name)}"
    # A name without namespace may select one of the client's own readers. In some versions the
    # reader "pandas" unpickles files from the working folder.
    if not HUB_NAME.fullmatch(name):
        raise InputError(
            f"{shown} is not a name on the hub; write hub:namespace/name, or give a local file"
        )
    # The client would read the local file instead.
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
        name: ``namespace/name``, checked by ``checked_hub_name``.
        wanted: Names of the columns to read; missing ones are left out.
        split: The split, if there are several.
        config: The configuration, if there are several.

    Returns:
        The columns, with class names in place of class numbers.

    Raises:
        InputError: If it cannot be loaded.
    """
    shown = f"{HUB_PREFIX}{one_line(name)}"
    which = (name,) if config is None else (name, config)
    away = client.unreachable()
    try:
        import datasets  # takes a second, and local files do not need it

        with _quiet(offline=away is not None):
            try:
                loaded = datasets.load_dataset(*which, split=split)
            except RuntimeError as error:
                if "scripts are no longer supported" not in str(error):
                    raise
                # The hub keeps a converted copy of data sets that were published as a script.
                loaded = datasets.load_dataset(*which, split=split, revision="refs/convert/parquet")
    except Exception as error:  # the hub's client raises many kinds of error
        said = str(error)
        if away is not None and isinstance(error, ConnectionError):
            said = f"the hub cannot be reached: {away}"
        raise InputError(
            f"cannot load {shown} ({one_line(said, 160)}); check name, "
            "configuration, split and connection, or download the data and give the file"
        ) from error
    if away not in (None, client.OFFLINE):
        remark(f"the hub cannot be reached ({away}), so {shown} is a copy that was read before")
    if not isinstance(loaded, datasets.Dataset):
        splits = list(loaded) if isinstance(loaded, datasets.DatasetDict) else []
        if len(splits) != 1:
            raise unknown(f"split of {shown}:", split, splits)
        loaded = loaded[splits[0]]
    present = tuple(loaded.column_names)
    names = [column for column in wanted if column in present]
    features = {column: loaded.features[column] for column in names}
    classes = {
        column: tuple(feature.names)
        for column, feature in features.items()
        if isinstance(feature, datasets.ClassLabel)
    }
    if not len(loaded):
        raise InputError(f"{shown} has no examples; name another split")
    return Records(
        name=shown,
        unit="row",
        present=present,
        columns=named_classes(shown, {column: loaded[column] for column in names}, classes),
        numbers=list(range(1, len(loaded) + 1)),
        class_names=classes,
        one_split=split is not None,
    )


@contextmanager
def _quiet(*, offline: bool) -> Iterator[None]:
    """Keep the client's warnings off the screen; offline, let it look in its cache alone."""
    import datasets

    level, was_offline = datasets.logging.get_verbosity(), datasets.config.HF_HUB_OFFLINE
    datasets.logging.set_verbosity_error()
    datasets.config.HF_HUB_OFFLINE = was_offline or offline
    try:
        with client.quiet():
            yield
    finally:
        datasets.logging.set_verbosity(level)
        datasets.config.HF_HUB_OFFLINE = was_offline
