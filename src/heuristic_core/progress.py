"""How long-running work reports its progress."""

from __future__ import annotations

import time
from collections.abc import Callable

from .writing import duration

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


#: The share of a run that must be done before the time left is said: below it, what every cell
#: costs beside its work would be multiplied.
LEAST_SHARE = 0.02
#: Seconds between two lines on the same work.
SECONDS_BETWEEN_LINES = 20.0


def as_lines(what: str, say: Callable[[str], None]) -> Progress:
    """Report progress as lines with the time left, where there is no terminal to draw a bar in.

    Args:
        what: What is done.
        say: Called with each line, every ``SECONDS_BETWEEN_LINES`` at most, and at the end.
    """
    start = last = time.monotonic()
    ended = False

    def report(done: int, of: int) -> None:
        nonlocal last, ended
        now = time.monotonic()
        if done >= of:
            if not ended:
                say(f"{what}: done in {duration(now - start)}")
            ended = True
        elif now - last >= SECONDS_BETWEEN_LINES and done > 0:
            last = now
            say(f"{what}: {share_and_left(done / of, now - start)}")

    return report


def share_and_left(share: float, seconds: float) -> str:
    """Say how much is done and, from the time so far, how long the rest will take.

    Args:
        share: The share that is done, above 0.
        seconds: The time so far.
    """
    left = duration(seconds * (1 - share) / share)
    return f"{100 * share:.0f}% done, about {left} left"
