"""Tables written by pandas, csv, datasets and polars in any of their dialects."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, field
from typing import Any

import datasets
import pandas as pd
from hypothesis import strategies as st

HEADER = ["text", "text_pair", "label"]
#: What tables are made of: all that a dialect may treat in its own way, and some words.
PIECES = [
    *('"', '""', "'", "\\", "\\\\", "\t", ",", ";", "|", "\n", "\r", "\r\n", " ", "  ", "-", "#"),
    *("a", "é", "好", "\u2028", "\x85", "\x0c", "\ufeff", "N/A", "nan", "null", "1", "\\n", "\\t"),
    *("x, y", 'He said "no".', "It's", '5" pipe', "C:\\new", "http://a.b/c?d=e&f"),
]
QUOTING = [csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC, csv.QUOTE_NONE]


@dataclass(frozen=True)
class Written:
    """A file that a program wrote.

    Args:
        data: Its content.
        extension: Its extension.
        how: The program.
        settings: The program's settings.
        bare: Whether the program neither quotes nor escapes.
    """

    data: bytes
    extension: str
    how: str
    settings: dict[str, Any] = field(default_factory=dict)
    bare: bool = False


texts = (
    st.lists(st.sampled_from(PIECES), min_size=1, max_size=5)
    .map("".join)
    .filter(lambda text: any(c.isprintable() and not c.isspace() for c in text))
)
rows = st.lists(
    st.tuples(texts, texts, st.sampled_from(["no", "yes"])), min_size=1, max_size=5
).map(lambda some: [dict(zip(HEADER, row, strict=True)) for row in some])


@st.composite
def written(draw: st.DrawFn, rows: list[dict[str, str]], polars: Any) -> Written | None:
    """Write rows in some dialect; ``None`` where the writer itself refuses."""
    separator = draw(st.sampled_from([",", "\t"]))
    extension = ".csv" if separator == "," else draw(st.sampled_from([".tsv", ".txt"]))
    writer = draw(st.sampled_from(["pandas", "csv", "datasets", "polars", "json"]))
    if writer == "json":
        return _json(draw, rows)
    if writer == "polars":
        style = draw(st.sampled_from(["necessary", "always", "non_numeric", "never"]))
        ends = draw(st.sampled_from(["\n", "\r\n"]))
        settings = {"separator": separator, "quote_style": style, "line_terminator": ends}
        lost = (separator, "\n", "\r") if style == "never" else ()
        data = (
            polars.DataFrame(rows).write_csv(include_bom=draw(st.booleans()), **settings).encode()
        )
        return Written(data, extension, writer, settings, lost)
    settings = {
        "sep": separator,
        "quoting": draw(st.sampled_from(QUOTING)),
        "doublequote": draw(st.booleans()),
        "escapechar": draw(st.sampled_from([None, "\\"])),
        "quotechar": draw(st.sampled_from(['"', '"', '"', "'", "|"])),
        "lineterminator": draw(st.sampled_from(["\n", "\r\n"])),
    }
    bare = settings["quoting"] == csv.QUOTE_NONE and draw(st.booleans())
    try:
        if writer == "csv":
            if bare:
                settings |= {"quotechar": None, "escapechar": None}
            buffer = io.StringIO(newline="")
            options = {"delimiter" if k == "sep" else k: v for k, v in settings.items()}
            lines = csv.writer(buffer, **options)
            lines.writerows([HEADER, *([row[name] for name in HEADER] for row in rows)])
            data = buffer.getvalue().encode(draw(st.sampled_from(["utf-8", "utf-8-sig"])))
        else:
            encoding = draw(st.sampled_from(["utf-8", "utf-8-sig"]))
            frame = pd.DataFrame(rows)
            index = draw(st.booleans())
            buffer = io.BytesIO()
            if writer == "pandas":
                frame.to_csv(buffer, index=index, encoding=encoding, **settings)
            else:
                datasets.Dataset.from_pandas(frame).to_csv(buffer, index=index, **settings)
            data = buffer.getvalue()
    except (csv.Error, ValueError, TypeError):
        return None
    return Written(data, extension, writer, settings, bare and writer == "csv")


def _json(draw: st.DrawFn, rows: list[dict[str, str]]) -> Written:
    orient = draw(st.sampled_from(["records", "columns", "table", "lines", "datasets"]))
    frame, buffer = pd.DataFrame(rows), io.BytesIO()
    indent = draw(st.sampled_from([None, 2]))
    if orient == "datasets":
        datasets.Dataset.from_pandas(frame).to_json(buffer, lines=draw(st.booleans()))
    elif orient == "lines":
        frame.to_json(buffer, orient="records", lines=True, force_ascii=draw(st.booleans()))
    else:
        frame.to_json(buffer, orient=orient, indent=indent, force_ascii=draw(st.booleans()))
    return Written(buffer.getvalue(), draw(st.sampled_from([".json", ".jsonl"])), f"json {orient}")
