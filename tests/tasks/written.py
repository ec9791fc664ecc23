"""Rows written as a file of any format that can be read."""

from __future__ import annotations

import gzip
import io
import json
from pathlib import Path

import pandas as pd

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
    if extension.endswith(".gz"):
        return gzip.compress(content(rows, extension.removesuffix(".gz")), mtime=0)
    table = pd.DataFrame(rows)
    if extension == ".jsonl":
        return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
    if extension == ".csv":
        return table.to_csv(index=False).encode()
    if extension in (".tsv", ".txt"):
        lines = ["\t".join(table.columns), *("\t".join(map(str, row.values())) for row in rows)]
        return ("\n".join(lines) + "\n").encode()
    buffer = io.BytesIO()
    table.to_parquet(buffer, index=False)
    return buffer.getvalue()


def write(folder: Path, name: str, data: bytes | list[dict]) -> Path:
    path = folder / name
    extension = "".join(path.suffixes)
    path.write_bytes(data if isinstance(data, bytes) else content(data, extension))
    return path
