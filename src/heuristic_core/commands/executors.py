"""Options that say where cells are computed."""

from __future__ import annotations

from typing import Annotated

import typer

from ..errors import InputError
from ..study.executors.executor import Executor
from ..study.executors.here import Here

WorkersOption = Annotated[
    int | None,
    typer.Option(
        "--workers",
        min=1,
        help="Compute cells in this many local processes, one GPU each where there are several.",
        show_default="in this process",
    ),
]
ThreadsOption = Annotated[
    int | None,
    typer.Option(
        "--threads",
        min=1,
        help="Threads of each process.",
        show_default="the cores over the workers; on Ray 1",
    ),
]
RayOption = Annotated[
    str | None,
    typer.Option(
        "--ray",
        metavar="[ADDRESS]",
        help="Compute cells on the Ray cluster at HOST:PORT; auto for the one of this machine, "
        "which is meant without an address; local for one that ends with the command.",
        show_default="no cluster",
    ),
]


def executor(workers: int | None, threads: int | None, ray: str | None) -> Executor:
    """Make the executor that options ask for.

    Args:
        workers: Local processes.
        threads: Threads of each process.
        ray: Address of a Ray cluster.

    Raises:
        InputError: If options exclude each other, or there is no such cluster.
    """
    if ray is not None:
        if workers is not None:
            raise InputError("give --workers or --ray, not both: Ray has workers of its own")
        from ..study.executors.on_ray import OnRay

        return OnRay(ray, threads)
    if workers is not None:
        from ..study.executors.workers import Workers

        return Workers(workers, threads)
    return Here(threads)
