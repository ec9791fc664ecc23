"""Files whose content is not what their name says, and first lines that say how to read a table."""

from __future__ import annotations

import bz2
import gzip
from pathlib import Path

import pandas as pd
import pytest

from heuristic_core.errors import InputError
from heuristic_core.tasks.delimited import TableFormat
from heuristic_core.tasks.reading import read_examples

ROWS = pd.DataFrame(
    {"text": ["A fine, warm film.", 'She said "no" twice.', "It's dull; very."], "label": [1, 0, 0]}
)
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:0a\nsize 12\n"


def texts(path: Path, **how) -> list[str]:
    given = TableFormat(**how) if how else None
    examples = read_examples(path, text="text", label="label", labels=("no", "yes"), how=given)
    return examples.table["text"].tolist()


@pytest.mark.parametrize(
    ("name", "make", "said"),
    [
        ("a.csv", gzip.compress, "is packed by gzip, not .csv; name it with .gz at the end"),
        ("a.tsv", bz2.compress, "is packed by bzip2"),
        (
            "a.csv",
            lambda _: ROWS.to_parquet(),
            "is a Parquet file, not .csv; name it with .parquet",
        ),
        ("a.jsonl", lambda _: b"PK\x03\x04 and more", "is a zip archive or a workbook"),
        (
            "a.csv",
            lambda _: POINTER,
            "is a pointer of Git LFS, not the data; fetch .* git lfs pull",
        ),
        ("a.parquet", lambda _: POINTER, "is a pointer of Git LFS"),
        ("a.jsonl", lambda _: b"\n<!DOCTYPE html>\n<html></html>", "is a web page"),
        (
            "a.csv",
            lambda _: ROWS.to_csv(index=False).encode("utf-16"),
            'is not UTF-8 but UTF-16; .*"UTF-16"',
        ),
        (
            "a.csv",
            lambda _: b'{"text": "A, b", "label": 1}\n',
            "holds JSON, not .csv; name it with .jsonl",
        ),
        ("a.csv", lambda text: b"# made by me\n" + text, "begins with a comment"),
        ("a.csv", lambda text: b"# by me, today\n" + text, "begins with #; remove the lines"),
    ],
)
def test_content_that_a_name_does_not_say(tmp_path, name, make, said):
    path = tmp_path / name
    path.write_bytes(make(ROWS.to_csv(index=False).encode()))
    with pytest.raises(InputError, match=said) as caught:
        texts(path)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("separator", [";", "\t", "|"])
def test_another_separator_is_named(tmp_path, separator):
    path = tmp_path / "a.csv"
    ROWS.to_csv(path, index=False, sep=separator)
    written = separator.replace("\t", "\\t")
    with pytest.raises(InputError) as caught:
        texts(path)
    assert f'separator = "{written}"' in str(caught.value)
    assert texts(path, separator=separator) == ROWS["text"].tolist()


@pytest.mark.parametrize("how", [{}, {"separator": ";"}])
def test_the_line_of_spreadsheets_names_the_separator(tmp_path, how):
    path = tmp_path / "a.csv"
    path.write_text("sep=;\n" + ROWS.to_csv(index=False, sep=";"))
    assert texts(path, **how) == ROWS["text"].tolist()


def test_quotes_after_a_space_are_not_taken_for_text(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text('label,text\n1, "A fine thing"\n0, "Dull"\n')
    for how in ({}, {"quotes": "doubled"}):
        with pytest.raises(InputError, match=r"row 1, has a space before a quot.*; remove"):
            texts(path, **how)
    assert texts(path, quotes="none") == [' "A fine thing"', ' "Dull"']


def test_utf_8_is_not_read_as_another_encoding(tmp_path):
    path = tmp_path / "a.csv"
    content = "text,label\nA café.,1\nA bar.,0\n"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(InputError, match="is UTF-8, not cp1252; leave encoding out"):
        texts(path, encoding="cp1252")
    path.write_text(content, encoding="cp1252")
    assert texts(path, encoding="cp1252") == ["A café.", "A bar."]
