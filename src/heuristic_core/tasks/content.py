"""What a file holds, by its first bytes, where that is not what its name says."""

from __future__ import annotations

from ..errors import InputError

#: How files of other formats begin, what they are, and the extension that they are read by.
_STARTS = (
    (b"PAR1", "a Parquet file", ".parquet"),
    (b"ARROW1", "an Arrow file", ".arrow"),
    (b"\x1f\x8b", "packed by gzip", ".gz"),
    (b"BZh", "packed by bzip2", ".bz2"),
    (b"\xfd7zXZ", "packed by xz", ".xz"),
    (b"\x28\xb5\x2f\xfd", "packed by Zstandard", ".zst"),
    (b"PK\x03\x04", "a zip archive or a workbook", ""),
    (b"\xd0\xcf\x11\xe0", "a workbook", ""),
)
#: Formats of text tables, whose first line names columns.
_TABLES = (".csv", ".tsv", ".txt")
#: Texts that stand in place of a file, and what to do. They are compared in lower case.
_INSTEAD = (
    (b"version https://git-lfs", "a pointer of Git LFS", "fetch the file with git lfs pull"),
    (b"<!doctype html", "a web page", "fetch the data file itself"),
    (b"<html", "a web page", "fetch the data file itself"),
)


def check_start(shown: str, start: bytes, extension: str) -> None:
    """Refuse a file that begins as one of another format does.

    Args:
        shown: Its name in messages.
        start: Its first bytes, unpacked.
        extension: The extension of its format.

    Raises:
        InputError: If it does; the message says what it is.
    """
    for mark, what, remedy in _INSTEAD:
        if start.lower().lstrip().startswith(mark):
            raise InputError(f"{shown} is {what}, not the data; {remedy}")
    if extension in _TABLES and start.startswith((b'{"', b'[{"')):
        raise InputError(f"{shown} holds JSON, not {extension}; name it with .jsonl at the end")
    for mark, what, other in _STARTS:
        if start.startswith(mark) and extension not in (other, ".feather"):
            remedy = f"name it with {other} at the end" if other else "save it as .csv or .parquet"
            raise InputError(f"{shown} is {what}, not {extension}; {remedy}")
