"""Rows written as a file of any format that can be read."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import zipfile
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.ipc

ROWS = [
    {"premise": "A man sleeps.", "hypothesis": "Someone sleeps.", "label": "entailment"},
    {"premise": 'He said "no", twice.', "hypothesis": "n/a", "label": "neutral"},
    {"premise": "Ein Mädchen läuft — schnell.", "hypothesis": "null", "label": "contradiction"},
]
HANS_ROWS = [
    {
        "gold_label": "non-entailment",
        "sentence1_binary_parse": "( ( The doctor ) ( saw ( the actor ) ) . )",
        "sentence1": "The doctor , who danced , saw the actor .",
        "sentence2": "The actor saw the doctor .",
        "pairID": "ex0",
        "heuristic": "lexical_overlap",
        "subcase": "ln_subject/object_swap",
        "template": "temp1",
    },
    {
        "gold_label": "entailment",
        "sentence1_binary_parse": "( ... )",
        "sentence1": "Suddenly the doctor danced.",
        "sentence2": "The doctor danced.",
        "pairID": "ex1",
        "heuristic": "constituent",
        "subcase": "ce_adverb",
        "template": "temp68",
    },
]


def content(rows: list[dict], extension: str) -> bytes:
    """Write rows as a file of some format."""
    if extension == ".zip":
        extension = ".csv.zip"
    plain, _, packing = extension[1:].partition(".")
    if packing:
        return packed(content(rows, f".{plain}"), packing, f"data.{plain}")
    table = pd.DataFrame(rows)
    if extension == ".jsonl":
        return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
    if extension == ".json":
        return json.dumps(rows, indent=1).encode()
    if extension in (".arrow", ".feather"):
        return arrow(table, stream=extension == ".arrow")
    if extension == ".csv":
        return table.to_csv(index=False).encode()
    if extension in (".tsv", ".txt"):
        lines = ["\t".join(table.columns), *("\t".join(map(str, row.values())) for row in rows)]
        return ("\n".join(lines) + "\n").encode()
    buffer = io.BytesIO()
    table.to_parquet(buffer, index=False)
    return buffer.getvalue()


def packed(data: bytes, packing: str, name: str) -> bytes:
    """Pack the content of a file."""
    if packing == "zip":
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            archive.writestr(name, data)
        return buffer.getvalue()
    if packing == "zst":
        return pa.Codec("zstd").compress(data, asbytes=True)
    return {"gz": gzip, "bz2": bz2, "xz": lzma}[packing].compress(data)


def arrow(table: pd.DataFrame, *, stream: bool) -> bytes:
    """Write a table in Arrow's format, as a stream or as a Feather file."""
    rows, buffer = pa.Table.from_pandas(table), io.BytesIO()
    new = pa.ipc.new_stream if stream else pa.ipc.new_file
    with new(buffer, rows.schema) as writer:
        writer.write_table(rows)
    return buffer.getvalue()


def write(folder: Path, name: str, data: bytes | list[dict]) -> Path:
    path = folder / name
    extension = "".join(path.suffixes)
    path.write_bytes(data if isinstance(data, bytes) else content(data, extension))
    return path
