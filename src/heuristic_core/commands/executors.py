"""Options that say where cells are computed."""

from __future__ import annotations

from typing import Annotated

import typer

from ..errors import InputError
from ..study.config import StudyConfig
from ..study.executors.executor import Executor
from ..study.executors.here import Here
from ..study.machines import GPUS, MOST, Machine, threads_of

WorkersOption = Annotated[
    int | None,
    typer.Option(
        "--workers",
        min=1,
        max=MOST,
        help="Compute cells in this many local processes, one GPU each where there are several.",
        show_default="in this process",
    ),
]
ThreadsOption = Annotated[
    int | None,
    typer.Option(
        "--threads",
        min=1,
        max=MOST,
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

GpuOption = Annotated[
    str | None,
    typer.Option(
        "--gpu",
        help="With --plan: forecast for this GPU, one for each worker: " + ", ".join(GPUS) + ".",
        show_default="the device here",
    ),
]
GPU_WITHOUT_PLAN = "--gpu is about the forecast of --plan; add --plan, or leave --gpu out"


def planned_machine(
    device: str, workers: int | None, threads: int | None, ray: str | None, gpu: str | None
) -> Machine:
    """Say what a plan's cells would be computed on.

    Args:
        device: The device here.
        workers: Local processes; this one if not given.
        threads: Threads of each process.
        ray: Address of a Ray cluster, which is refused.
        gpu: A GPU in place of the device here.

    Raises:
        InputError: If the GPU is unknown, or a cluster is given.
    """
    if ray is not None:
        raise InputError(
            "--plan cannot forecast a Ray cluster; leave --ray out, and say with --workers how "
            "many cells are computed at once"
        )
    if workers is not None and threads is None:
        threads = threads_of(workers)
    return Machine(device, workers or 1, threads, gpu)


def weights_of(config: StudyConfig) -> int:
    """Return the bytes of the weights of a study's model; 0 if they are not known."""
    return (config.place(config.last_source).shape or {}).get("bytes", 0)


def refuse_executor(workers: int | None, threads: int | None, ray: str | None, reason: str) -> None:
    """Refuse options that say where cells are computed.

    Args:
        workers: Local processes.
        threads: Threads of each process.
        ray: Address of a Ray cluster.
        reason: Why none fits, as the rest of a sentence that begins with the option.

    Raises:
        InputError: If one is given.
    """
    for option, given in {"--workers": workers, "--threads": threads, "--ray": ray}.items():
        if given is not None:
            raise InputError(f"{option} {reason}; leave it out")


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
