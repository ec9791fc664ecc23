"""Tables in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def to_markdown(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Write a table of texts in Markdown, without a newline at its end."""
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
