"""Class names that stand beside data files, as copies of data sets from the hub have them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..errors import InputError, one_line
from .columnar import named_classes
from .labels import NO_GOLD_LABEL, written_alike
from .records import Records

#: What describes a data set, in its folder or above it, and how far above.
_CARDS = ("README.md", "dataset_infos.json", "dataset_info.json")
_FURTHEST = 3


def with_named_classes(records: Records, path: Path) -> Records:
    """Put names in place of class numbers, where a data set's own description gives them.

    Args:
        records: The rows of a file that names no classes itself.
        path: The file. The description lies in its folder or one of the two above.

    Raises:
        InputError: If the description names the classes in several ways, or too few.
    """
    numbers = {
        column: found
        for column in records.columns
        if column not in records.class_names
        and (found := _numbers(records.columns[column])) is not None
    }
    for card, info in _infos(path) if numbers else ():
        names = {c: _chosen(records.name, card, info, c, path) for c in numbers}
        known = {column: found for column, found in names.items() if found}
        if known:
            columns = {column: numbers[column] for column in known}
            renamed = named_classes(f"{records.name} (by {card.name})", columns, known)
            said = tuple(f"classes of {column} named as in {card.name}" for column in known)
            return replace(
                records,
                columns=records.columns | renamed,
                class_names=dict(records.class_names) | known,
                notes=(*records.notes, *said),
            )
    return records


def _numbers(values: Sequence[Any]) -> list[int | None] | None:
    """Read a column of class numbers; ``None`` if it holds something else."""
    plain = ["-1" if (text := written_alike(v)) == NO_GOLD_LABEL else text for v in values]
    if any(text and not text.removeprefix("-").isdecimal() for text in plain) or not any(plain):
        return None
    return [int(text) if text else None for text in plain]


def _infos(path: Path) -> Iterator[tuple[Path, list[Mapping[str, Any]]]]:
    """Yield descriptions and the configurations in them, the nearest first."""
    for folder in path.absolute().parents[:_FURTHEST]:
        for card in (folder / name for name in _CARDS):
            if card.is_file():
                yield card, [info for info in _read(card) if isinstance(info, Mapping)]


def _read(card: Path) -> list[Any]:
    from huggingface_hub import metadata_load  # takes a moment

    try:
        if card.suffix == ".md":
            info = (metadata_load(card) or {}).get("dataset_info") or []
            return info if isinstance(info, list) else [info]
        content = json.loads(card.read_bytes())
        if card.name == "dataset_info.json":
            return [content]
        return [info | {"config_name": name} for name, info in content.items()]
    except Exception:  # of the file or of YAML: what cannot be read describes nothing
        return []


def _chosen(
    shown: str, card: Path, infos: list[Mapping[str, Any]], column: str, path: Path
) -> tuple[str, ...]:
    """Return the names of a column's classes; none if they are not given."""
    found = {
        str(info.get("config_name", "")): names
        for info in infos
        if (names := _class_names(info.get("features"), column))
    }
    if len(set(found.values())) > 1:
        found = {name: found[name] for name in found if name in path.parts} or found
    if len(set(found.values())) > 1:
        raise InputError(
            f"{shown}: {card.name} names the classes of {one_line(column, 60)!r} in several ways, "
            f"for {one_line(', '.join(found), 120)}; put the file into a folder of one of these "
            "names"
        )
    return next(iter(found.values()), ())


def _class_names(features: Any, column: str) -> tuple[str, ...]:
    """Read a column's class names, written as in YAML or as in JSON."""
    if isinstance(features, list):
        features = {str(f.get("name")): f for f in features if isinstance(f, Mapping)}
    feature = features.get(column) if isinstance(features, Mapping) else None
    kind = feature.get("dtype") if isinstance(feature, Mapping) else None
    if isinstance(kind, Mapping):
        feature = kind.get("class_label")
    elif not isinstance(feature, Mapping) or feature.get("_type") != "ClassLabel":
        return ()
    names = feature.get("names") if isinstance(feature, Mapping) else None
    if isinstance(names, Mapping):
        if sorted(map(str, names), key=_place) != [str(i) for i in range(len(names))]:
            return ()
        names = [names[key] for key in sorted(names, key=_place)]
    return tuple(map(str, names)) if isinstance(names, list) else ()


def _place(number: object) -> int:
    return int(str(number)) if str(number).isdecimal() else -1
