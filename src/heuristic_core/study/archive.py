"""A run as one archive: what shows, reports and concludes, without weights and cells."""

from __future__ import annotations

import os
import re
import shutil
import stat
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import InputError, one_line
from ..storage import replacing
from .results import read_results

#: What an archive may hold; nothing else is written and nothing else is read.
_NAME = re.compile(
    r"(?:study|manifest)\.json|conclusions/basis\.json|"
    r"(?:tables|conclusions)/[A-Za-z0-9][A-Za-z0-9._+-]{0,180}\.parquet",
    re.ASCII,
)
#: Files and bytes that an archive holds at most, unpacked.
_MOST_FILES, _MOST_BYTES = 2000, 2**31
#: A date for all files, the first that a ZIP archive can hold: the same run gives the same bytes.
_DATE = (1980, 1, 1, 0, 0, 0)
_WHOLE = "export the run again with `hcore export`"


def write_archive(folder: Path, path: Path) -> Path:
    """Write a finished run's configuration, manifest, tables and conclusions into one ZIP archive.

    The bytes depend on the run alone.

    Args:
        folder: The run folder.
        path: The archive.

    Returns:
        The archive's path.

    Raises:
        InputError: If the folder holds no finished run, or one that is damaged, or the archive
            cannot be written.
    """
    read_results(folder)  # what cannot be shown here cannot be shown from the archive either
    names = files_of(folder)
    with replacing(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for name in names:
            entry = zipfile.ZipInfo(name, _DATE)
            entry.external_attr = (stat.S_IFREG | 0o644) << 16
            # Tables are compressed already; what a compressor gives depends on its version.
            archive.writestr(entry, (folder / name).read_bytes(), zipfile.ZIP_STORED)
    return path


def files_of(folder: Path) -> list[str]:
    """List the files of a run folder that show, report and conclude, without weights and cells."""
    return [
        name
        for file in sorted(folder.rglob("*"))
        if _NAME.fullmatch(name := file.relative_to(folder).as_posix()) and os.path.isfile(file)
    ]


@contextmanager
def opened(path: Path, *, change: bool = False) -> Iterator[Path]:
    """Yield the folder of a run that is given as a folder or as an archive.

    Args:
        path: The run folder, or an archive that ``write_archive`` wrote.
        change: Whether an archive is written again with what has changed in the folder.

    Raises:
        InputError: If it is another file, or an archive that is damaged or holds something else.
    """
    if not is_archive(path):
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="hcore-") as temporary:
        folder = Path(temporary) / "run"
        _extract(path, folder)
        try:
            yield folder
        except InputError as error:
            raise InputError(str(error).replace(str(folder), str(path))) from error
        if change:
            write_archive(folder, path)


def is_archive(path: Path) -> bool:
    """Return whether a run is given as a file, and not as a folder."""
    return os.path.exists(path) and not os.path.isdir(path)


def _extract(path: Path, folder: Path) -> None:
    shown = one_line(str(path), 200)
    try:
        if not stat.S_ISREG(os.stat(path).st_mode) or not zipfile.is_zipfile(path):
            raise InputError(
                f"{shown} is no run folder and no intact archive of `hcore export`; {_WHOLE}"
            )
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            _check(shown, entries)
            for entry in entries:
                place = folder / entry.filename
                place.parent.mkdir(parents=True, exist_ok=True)
                with archive.open(entry) as source, place.open("wb") as target:
                    shutil.copyfileobj(source, target)
    except InputError:
        raise
    except OSError as error:
        raise InputError(f"cannot read {shown}: {error.strerror or error}") from error
    except (zipfile.BadZipFile, ValueError, RuntimeError, EOFError, NotImplementedError) as error:
        raise InputError(
            f"the archive {shown} is damaged ({one_line(str(error), 120)}); {_WHOLE}"
        ) from error


def _check(shown: str, entries: list[zipfile.ZipInfo]) -> None:
    """Refuse an archive that holds what no run has, before anything of it is unpacked."""
    if len(entries) > _MOST_FILES or sum(entry.file_size for entry in entries) > _MOST_BYTES:
        raise InputError(
            f"the archive {shown} holds more than a run does ({_MOST_FILES} files, "
            f"{_MOST_BYTES >> 30} GiB); {_WHOLE}"
        )
    seen: set[str] = set()
    for entry in entries:
        name = entry.filename
        kind = stat.S_IFMT(entry.external_attr >> 16)
        if not _NAME.fullmatch(name) or kind not in (0, stat.S_IFREG) or name in seen:
            raise InputError(
                f"the archive {shown} holds {one_line(repr(name), 80)}, which no run has; {_WHOLE}"
            )
        seen.add(name)
