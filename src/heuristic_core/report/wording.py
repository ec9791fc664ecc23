"""How numbers and names are written, the same way on the page, in figures and in the terminal."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..errors import one_line

#: Stands where there is no number.
NOTHING = "–"
#: Between a number and its percent sign, so that no line breaks there.
SPACE = "\u00a0"


def known(value: Any) -> bool:
    """Say whether there is a value at all: neither missing nor NaN."""
    return value is not None and not (isinstance(value, float) and math.isnan(value))


def name(text: Any, limit: int = 80) -> str:
    """Make a name from the data safe to show: one line, no control characters, bounded."""
    return one_line(str(text), limit)


def number(value: Any, digits: int = 1) -> str:
    """Write a number with a fixed number of digits."""
    if not known(value):
        return NOTHING
    text = f"{value:.{digits}f}"
    # What is rounded to nothing has no sign.
    return text.lstrip("-") if float(text) == 0 else text.replace("-", "−")


def share(value: Any, digits: int = 1) -> str:
    """Write a share of 1 as a percentage without its sign, for columns headed by it."""
    # Means of the same numbers in another order differ in their last bits, and would at a tie.
    return NOTHING if not known(value) else number(round(100 * value, 9), digits)


def percent(value: Any, digits: int = 0) -> str:
    """Write a share of 1 as a percentage, for running text."""
    return NOTHING if not known(value) else f"{share(value, digits)}{SPACE}%"


def level(sparsity: float) -> str:
    """Write a sparsity as short as it can be told."""
    return f"{100 * sparsity:.6g}{SPACE}%"


def change(value: Any, digits: int = 1) -> str:
    """Write a difference with its sign."""
    return NOTHING if not known(value) else f"{value:+.{digits}f}".replace("-", "−")


def scientific(value: Any) -> str:
    """Write a probability or a small expectation with two significant digits."""
    if not known(value):
        return NOTHING
    if value == 0 or abs(value) >= 0.001:
        return f"{value:.0f}" if abs(value) >= 100 else f"{value:.2g}"
    mantissa, exponent = f"{value:.1e}".split("e")
    return f"{mantissa}e{int(exponent)}".replace("-", "−")


def interval(low: Any, high: Any, digits: int = 1) -> str:
    """Write a range of shares, in percent without the sign."""
    if not known(low) or not known(high):
        return NOTHING
    first, last = share(low, digits), share(high, digits)
    return first if first == last else f"{first}–{last}"


def bounded(estimate: Mapping[str, Any] | None, digits: int = 1, times: float = 1) -> str:
    """Write a number with its interval in brackets, where there is one.

    Args:
        estimate: ``value``, ``low`` and ``high``.
        digits: Digits after the point.
        times: What to multiply by, such as 100 for percent.
    """
    if estimate is None or not known(estimate["value"]):
        return NOTHING
    value, *ends = (
        number(times * estimate[key], digits) if known(estimate[key]) else ""
        for key in ("value", "low", "high")
    )
    return f"{value} [{', '.join(ends)}]" if all(ends) and set(ends) != {value} else value


def count(n: int, noun: str, plural: str | None = None) -> str:
    """Write how many there are of something."""
    return f"{n:,} {noun if n == 1 else plural or noun + 's'}"


def listing(items: Iterable[str], last: str = "and") -> str:
    """Join items as a sentence does."""
    words = list(items)
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} {last} {words[-1]}"


def duration(seconds: float) -> str:
    """Write a time as people say it."""
    if seconds < 90:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def mean(values: Sequence[float | None]) -> float | None:
    """Give the mean of the values that are known, ``None`` if none is."""
    there = [value for value in values if value is not None and known(value)]
    return sum(there) / len(there) if there else None


def extent(values: Sequence[float | None]) -> tuple[float | None, float | None]:
    """Give the lowest and highest of the values that are known."""
    there = [value for value in values if value is not None and known(value)]
    return (min(there), max(there)) if there else (None, None)
