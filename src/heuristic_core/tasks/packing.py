"""Packed files: gzip, bzip2, xz, Zstandard and zip archives of one file."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path, PurePosixPath
from typing import Any, cast

import pyarrow as pa

from ..errors import InputError, one_line
from . import limits

#: Extensions of packed files.
PACKINGS = (".gz", ".bz2", ".xz", ".zst", ".zip")


def split_packing(name: str) -> tuple[str, str]:
    """Divide a file's name into what is packed and the extension of the packing, if any."""
    packing = next((p for p in PACKINGS if name.lower().endswith(p)), "")
    return name.removesuffix(name[len(name) - len(packing) :]) if packing else name, packing


def archived(path: Path, shown: str) -> str:
    """Return the name of the one file in a zip archive.

    Raises:
        InputError: If it is no zip archive, or holds several files or none.
    """
    with _refusing(shown, ".zip"), zipfile.ZipFile(path) as archive:
        names = _members(archive)
    if len(names) != 1:
        inside = ", ".join(one_line(name, 60) for name in names[:8]) or "nothing"
        raise InputError(
            f"{shown} holds {len(names)} files ({inside}); unpack it and name one of them"
        )
    return PurePosixPath(names[0]).name


@contextmanager
def unpacked(path: Path, shown: str, packing: str) -> Iterator[io.BufferedReader]:
    """Open a file that may be packed, and read what it holds.

    Args:
        path: The file.
        shown: Its name in messages.
        packing: One of ``PACKINGS``, or empty.

    Yields:
        What it holds, as bytes, which are read as far as ``limits.MOST_BYTES``.

    Raises:
        InputError: If it cannot be read, is damaged, or holds too much.
    """
    with ExitStack() as stack:
        stack.enter_context(_refusing(shown, packing))
        file: Any = stack.enter_context(path.open("rb"))
        match packing:
            case ".gz":
                file = stack.enter_context(gzip.GzipFile(fileobj=file))
            case ".bz2":
                file = stack.enter_context(bz2.BZ2File(file))
            case ".xz":
                file = stack.enter_context(lzma.LZMAFile(file))
            case ".zst":
                file = stack.enter_context(pa.CompressedInputStream(file, "zstd"))
            case ".zip":
                archive = stack.enter_context(zipfile.ZipFile(file))
                file = stack.enter_context(archive.open(_members(archive)[0]))
        yield stack.enter_context(io.BufferedReader(_Counted(file, shown)))


def _members(archive: zipfile.ZipFile) -> list[str]:
    """List the files of an archive, but for those that file managers add."""
    return [
        info.filename
        for info in archive.infolist()
        if not info.is_dir()
        and not info.filename.startswith("__MACOSX/")
        and not PurePosixPath(info.filename).name.startswith(".")
    ]


@contextmanager
def _refusing(shown: str, packing: str) -> Iterator[None]:
    kind = {
        ".gz": "gzip",
        ".bz2": "bzip2",
        ".xz": "xz",
        ".zst": "Zstandard",
        ".zip": "zip",
    }.get(packing, "")
    try:
        yield
    except (EOFError, zlib.error) as error:
        raise InputError(
            f"{shown} is a truncated or damaged {kind} file; fetch it again"
        ) from error
    except (zipfile.BadZipFile, lzma.LZMAError, pa.ArrowException, NotImplementedError) as error:
        raise _damaged(shown, kind, error) from error
    except RuntimeError as error:  # the archive is encrypted
        raise InputError(
            f"cannot unpack {shown} ({one_line(str(error), 120)}); unpack it and give the file "
            "inside"
        ) from error
    except OSError as error:
        # Unpacking raises errors without a number; those of the disk have one.
        if kind and (isinstance(error, gzip.BadGzipFile) or error.errno is None):
            raise _damaged(shown, kind, error) from error
        reason = one_line(error.strerror or str(error), 120)
        raise InputError(f"cannot read {shown}: {reason}") from error


def _damaged(shown: str, kind: str, error: Exception) -> InputError:
    reason = one_line(str(error), 120)
    return InputError(f"{shown} is no intact {kind} file ({reason}); fetch it again")


class _Counted(io.RawIOBase):
    """A file that raises an error once too many bytes were read."""

    def __init__(self, file: Any, shown: str) -> None:
        self._file, self._shown, self._given = file, shown, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        read = cast(bytes, self._file.read(len(buffer)))
        buffer[: len(read)] = read
        self._given += len(read)
        if self._given > limits.MOST_BYTES:
            raise limits.too_large(self._shown)
        return len(read)
