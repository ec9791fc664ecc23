"""Reading and writing files so that a crash leaves the old file or the new one, never half."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import tempfile
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import safetensors
import safetensors.numpy

from .errors import InputError, expect, one_line

#: Settings and records are smaller than this.
_MOST_BYTES = 2**28

#: What helps where a file cannot be written, other than another folder.
_REMEDIES = {
    errno.ENOSPC: "free some space",
    errno.EISDIR: "remove the folder of that name",
    errno.ENAMETOOLONG: "choose a shorter name",
}


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path whose file replaces ``path`` when the block ends without an error.

    Args:
        path: The file to write; its folder is made if needed.

    Raises:
        InputError: If the file cannot be written.
    """
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:40]}.")
        os.close(handle)
        temporary = Path(name)
        yield temporary
        # mkstemp makes files private; what a run leaves behind should follow the user's umask.
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        os.replace(temporary, path)
    except OSError as error:
        remedy = _REMEDIES.get(error.errno or 0, "choose a folder you may write to")
        raise InputError(f"cannot write {path}: {error.strerror or error}; {remedy}") from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def as_path(where: str | os.PathLike[str]) -> Path:
    """Return a path that was given as text or as a path.

    Raises:
        InputError: If it is neither, or no path can have that name.
    """
    expect("a path", where, str, os.PathLike)
    path = os.fspath(where)
    if not isinstance(path, str) or "\0" in path or not _can_be_named(path):
        raise InputError(f"{one_line(repr(path), 80)} is no path; give one of printable text")
    return Path(path)


def _can_be_named(path: str) -> bool:
    try:
        os.fsencode(path)
    except UnicodeEncodeError:  # half a character
        return False
    return True


def check_writable(folder: Path) -> None:
    """Make sure that files can be written into a folder; what the test creates is removed again.

    Raises:
        InputError: If they cannot.
    """
    missing = [path for path in (folder, *folder.parents) if not os.path.lexists(path)]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise InputError(
            f"cannot write into {folder}: {error.strerror or error}; choose a folder you may "
            "write to"
        ) from error
    finally:
        for path in missing:
            with contextlib.suppress(OSError):
                path.rmdir()


def write_text(path: Path, text: str) -> None:
    """Write a text file as UTF-8, in one piece."""
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file in one piece."""
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def json_text(value: Any) -> str:
    """Write a value as indented JSON text; NaN becomes null.

    Raises:
        InputError: If it holds what JSON does not.
    """
    try:
        text = json.dumps(plain(value), indent=2, ensure_ascii=False) + "\n"
        text.encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise InputError(
            "what is to be saved holds something that JSON does not "
            f"({one_line(str(error), 120)}); give texts, numbers, lists and dictionaries"
        ) from error
    return text


def write_json(path: Path, value: Any) -> None:
    """Write a value as indented JSON, in one piece; NaN becomes null."""
    write_text(path, json_text(value))


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        InputError: If it is missing or is no JSON.
    """
    _check_regular(path)
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is no valid JSON ({one_line(str(error), 120)})") from error


def _check_regular(path: Path) -> None:
    """Make sure that a file is a regular one: devices and pipes may never end."""
    if os.path.exists(path) and not os.path.isdir(path):
        if not os.path.isfile(path):
            raise InputError(f"cannot read {path}: it is no regular file; give one")
        if os.path.getsize(path) > _MOST_BYTES:
            raise InputError(
                f"cannot read {path}: it has more than {_MOST_BYTES} bytes; is it the right file?"
            )


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file.

    Raises:
        InputError: If it is missing or is no TOML.
    """
    shown = one_line(str(path))
    _check_regular(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            f"cannot read {shown}: it is not UTF-8; convert it, for instance with iconv -t UTF-8"
        ) from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"cannot read {shown}: {one_line(reason, 120)}") from error
    try:
        return tomllib.loads(text)
    except (
        ValueError,
        RecursionError,
    ) as error:  # also very long numbers, deep nesting
        raise InputError(f"{shown} is no valid TOML: {one_line(str(error), 160)}") from error


def write_tensors(path: Path, tensors: Mapping[str, np.ndarray]) -> None:
    """Write named arrays as safetensors, in one piece."""
    with replacing(path) as temporary:
        safetensors.numpy.save_file(
            {k: np.ascontiguousarray(v) for k, v in tensors.items()}, temporary
        )


def read_tensors(path: Path) -> dict[str, np.ndarray]:
    """Read named arrays from a safetensors file; no other format is ever opened.

    Raises:
        InputError: If it is missing or damaged.
    """
    try:
        return dict(safetensors.numpy.load_file(path))
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from error
    except (
        safetensors.SafetensorError,
        KeyError,
        TypeError,
        ValueError,
    ) as error:  # odd types, too
        raise InputError(
            f"{path} is no intact safetensors file ({one_line(str(error), 120)})"
        ) from error


def write_table(path: Path, table: pd.DataFrame) -> None:
    """Write a table as parquet, in one piece."""
    with replacing(path) as temporary:
        table.to_parquet(temporary, index=False, compression="zstd")


def read_table(path: Path) -> pd.DataFrame:
    """Read a parquet table.

    Raises:
        InputError: If it is missing or damaged.
    """
    try:
        # Not pandas: it reads a folder as a table in parts, and trusts the metadata of a file.
        with pa.parquet.ParquetFile(path) as file:
            return file.read().to_pandas(ignore_metadata=True)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or 'it is damaged'}") from error
    except (ValueError, KeyError, TypeError, OverflowError, pa.ArrowException) as error:
        raise InputError(
            f"{path} is no intact parquet file ({one_line(str(error), 120)})"
        ) from error


def digest(value: Any) -> str:
    """Compute the SHA-256 of a JSON-like value; the order of keys does not matter."""
    text = json.dumps(plain(value), sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def file_digest(path: Path) -> str:
    """Compute the SHA-256 of a file's content."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def plain(value: Any) -> Any:
    """Turn numpy and pandas values, tuples and sets into what JSON has; NaN becomes null."""
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if isinstance(value, set | frozenset):
        return sorted(plain(v) for v in value)
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, np.generic):
        return plain(value.item())
    if value is pd.NA or (isinstance(value, float) and not np.isfinite(value)):
        return None
    return value
