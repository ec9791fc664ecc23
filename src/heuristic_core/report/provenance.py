"""What produced the numbers: versions, seeds, data, machine and time."""

from __future__ import annotations

import json
import statistics
from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Any

from ..writing import duration
from .results import Results
from .wording import count, listing, name

Entry = tuple[str, tuple[str, ...]]


def provenance(results: Results) -> list[Entry]:
    """List what a run's numbers depend on, as headings with lines; what is absent is left out."""
    manifest = results.manifest
    model = {
        key.replace("_", " ").removeprefix("num "): value
        for key, value in (manifest.get("model") or {}).items()
    }
    created = manifest.get("created")
    entries: list[Entry] = [
        ("Finished", (name(created, 200),) if created else ()),
        ("Model", _pairs(model)),
        ("Checkpoints", tuple(map(_checkpoint, manifest.get("checkpoints") or ()))),
        ("Versions", _pairs(manifest.get("versions"))),
        ("Seeds", _pairs(manifest.get("seeds"))),
        ("Data (SHA-256)", _pairs(manifest.get("data"))),
        ("Notes on data", tuple(name(note, 300) for note in manifest.get("notes") or ())),
        ("Remarks", tuple(name(text, 400) for text in manifest.get("remarks") or ())),
        ("Truncated", _counted(manifest.get("truncated"), "example", "truncated")),
        ("Unknown tokens", _counted(manifest.get("unknown"), "token", "unknown")),
        ("Machine", _pairs(manifest.get("machine"))),
        ("Time", _times(manifest.get("cells"))),
    ]
    return [(title, lines) for title, lines in entries if lines]


def configuration(results: Results) -> str:
    """Return the study's configuration as indented JSON."""
    return json.dumps(results.config, indent=2, ensure_ascii=False, default=str)


def _pairs(values: Any) -> tuple[str, ...]:
    if not isinstance(values, Mapping):
        return ()
    texts = {key: _text(value) for key, value in values.items()}
    return tuple(f"{name(key)}: {text}" for key, text in texts.items() if text)


def _checkpoint(entry: Mapping[str, Any]) -> str:
    """Name a model that the study was given."""
    content = name(entry.get("sha256") or "on the hub", 80)
    return (
        f"fine-tuning {entry['finetune_seed']}, step {entry['step']}: "
        f"{name(entry['source'], 200)} ({content})"
    )


def _text(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(name, value))
    return "" if value is None else name(value, 200)


def _counted(counts: Any, what: str, how: str) -> tuple[str, ...]:
    if not isinstance(counts, Mapping):
        return ()
    total = sum(counts.values())
    line = f"{count(total, what)} {'was' if total == 1 else 'were'} {how}"
    parts = [f"{n:,} in {name(part)}" for part, n in counts.items() if n]
    return (f"{line}: {listing(parts)}" if parts else line,)


def _times(cells: Any) -> tuple[str, ...]:
    """Sum seconds and examples over each kind of cell, in the order in which kinds first ran."""
    times: dict[str, list[float]] = defaultdict(list)
    examples: Counter[str] = Counter()
    for cell in cells or ():
        if cell.get("seconds") is not None:
            kind = str(cell.get("kind", "cell"))
            times[kind].append(float(cell["seconds"]))
            examples[kind] += cell.get("examples", 0)
    lines = []
    for kind, seconds in times.items():
        line = f"{name(kind)}: {count(len(seconds), 'cell')}, {duration(sum(seconds))} in all"
        if len(seconds) > 1:
            line += f", median {duration(statistics.median(seconds))}"
        if examples[kind]:
            line += f"; the model was run on {count(examples[kind], 'example')}"
        lines.append(line)
    return tuple(lines)
