"""Tasks of one's own, from a task file."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd

from ..errors import InputError, one_line, unknown
from .hub import HUB_PREFIX
from .parts import hold_out, without_tests
from .published import data_folder
from .reading import read_examples
from .task import CaseKind, Examples, Suite, Task
from .task_file import (
    Sampled,
    SearchTable,
    SourceTable,
    SuiteTable,
    TaskFile,
    TrainTable,
    read_task_file,
)

#: The share of the training examples that masks are learned on where nothing else is said.
SEARCH_SHARE = 0.1


def is_task_file(name: str | os.PathLike[str]) -> bool:
    """Say whether a task is named by its file."""
    return not isinstance(name, str) or name.lower().endswith(".toml")


def load_own_task(
    source: str | os.PathLike[str], data: str | os.PathLike[str] | None, seed: int
) -> Task:
    """Load the task that a task file describes.

    Args:
        source: The file, looked for in the working folder, then in the data folder.
        data: The data folder; if not given, the environment variable ``HCORE_DATA`` names it.
        seed: Which examples are held out and drawn.

    Returns:
        The task.

    Raises:
        InputError: If the file or its data are missing or do not fit together.
    """
    folder = data_folder(data)
    path = _found(source, folder)
    shown = one_line(str(source))
    return _Builder(read_task_file(path, shown), path, shown, folder, seed).task()


def _found(source: str | os.PathLike[str], folder: Path | None) -> Path:
    given = os.path.expanduser(source)
    places = [Path(given), *([folder / given] if folder else [])]
    for place in places:
        if os.path.isdir(place):
            raise InputError(f"task file {one_line(str(source))} is a folder; give a TOML file")
        if os.path.exists(place):
            return place
    then = ", then in the data folder" if folder else ""
    looked = f"looked for from the working folder{then}"
    raise InputError(f"there is no task file {one_line(str(source))} ({looked}); check the path")


class _Builder:
    """Makes a task of what a task file says."""

    def __init__(
        self, config: TaskFile, path: Path, shown: str, folder: Path | None, seed: int
    ) -> None:
        self.config = config
        self.path = path
        self.shown = shown
        self.folder = folder
        self.seed = seed
        self.labels = tuple(config.labels)
        self.notes: list[str] = []

    def task(self) -> Task:
        """Read everything, and divide it."""
        config = self.config
        whole = [
            self._read(table, f"suite {table.name}", table.labels, table.name)
            for table in config.suites
        ]
        trained = {key: self._read(table, key) for key, table in self._train_tables()}
        search = self._read(config.search, "search") if config.search.has_source else None
        self._check_pairs(trained | {"search": search} | self._named(whole))
        trained = {key: self._without(part, whole, key) for key, part in trained.items()}
        if search is None:
            first = next(iter(trained))
            trained[first], search = self._held_out(trained[first], config.search)
        else:  # drawn first, as what is not drawn of it may be trained on
            search = self._without(search, whole, "search")
            search = self._drawn(search, config.search, "search")
            trained = {key: self._not_searched(part, search, key) for key, part in trained.items()}
        train = self._together(
            [self._drawn(trained[key], table, key) for key, table in self._train_tables()]
        )
        for label in sorted(set(self.labels) - set(train.table["label"])):
            self.notes.append(f"train: no example has the label {label}")
        suites = tuple(
            self._suite(table, examples)
            for table, examples in zip(config.suites, whole, strict=True)
        )
        name = config.name or one_line(self.path.stem, 80)
        return Task(name, self.labels, train, search, suites, tuple(self.notes))

    def _train_tables(self) -> list[tuple[str, TrainTable]]:
        tables = self.config.train
        return [(f"train {i}" if len(tables) > 1 else "train", t) for i, t in enumerate(tables, 1)]

    def _not_searched(self, part: Examples, search: Examples, key: str) -> Examples:
        if self.config.overlap == "keep":
            return part
        with _within(f"{self.shown}, {key}"):
            return without_tests(part, [search], self.notes, tests_are="search examples")

    def _together(self, parts: list[Examples]) -> Examples:
        if len(parts) == 1:
            return parts[0]
        table = pd.concat([part.table for part in parts], ignore_index=True)
        train = Examples(table, self.labels)
        if self.config.overlap == "keep":
            return train
        return without_tests(train, [], self.notes, name="training")  # what several sources hold

    def _read(
        self, table: SourceTable, key: str, labels: list[str] | None = None, case: str = "train"
    ) -> Examples:
        columns = self.config.columns.model_dump(exclude_none=True)
        columns |= table.columns.model_dump(exclude_none=True)
        for role in ("text", "label"):
            if role not in columns:
                raise InputError(
                    f"{self.shown}, {key}: no column of the {role} is named; write "
                    f'{role} = "NAME" below [columns]'
                )
        label_map = table.label_map
        if label_map is None and labels is None:
            label_map = self.config.label_map
        source = f"{HUB_PREFIX}{table.hub}" if table.file is None else self._data_file(table, key)
        said: list[str] = []
        with _within(f"{self.shown}, {key}"):
            examples = read_examples(
                source,
                text=columns["text"],
                text_pair=columns.get("text_pair"),
                label=columns["label"],
                labels=labels or self.labels,
                label_map=label_map,
                case=case,
                case_column=columns.get("case"),
                split=table.split,
                config=table.config,
                keep=table.keep,
                drop=table.drop,
                drop_incomplete=table.drop_incomplete,
                notes=said,
            )
        read_from = table.file if table.file is not None else f"hub:{table.hub}"
        self.notes.append(f"{key}: {len(examples)} examples read from {read_from}")
        self.notes += [f"{key}: {note}" for note in said]
        return examples

    def _data_file(self, table: SourceTable, key: str) -> Path:
        name = str(table.file)
        places = [self.path.parent / name, *([self.folder / name] if self.folder else [])]
        for place in places:
            if os.path.exists(place):
                return place
        where = "beside the task file" + (" or in the data folder" if self.folder else "")
        hint = "" if self.folder else ", or name its folder with --data"
        raise InputError(
            f"{self.shown}, {key}: there is no {one_line(name)} {where}; put it there{hint}"
        )

    def _named(self, whole: list[Examples]) -> dict[str, Examples]:
        return {
            f"suite {table.name}": examples
            for table, examples in zip(self.config.suites, whole, strict=True)
        }

    def _check_pairs(self, parts: Mapping[str, Examples | None]) -> None:
        kinds = {key: part.is_pair for key, part in parts.items() if part is not None}
        first = next(iter(kinds))
        for key, is_pair in kinds.items():
            if is_pair != kinds[first]:
                ours, theirs = (
                    "pairs" if pair else "single texts" for pair in (is_pair, kinds[first])
                )
                raise InputError(
                    f"{self.shown}, {key}: has {ours}, but {first} has {theirs}; name text_pair "
                    "for both or for neither"
                )

    def _without(self, examples: Examples, tests: list[Examples], key: str) -> Examples:
        overlap = self.config.overlap
        if overlap == "keep":
            return examples
        name = "training" if key == "train" else key
        with _within(f"{self.shown}, {key}"):
            return without_tests(examples, tests, self.notes, texts=overlap == "texts", name=name)

    def _held_out(self, train: Examples, table: SearchTable) -> tuple[Examples, Examples]:
        n = table.size or max(1, round(len(train) * (table.share or SEARCH_SHARE)))
        with _within(f"{self.shown}, search"):
            return hold_out(train, n, None, self.seed, self.notes, setting="size")

    def _drawn(self, examples: Examples, table: Sampled, key: str) -> Examples:
        if table.size is not None:
            drawn = examples.sample(table.size, self.seed)
        elif table.per_case is not None:
            drawn = examples.sample_per_case(table.per_case, self.seed)
        else:
            return examples
        if len(drawn) < len(examples):
            self.notes.append(f"{key}: {len(drawn)} of {len(examples)} examples drawn")
        return drawn

    def _suite(self, table: SuiteTable, examples: Examples) -> Suite:
        cases = tuple(dict.fromkeys(examples.table["case"]))
        for what, given in (("kinds", table.kinds), ("groups", table.groups)):
            for case in given:
                if case not in cases:
                    raise unknown(
                        f"case in {what} of suite {table.name} in {self.shown}:", case, cases
                    )
        kinds: dict[str, CaseKind] = dict(table.kinds)
        groups = dict(table.groups)
        if table.kinds_by_label:
            examples, kinds, groups = _by_label(examples, table.kinds_by_label)
        drawn = self._drawn(examples, table, f"suite {table.name}")
        for label in self.labels:
            if table.counts_as.get(label, label) not in examples.labels:
                raise InputError(
                    f"{self.shown}, suite {table.name}: the task's label {label!r} is none of "
                    f"{list(examples.labels)}; write counts_as = {{ {label!r} = ... }}"
                )
        return Suite(table.name, table.role, drawn, kinds, table.counts_as, groups)


def _by_label(
    examples: Examples, kind_of: Mapping[str, Any]
) -> tuple[Examples, dict[str, CaseKind], dict[str, str]]:
    """Divide every case by label; a case's parts are a group of the case's name."""
    table = examples.table
    parts = pd.Series(table["case"] + "/" + table["label"], dtype=object)
    kinds = {part: kind_of[label] for part, label in zip(parts, table["label"], strict=True)}
    groups = dict(zip(parts, table["case"], strict=True))
    return Examples(table.assign(case=parts), examples.labels), kinds, groups


@contextmanager
def _within(place: str) -> Iterator[None]:
    """Put a place before the message of an error."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{place}: {error}") from error
