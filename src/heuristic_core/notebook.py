"""What objects show in a notebook: small HTML tables, with nothing from data read as markup."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

#: Longer texts are cut.
_LONGEST = 2000
_KEPT, _DROPPED = "#2f86cf", "#8a8f9833"


def table(headings: Sequence[str], rows: Iterable[Sequence[object]], caption: str = "") -> str:
    """Write a table.

    Args:
        headings: The headings of its columns.
        rows: The cells, row by row; all are written as text.
        caption: What it holds.
    """
    head = "".join(f"<th style='text-align:left'>{_safe(text)}</th>" for text in headings)
    body = "".join(
        "<tr>"
        + "".join(f"<td style='text-align:left'>{_safe(value)}</td>" for value in row)
        + "</tr>"
        for row in rows
    )
    return f"{_caption(caption)}<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def grid(rows: Sequence[tuple[str, Sequence[bool], bool]], caption: str) -> str:
    """Write a grid of layers and heads, with the MLP of each layer beside them.

    Args:
        rows: For each layer its name, which heads are filled, and whether the MLP is.
        caption: What is filled.
    """
    most = max((len(heads) for _, heads, _ in rows), default=0)
    names = [*(f"H{head}" for head in range(most)), "MLP"]
    head = "".join(f"<th style='padding:1px 3px;font-size:75%'>{name}</th>" for name in names)
    body = "".join(
        f"<tr><th style='font-size:75%'>{_safe(name)}</th>"
        + "".join(_square(filled) for filled in heads)
        + "<td></td>" * (most - len(heads))
        + _square(mlp)
        + "</tr>"
        for name, heads, mlp in rows
    )
    head = f"<thead><tr><th></th>{head}</tr></thead>"
    return f"{_caption(caption)}<table>{head}<tbody>{body}</tbody></table>"


def heading(text: str) -> str:
    """Write a heading."""
    return f"<div><b>{_safe(text)}</b></div>"


def _square(filled: bool) -> str:
    colour, said = (_KEPT, "kept") if filled else (_DROPPED, "dropped")
    return f"<td title='{said}' style='background:{colour};min-width:1.1em'>&nbsp;</td>"


def _caption(text: str) -> str:
    return f"<div>{_safe(text)}</div>" if text else ""


def _safe(value: object) -> str:
    text = "".join(c if c.isprintable() else " " for c in str(value))
    return escape(text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "...")
