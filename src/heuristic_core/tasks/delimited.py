"""Reading text tables: .csv, .tsv and .txt files of any dialect that is named or recognised."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import IO

from ..errors import InputError, one_line
from . import limits
from .dialects import chosen, the_only
from .records import Records, check_columns
from .scanning import Layout, Quotes

_SEPARATORS = {".csv": ",", ".tsv": "\t", ".txt": "\t"}


@dataclass(frozen=True)
class TableFormat:
    """How a text table was written, as far as it cannot be seen.

    Args:
        separator: What stands between fields; by the file's extension if not given.
        quotes: Which marks and backslashes belong to the texts; recognised if not given.
        quote_mark: The mark around quoted fields.
        encoding: The encoding of the text.
        header: The names of the columns, if the file has no line of names.
    """

    separator: str | None = None
    quotes: Quotes | None = None
    quote_mark: str = '"'
    encoding: str = "utf-8"
    header: tuple[str, ...] | None = None


def read_table(
    handle: IO[bytes], shown: str, extension: str, wanted: Collection[str], how: TableFormat
) -> Records:
    """Read some columns of a text table.

    Args:
        handle: What the file holds.
        shown: Its name in messages.
        extension: ``.csv``, in which quoting is the rule, ``.tsv`` or ``.txt``.
        wanted: Names of the columns.
        how: How the table was written, as far as it is known.

    Raises:
        InputError: If it is no text or no table, can be read in several ways, or is too large.
    """
    text = _decoded(handle.read(), shown, how.encoding)
    if "\n" not in text:
        text = text.replace("\r", "\n")
    if not text.strip("\r\n"):
        raise InputError(f"{shown} is empty; fetch it again")
    comma = extension == ".csv"
    layout = Layout(how.separator or _SEPARATORS[extension], comma, how.quote_mark, how.header)
    if how.quotes is None:
        reading = chosen(shown, text, layout, wanted)
    else:
        reading = the_only(shown, text, how.quotes, layout, wanted)
    if reading.n_rows > limits.MOST_ROWS:
        raise limits.too_large(shown)
    if any("\0" in name for name in reading.header):
        raise _undecoded(shown, how.encoding)
    check_columns(shown, reading.header)
    notes = []
    if how.quotes is None and reading.first_quoted and not comma:
        notes = ["read as quoted: the marks around some fields are not part of them"]
    return Records(
        name=shown,
        unit="row",
        present=reading.header,
        columns=dict(reading.columns),
        numbers=list(range(1, reading.n_rows + 1)),
        notes=tuple(notes),
    )


def _decoded(content: bytes, shown: str, encoding: str) -> str:
    try:
        text = content.decode(encoding)
    except (UnicodeError, LookupError) as error:
        if isinstance(error, LookupError):
            raise InputError(f"{shown}: unknown encoding {one_line(encoding, 40)!r}") from error
        raise _undecoded(shown, encoding) from error
    return text.removeprefix("\ufeff")


def _undecoded(shown: str, encoding: str) -> InputError:
    if encoding.lower().replace("_", "-") in ("utf-8", "utf8"):
        return InputError(
            f"{shown} is not UTF-8; convert the file, for instance with iconv -t UTF-8, or name "
            'its encoding: format = { encoding = "cp1252" }'
        )
    return InputError(f"{shown} is not {one_line(encoding, 40)}; name the encoding that it has")
