"""Long searches in stages: what each finds is kept, so that a stopped search goes on after it."""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..models.classifier import Classifier
from ..search.data import SearchData
from ..storage import as_path, digest, read_json, write_json
from ..subnetwork import Subnetwork

#: Written into the folder of a stage when everything else is in it.
_DONE = "stage.json"


class Stages:
    """What the stages of one search have found.

    Args:
        folder: Where it is kept; nothing is kept without one.
        model: The full model.
        data: The search data.
        call: What else determines what is found, as plain values: what another call left in the
            folder is not used.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str] | None,
        model: Classifier,
        data: SearchData,
        **call: Any,
    ) -> None:
        self._folder = None if folder is None else as_path(folder)
        self._begun = time.perf_counter()
        self._n_before = Classifier.n_examples_run
        if folder is None:
            return
        values = hashlib.sha256()
        for name, array in sorted(data.values.arrays().items()):
            values.update(name.encode() + array.tobytes())
        of = {"weights": model.fingerprint.digests(), "values": values.hexdigest()}
        self._key = digest(of | {"examples": data.digest, "ablation": data.ablation} | call)[:16]

    def find(self, name: str, search: Callable[[], Sequence[Subnetwork]]) -> list[Subnetwork]:
        """Return what a stage found, now or before.

        Args:
            name: The name of the stage.
            search: Finds its subnetworks; it is called if they are not kept, or damaged.
        """
        if self._folder is None:
            return list(search())
        place = self._folder / f"{name}-{self._key}"
        if _record(place):
            try:
                n = _record(place)["n"]
                kept = [Subnetwork.read(place / str(i)) for i in range(n)]
            except InputError:
                shutil.rmtree(place, ignore_errors=True)
            else:
                self._count()
                return kept
        found = list(search())
        for i, one in enumerate(found):
            one.save(place / str(i))
        write_json(place / _DONE, {"n": len(found)} | self._count())
        return found

    def _count(self) -> dict[str, float]:
        """Return the seconds and examples since this was last called."""
        seconds, n_examples = time.perf_counter(), Classifier.n_examples_run
        passed = {"seconds": seconds - self._begun, "examples": n_examples - self._n_before}
        self._begun, self._n_before = seconds, n_examples
        return passed


def spent(folder: Path) -> tuple[float, int]:
    """Return the seconds and the examples that the finished stages in a folder took."""
    records = [record for place in sorted(folder.glob("*")) if (record := _record(place))]
    seconds = sum((record["seconds"] for record in records), start=0.0)
    return seconds, sum(record["examples"] for record in records)


def _record(place: Path) -> dict[str, Any]:
    """Read the record of a stage; empty if it is not finished, or its record is damaged."""
    try:
        record = read_json(place / _DONE)
        return {key: type_(record[key]) for key, type_ in _RECORD.items()}
    except (InputError, OSError, TypeError, ValueError, KeyError):
        return {}


_RECORD = {"n": int, "seconds": float, "examples": int}
