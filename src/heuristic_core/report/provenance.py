"""What produced the numbers: command, versions, seeds, data, machine and time."""

from __future__ import annotations

import json
import statistics
from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Any

from .results import Results
from .wording import count, duration, listing, name

Entry = tuple[str, tuple[str, ...]]


def provenance(results: Results) -> list[Entry]:
    """List what a run's numbers depend on, as headings with lines; what is absent is left out."""
    manifest = results.manifest
    entries: list[Entry] = [
        ("Finished", _one(manifest.get("created"))),
        ("Model", _model(_mapping(manifest.get("model")))),
        ("Versions", _pairs(_mapping(manifest.get("versions")))),
        ("Seeds", _pairs(_mapping(manifest.get("seeds")))),
        ("Data (SHA-256)", _pairs(_mapping(manifest.get("data")))),
        ("Notes on data", tuple(name(note, 300) for note in manifest.get("notes") or ())),
        ("Truncated", _truncated(manifest.get("truncated"))),
        ("Machine", _pairs(_mapping(manifest.get("machine")))),
        ("Time", _times(manifest.get("cells"))),
    ]
    return [(title, lines) for title, lines in entries if lines]


def configuration(results: Results) -> str:
    """Give the study's configuration as indented JSON."""
    return json.dumps(results.config, indent=2, ensure_ascii=False, default=str)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _one(value: Any) -> tuple[str, ...]:
    return () if value in (None, "") else (name(value, 200),)


def _pairs(values: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(f"{name(key)}: {_value(value)}" for key, value in values.items() if _value(value))


def _value(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, list | tuple):
        return ", ".join(name(item) for item in value)
    return name(value, 200)


def _model(model: Mapping[str, Any]) -> tuple[str, ...]:
    return _pairs({key.replace("_", " ").removeprefix("num "): v for key, v in model.items()})


def _truncated(counts: Any) -> tuple[str, ...]:
    if not isinstance(counts, Mapping):
        return ()
    total = sum(counts.values())
    were = "was" if total == 1 else "were"
    line = f"{count(total, 'example')} {were} truncated"
    parts = [f"{n:,} in {name(part)}" for part, n in counts.items() if n]
    return (f"{line}: {listing(parts)}" if parts else line,)


def _times(cells: Any) -> tuple[str, ...]:
    """Sum up seconds and examples per kind of cell, in the order in which kinds first ran."""
    by_kind: dict[str, list[float]] = defaultdict(list)
    examples: Counter[str] = Counter()
    for cell in cells or ():
        if cell.get("seconds") is not None:
            kind = str(cell.get("kind", "cell"))
            by_kind[kind].append(float(cell["seconds"]))
            examples[kind] += cell.get("examples", 0)
    lines = []
    for kind, seconds in by_kind.items():
        line = f"{name(kind)}: {count(len(seconds), 'cell')}, {duration(sum(seconds))} in all"
        if len(seconds) > 1:
            line += f", median {duration(statistics.median(seconds))}"
        if examples[kind]:
            line += f"; the model was run on {count(examples[kind], 'example')}"
        lines.append(line)
    return tuple(lines)
