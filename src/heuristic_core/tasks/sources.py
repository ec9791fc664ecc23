"""Reading tables of text from files, whose extension gives the format, or from the hub.

Nothing is executed or unpickled. A broken file raises an ``InputError`` that names the file, the
place in it and the remedy.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

from ..errors import InputError, one_line
from .cards import with_named_classes
from .columnar import read_arrow, read_parquet
from .content import check_start
from .delimited import TableFormat, read_table
from .folders import FORMATS, Files, extension_of, inside, is_pattern, matching, together
from .hub import HUB_NAME, HUB_PREFIX, checked_hub_name, read_hub
from .jsonfile import read_json
from .packing import PACKINGS, archived, split_packing, unpacked
from .records import Records

#: Formats that are packed themselves, and read at places that a packed file cannot give.
_COLUMNAR = {".parquet": read_parquet, ".arrow": read_arrow, ".feather": read_arrow}

#: How many bytes show what a file is.
_START = 64

#: Extensions of the supported files, the most common first.
EXTENSIONS = (
    *FORMATS,
    *(form + packing for packing in PACKINGS for form in FORMATS if form not in _COLUMNAR),
    ".zip",
)
#: The same in words.
IN_WORDS = (
    ", ".join(form for form in FORMATS if form not in _COLUMNAR)
    + f", each also with {', '.join(PACKINGS)}, or "
    + ", ".join(_COLUMNAR)
)


def read_records(
    source: str | os.PathLike[str],
    wanted: Collection[str],
    split: str | None = None,
    config: str | None = None,
    how: TableFormat | None = None,
) -> Records:
    """Read some columns of a file, of a folder or of a data set on the hub.

    Args:
        source: A path: a file, a folder that `datasets` saved or that holds the parts of one table,
            or a pattern for their names. If there is no such path: a name on the hub,
            ``namespace/name`` or ``hub:namespace/name``.
        wanted: Names of the columns to read; missing ones are left out.
        split: The split of a data set on the hub or of a folder that has splits; what has none is
            read whole.
        config: The configuration of a data set on the hub.
        how: How text tables were written, as far as that is known.

    Returns:
        The columns.

    Raises:
        InputError: If the source cannot be read.
    """
    name = _hub_name(source)
    if name is not None:
        return read_hub(name, wanted, split, config)
    shown = one_line(str(source))
    files = _files(os.path.expanduser(source), shown, split)
    how = how or TableFormat()
    if len(files.paths) == 1 and str(files.paths[0]) == os.path.expanduser(source):
        records = _read(files.paths[0], shown, wanted, how)
    else:
        parts = [_read(path, one_line(str(path)), wanted, how) for path in files.paths]
        records = together(shown, parts, files.paths)
    if not records.numbers:
        raise InputError(f"{shown} has no examples; give a file with at least one")
    return replace(records, one_split=files.one_split)


def _hub_name(source: str | os.PathLike[str]) -> str | None:
    """Return the name on the hub, or None if the source is a path."""
    if not isinstance(source, str) or os.path.exists(os.path.expanduser(source)):
        return None
    if source.startswith(HUB_PREFIX):
        return checked_hub_name(source.removeprefix(HUB_PREFIX))
    # The name of a missing file must not be sent to the hub.
    looks_like_file = source.lower().endswith(EXTENSIONS) or os.path.isdir(os.path.dirname(source))
    return source if HUB_NAME.fullmatch(source) and not looks_like_file else None


def _files(path: str, shown: str, split: str | None) -> Files:
    # Methods of Path raise errors on names that no file can have.
    if not os.path.exists(path):
        if is_pattern(path):
            return matching(path, shown)
        raise InputError(
            f"there is no file {shown}; check the path, or give a name on the hub as "
            "hub:namespace/name"
        )
    return inside(Path(path), shown, split) if os.path.isdir(path) else Files((Path(path),))


def _read(path: Path, shown: str, wanted: Collection[str], how: TableFormat) -> Records:
    """Read some columns of a file, with the names of classes that stand beside it."""
    return with_named_classes(_read_alone(path, shown, wanted, how), path)


def _read_alone(path: Path, shown: str, wanted: Collection[str], how: TableFormat) -> Records:
    """Read some columns of a file."""
    if not os.path.isfile(path):
        raise InputError(f"{shown} is not a regular file; give a data file")
    if not os.access(path, os.R_OK):
        raise InputError(f"{shown} is not readable; change its permissions (chmod u+r)")
    extension, packing = extension_of(path.name), split_packing(path.name.lower())[1]
    if not (extension or packing == ".zip"):
        raise InputError(
            f"{shown} has an unknown extension; name the file by its format: {IN_WORDS}"
        )
    if path.stat().st_size == 0:
        raise InputError(f"{shown} is empty; fetch it again")
    if packing == ".zip":
        extension = extension_of(archived(path, shown)) or extension
    if packing and (extension in _COLUMNAR or not extension):
        raise InputError(f"{shown} is packed, and holds no text; unpack it")
    if extension in _COLUMNAR:
        with unpacked(path, shown, "") as handle:
            check_start(shown, handle.peek(_START)[:_START], extension)
        return _COLUMNAR[extension](path, shown, wanted)
    with unpacked(path, shown, packing) as handle:
        check_start(shown, handle.peek(_START)[:_START], extension)
        if extension in (".jsonl", ".json"):
            return read_json(handle, shown, wanted)
        return read_table(handle, shown, extension, wanted, how)
