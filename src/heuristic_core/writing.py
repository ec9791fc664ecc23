"""How numbers are written, in reasons and wherever a report shows them."""

from __future__ import annotations


def signed(value: float, digits: int) -> str:
    """Write a change with its sign; one that rounds to 0 has none.

    Args:
        value: The change.
        digits: Digits after the point.
    """
    rounded = round(value, digits)
    return f"{rounded:+.{digits}f}" if rounded else f"{0:.{digits}f}"


def small(value: float) -> str:
    """Write a probability or an expectation with two significant digits.

    Args:
        value: The number, at least 0.
    """
    if value == 0 or not value < 0.001:
        return f"{value:.0f}" if value >= 100 else f"{value:.2g}"
    mantissa, exponent = f"{value:.1e}".split("e")
    return f"{mantissa}e{int(exponent)}"


def p_value(p: float) -> str:
    """Write a p-value; one that underflows to 0 is written as a bound."""
    return "<1e-300" if p <= 0 else small(p)


def p_text(p: float) -> str:
    """Write a p-value as an equation, or as a bound where it underflows to 0."""
    return "p < 1e-300" if p <= 0 else f"p = {small(p)}"


def duration(seconds: float | None) -> str:
    """Write a time in the unit that suits it; a question mark where it is not known."""
    if seconds is None:
        return "?"
    if seconds < 90:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
