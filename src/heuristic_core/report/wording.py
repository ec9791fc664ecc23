"""How numbers and names are written: the same way on the page, in figures and in the terminal."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from typing import Any

import pandas as pd

from ..errors import one_line
from ..writing import p_value, signed, small

#: Stands where there is no number.
NOTHING = "–"
#: Between a number and its percent sign, so that no line breaks there.
SPACE = "\u00a0"
#: A minus sign of a number or an exponent, not a hyphen or a range; and a number's percent sign.
_MINUS = re.compile(r"(?:(?<![\w.\]%)-])|(?<=\de))-(?=\d)", re.ASCII)
_PERCENT = re.compile(r"(?<=[\d\]])[ \u00a0]?%")


def name(text: Any, limit: int = 80) -> str:
    """Make a name from the data safe to show: one line, no control characters, bounded."""
    return one_line(str(text), limit)


def prose(text: str) -> str:
    """Write the numbers in a sentence of an analysis as tables write theirs.

    Args:
        text: The sentence, with plain signs.

    Returns:
        It with the minus sign of tables, and with their space before a percent sign.
    """
    return _PERCENT.sub(f"{SPACE}%", _MINUS.sub("−", text))


def unbroken(text: str) -> str:
    """Write percentages without a space: a terminal breaks lines at every kind of space."""
    return text.replace(f"{SPACE}%", "%")


def number(value: Any, digits: int = 1) -> str:
    """Write a number with a fixed number of digits."""
    if pd.isna(value):
        return NOTHING
    text = f"{value:.{digits}f}"
    # What rounds to 0 has no sign.
    return text.lstrip("-") if float(text) == 0 else text.replace("-", "−")


def share(value: Any, digits: int = 1) -> str:
    """Write a share of 1 in per cent without the sign, for columns that are headed by it."""
    # Means of the same numbers in another order differ in their last bits, which shows at a tie.
    return NOTHING if pd.isna(value) else number(round(100 * value, 9), digits)


def percent(value: Any, digits: int = 0) -> str:
    """Write a share of 1 in per cent, for running text."""
    return NOTHING if pd.isna(value) else f"{share(value, digits)}{SPACE}%"


def level(sparsity: float) -> str:
    """Write a sparsity with as few digits as it takes."""
    return f"{100 * sparsity:.6g}{SPACE}%"


def change(value: Any, digits: int = 1) -> str:
    """Write a difference with its sign."""
    return NOTHING if pd.isna(value) else signed(value, digits).replace("-", "−")


def expectation(value: Any) -> str:
    """Write an expectation with two significant digits."""
    return NOTHING if pd.isna(value) else small(value).replace("-", "−")


def probability(value: Any) -> str:
    """Write a probability with two significant digits; one that underflows to 0 as a bound."""
    return NOTHING if pd.isna(value) else p_value(value).replace("-", "−")


def bounded(value: str, low: str, high: str) -> str:
    """Write an estimate with its interval in brackets, where there is one.

    Args:
        value: The estimate as it is written.
        low: The lower end of its interval, written the same way.
        high: The upper end.
    """
    ends = {low, high}
    return value if NOTHING in ends or ends == {value} else f"{value} [{low}, {high}]"


def estimate(value: Any, low: Any = None, high: Any = None) -> str:
    """Write an estimate of any size with its interval, with about three digits.

    Args:
        value: The estimate.
        low: The lower end of its interval; missing if it has none.
        high: The upper end.
    """
    ends = [end for end in (value, low, high) if not pd.isna(end) and math.isfinite(end)]
    size = max(map(abs, ends), default=0)
    whole = len(ends) == 1 and float(value).is_integer()
    digits = 0 if whole or not size else min(4, max(0, 2 - math.floor(math.log10(size))))
    return bounded(*(number(end, digits) for end in (value, low, high)))


def count(n: int, noun: str, plural: str | None = None) -> str:
    """Write a number of things."""
    return f"{n:,} {noun if n == 1 else plural or noun + 's'}"


def listing(items: Iterable[str], last: str = "and") -> str:
    """Join items as a sentence does."""
    words = list(items)
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} {last} {words[-1]}"
