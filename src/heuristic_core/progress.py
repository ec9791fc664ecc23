"""How long-running work reports its progress."""

from __future__ import annotations

from collections.abc import Callable

#: Called with (done, in all) while some work runs.
Progress = Callable[[int, int], None]


def partial_progress(progress: Progress, before: int, size: int, n_all: int) -> Progress:
    """Report the progress of one stage as that of the whole work.

    Args:
        progress: Called with (done, in all) of the whole, in thousandths of the sizes' unit.
        before: Size of the stages that are done.
        size: Size of this stage.
        n_all: Size of the whole.
    """
    return lambda done, of: progress(1000 * before + 1000 * size * done // max(of, 1), 1000 * n_all)
