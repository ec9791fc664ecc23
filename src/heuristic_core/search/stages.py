"""Long work in stages: what each gives is kept, so that what was stopped goes on after it."""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from ..errors import InputError
from ..models.ablation import AblationValues
from ..models.classifier import Classifier
from ..storage import as_path, digest, read_json, read_tensors, write_json, write_tensors
from ..subnetwork import Subnetwork

Found = TypeVar("Found")

#: Written into the folder of a stage when everything else is in it.
_DONE = "stage.json"
_RECORD: dict[str, Callable[[Any], Any]] = {"n": int, "seconds": float, "examples": int}
_ARRAYS = "arrays.safetensors"


class Stages:
    """What the stages of a long call have given.

    Args:
        folder: Where it is kept; nothing is kept without one.
        model: The full model.
        values: What replaces the outputs of units.
        call: What else determines the result, as plain values: what another call left in the folder
            is not used.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str] | None,
        model: Classifier,
        values: AblationValues,
        **call: Any,
    ) -> None:
        self._folder = None if folder is None else as_path(folder)
        self._begun = time.perf_counter()
        self._n_before = Classifier.n_examples_run
        if folder is not None:
            of = {"weights": model.fingerprint.digests(), "values": digest_of(values.arrays())}
            self._key = digest(of | call)[:16]

    def find(self, name: str, search: Callable[[], list[Subnetwork]]) -> list[Subnetwork]:
        """Return the subnetworks that a stage found, now or before.

        Args:
            name: The name of the stage.
            search: Finds them; it is called if they are not kept, or damaged.
        """

        def write(place: Path, found: list[Subnetwork]) -> int:
            for i, one in enumerate(found):
                one.save(place / str(i))
            return len(found)

        def read(place: Path, n: int) -> list[Subnetwork]:
            return [Subnetwork.read(place / str(i)) for i in range(n)]

        return self._kept(name, search, write, read)

    def arrays(
        self, name: str, compute: Callable[[], Mapping[str, np.ndarray]]
    ) -> Mapping[str, np.ndarray]:
        """Return the arrays that a stage computed, now or before.

        Args:
            name: The name of the stage.
            compute: Computes them; it is called if they are not kept, or damaged.
        """

        def write(place: Path, found: Mapping[str, np.ndarray]) -> int:
            write_tensors(place / _ARRAYS, dict(found))
            return len(found)

        return self._kept(name, compute, write, lambda place, _: read_tensors(place / _ARRAYS))

    def _kept(
        self,
        name: str,
        make: Callable[[], Found],
        write: Callable[[Path, Found], int],
        read: Callable[[Path, int], Found],
    ) -> Found:
        if self._folder is None:
            return make()
        place = self._folder / f"{name}-{self._key}"
        if record := _record(place):
            try:
                found = read(place, record["n"])
            except InputError:
                shutil.rmtree(place, ignore_errors=True)
            else:
                self._count()
                return found
        found = make()
        n = write(place, found)
        write_json(place / _DONE, {"n": n} | self._count())
        return found

    def _count(self) -> dict[str, float]:
        """Return the seconds and examples since this was last called."""
        seconds, n_examples = time.perf_counter(), Classifier.n_examples_run
        passed = {"seconds": seconds - self._begun, "examples": n_examples - self._n_before}
        self._begun, self._n_before = seconds, n_examples
        return passed


def digest_of(arrays: Mapping[str, np.ndarray]) -> str:
    """Compute the SHA-256 of arrays with their names."""
    found = hashlib.sha256()
    for name, array in sorted(arrays.items()):
        found.update(f"{name} {array.dtype} {array.shape} ".encode() + array.tobytes())
    return found.hexdigest()


def spent(folder: Path) -> tuple[float, int]:
    """Return the seconds and the examples that the finished stages in a folder took."""
    places = sorted(done.parent for done in folder.rglob(_DONE))
    records = [record for place in places if (record := _record(place))]
    seconds = sum((record["seconds"] for record in records), start=0.0)
    return seconds, sum(record["examples"] for record in records)


def _record(place: Path) -> dict[str, Any]:
    """Read the record of a stage; empty if it is not finished, or its record is damaged."""
    try:
        record = read_json(place / _DONE)
        return {key: type_(record[key]) for key, type_ in _RECORD.items()}
    except (InputError, OSError, TypeError, ValueError, KeyError):
        return {}
