"""Reading text tables: .csv, .tsv and .txt files of any dialect that is named or recognised."""

from __future__ import annotations

import codecs
import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import IO

from ..errors import InputError, one_line
from . import limits
from .dialects import chosen, the_only
from .records import Records, check_columns
from .scanning import Layout, Quotes

_SEPARATORS = {".csv": ",", ".tsv": "\t", ".txt": "\t"}
#: The line in which spreadsheet programs say what stands between fields.
_SPREADSHEET = re.compile(r"sep=(.)\r?\n")
#: Encodings by the marks that files in them begin with; the longer marks first.
_MARKS = {
    codecs.BOM_UTF32_LE: "UTF-32",
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}
#: Encodings with a byte for each character, by Python's names.
_ONE_BYTE = re.compile(r"cp125\d|cp437|cp850|iso8859.*|koi8.*|mac.*")


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
    separator = how.separator or _SEPARATORS[extension]
    if said := _SPREADSHEET.match(text):
        separator, text = how.separator or said[1], text[said.end() :]
    layout = Layout(separator, comma, how.quote_mark, how.header)
    try:
        if how.quotes is None:
            reading = chosen(shown, text, layout, wanted)
        else:
            reading = the_only(shown, text, how.quotes, layout, wanted)
    except InputError as error:
        raise _by_first_line(shown, text, layout) or error from error
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


def _by_first_line(shown: str, text: str, layout: Layout) -> InputError | None:
    """Say what the first line shows of a table that cannot be read, if it shows anything."""
    line = text.partition("\n")[0].strip("\r")
    if line.startswith("#"):
        return InputError(f"{shown} begins with a comment (#); remove such lines, then the names")
    others = [s for s in ";\t|," if s in line and s != layout.separator]
    if layout.separator in line or not others:
        return None
    written = others[0].replace("\t", "\\t")
    return InputError(
        f"{shown} has no {_named(layout.separator)} in its first line, {one_line(line, 80)!r}; say "
        f'what stands between its columns: format = {{ separator = "{written}" }}'
    )


def _named(separator: str) -> str:
    return {",": "comma", "\t": "tab"}.get(separator, repr(separator))


def _decoded(content: bytes, shown: str, encoding: str) -> str:
    try:
        text = content.decode(encoding)
        if _ONE_BYTE.fullmatch(codecs.lookup(encoding).name) and _is_utf_8(content):
            raise InputError(
                f"{shown} is UTF-8, not {encoding}; leave encoding out, or put it into a format of "
                "the files that have it"
            )
    except (UnicodeError, LookupError) as error:
        if isinstance(error, LookupError):
            raise InputError(f"{shown}: unknown encoding {one_line(encoding, 40)!r}") from error
        raise _undecoded(shown, encoding, content) from error
    return text.removeprefix("\ufeff")


def _is_utf_8(content: bytes) -> bool:
    """Whether bytes are UTF-8 and not plain ASCII, which texts of other encodings never are."""
    try:
        return not content.isascii() and bool(content.decode())
    except UnicodeDecodeError:
        return False


def _undecoded(shown: str, encoding: str, content: bytes = b"") -> InputError:
    marked = next((name for mark, name in _MARKS.items() if content.startswith(mark)), None)
    if marked:
        return InputError(
            f"{shown} is not UTF-8 but {marked}; convert the file, for instance with iconv -f "
            f'{marked} -t UTF-8, or name its encoding: format = {{ encoding = "{marked}" }}'
        )
    if encoding.lower().replace("_", "-") in ("utf-8", "utf8"):
        return InputError(
            f"{shown} is not UTF-8; convert the file, for instance with iconv -t UTF-8, or name "
            'its encoding: format = { encoding = "cp1252" }'
        )
    return InputError(f"{shown} is not {one_line(encoding, 40)}; name the encoding that it has")
