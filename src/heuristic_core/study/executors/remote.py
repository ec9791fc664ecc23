"""Computing cells in another process, which keeps the workbench from one cell to the next."""

from __future__ import annotations

import os
import pickle
import traceback
import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from ...errors import InputError, Remark, one_line
from ..bench import Workbench
from ..process import Process
from ..store import Cell, Store
from .executor import Outcome, perform

#: The workbench that this process holds, and the key of what it was made from.
_held: tuple[str, Workbench] | None = None


def setup_of(bench: Workbench, threads: int) -> dict[str, Any]:
    """Collect what a process needs to make the same workbench.

    Args:
        bench: The workbench.
        threads: Threads that torch uses there.

    Raises:
        InputError: If it cannot be sent to other processes.
    """
    store = bench.store
    setup = {
        "config": bench.config,
        "task": bench.task,
        "suites": bench.suites,
        "device": bench.device,
        "folder": store.folder.absolute(),
        "shared": store.shared,
        "threads": threads,
        # A model's path may be relative.
        "cwd": os.getcwd(),
    }
    try:
        pickle.dumps(setup)  # as pools and Ray will; their own errors come late and elsewhere
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise InputError(
            f"the study cannot be sent to other processes ({error}); run it without --workers and "
            "--ray"
        ) from error
    return setup


def perform_remotely(key: str, setup: Callable[[], dict[str, Any]], cell: Cell) -> Outcome:
    """Compute a cell in this process for a driver in another one.

    Args:
        key: What names the workbench.
        setup: Gets what it is made from, called if this process does not hold it.
        cell: The cell.
    """
    global _held
    if _held is None or _held[0] != key:
        _held = None  # free the old one first
        try:
            _held = (key, _workbench(setup()))
        except Exception as error:  # such as other versions of packages on another machine
            return Outcome(
                name=cell.name,
                where=Process.this(),
                error=one_line(f"its worker cannot begin: {type(error).__name__}: {error}", 600),
                traceback=traceback.format_exc(),
            )
    said: list[str] = []
    with warnings.catch_warnings():
        warnings.simplefilter("always", Remark)
        show = warnings.showwarning

        def showing(message: Any, category: type[Warning], *place: Any, **more: Any) -> None:
            if issubclass(category, Remark):
                said.append(str(message))
            else:
                show(message, category, *place, **more)

        warnings.showwarning = showing  # type: ignore[assignment]
        outcome = perform(_held[1], cell)
    return replace(outcome, remarks=tuple(said))


def _workbench(parts: dict[str, Any]) -> Workbench:
    torch.set_num_threads(parts["threads"])
    with suppress(OSError):  # a cluster's machine may lack it; then absolute paths are needed
        os.chdir(parts["cwd"])
    folder: Path = parts["folder"]
    store = Store(folder, make=False)
    store.shared = parts["shared"]
    return Workbench(parts["config"], parts["task"], store, parts["device"], parts["suites"])
