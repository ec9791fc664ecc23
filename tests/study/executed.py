"""A tiny study computed by any executor in a process of its own, as a user's script would.

``python executed.py STUDY OUT {here,unlocked,workers,ray} [NUMBER [lose]]``

With ``unlocked``, the file system has no locks.
With ``ray``, NUMBER nodes of a Ray cluster are simulated on this machine. With ``lose`` as well, a
node is killed while it computes a cell, and another one is added.
"""

from __future__ import annotations

import errno
import fcntl
import json
import sys
import threading
import time
from pathlib import Path

from rich.console import Console

from heuristic_core.study.config import check_study
from heuristic_core.study.executors.here import Here
from heuristic_core.study.executors.workers import Workers
from heuristic_core.study.journal import read_notes
from heuristic_core.study.run import RunOptions, run_study
from heuristic_core.study.watch import Watch

NODE = {"num_cpus": 1, "memory": 4 * 2**30, "object_store_memory": 80 * 2**20}


def main(study: str, out: str, how: str, number: str = "2", lose: str = "") -> None:
    folder, n = Path(out), int(number)
    if how != "ray":
        if how == "unlocked":
            fcntl.flock = no_locks
        run(study, folder, Workers(n, 1) if how == "workers" else Here(1))
        return
    from ray.cluster_utils import Cluster

    from heuristic_core.study.executors.on_ray import OnRay

    cluster = Cluster(initialize_head=True, head_node_args={**NODE, "num_cpus": 0})
    nodes = [cluster.add_node(**NODE) for _ in range(n)]
    cluster.wait_for_nodes()
    try:
        executor = OnRay(cluster.address, 1)
        if lose:
            args = (cluster, nodes, folder)
            threading.Thread(target=kill_one, args=args, daemon=True).start()
        run(study, folder, executor)
    finally:
        cluster.shutdown()


def run(study: str, folder: Path, executor) -> None:
    config = check_study(json.loads(Path(study).read_text()))
    options = RunOptions(folder, device="cpu", executor=executor)
    run_study(config, options, Watch(Console(stderr=True)))


def no_locks(*args) -> None:
    raise OSError(errno.ENOLCK, "No locks available")


def kill_one(cluster, nodes, folder: Path) -> None:
    """Kill the node that computes a search."""
    while not (found := [n for _, n in read_notes(folder) if n["cell"].startswith("search-")]):
        time.sleep(0.02)
    pid = found[0]["pid"]
    for node in nodes:
        raylet = node.all_processes["raylet"][0].process
        if pid in children(raylet.pid):
            cluster.remove_node(node, allow_graceful=False)
            (folder / "lost").write_text(found[0]["cell"])
            cluster.add_node(**NODE)
            return


def children(pid: int) -> list[int]:
    """Processes that a process started."""
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for path in tasks for child in path.read_text().split()]


if __name__ == "__main__":
    main(*sys.argv[1:])
