"""Tasks from a user's task file."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..errors import InputError, one_line
from .building import built_suite, read_source
from .delimited import TableFormat
from .folders import is_pattern
from .hub import HUB_PREFIX
from .parts import hold_out, without_tests
from .published import Folder, data_folder
from .source_table import Sampled, SearchTable, SourceTable, SuiteTable
from .task import Examples, Suite, Task
from .task_file import TaskFile, read_task_file

#: The default share of the training examples that masks are learned on.
SEARCH_SHARE = 0.1


def is_task_file(name: str | os.PathLike[str]) -> bool:
    """Return whether a task's name is that of a task file."""
    return not isinstance(name, str) or name.lower().endswith(".toml")


def load_own_task(source: str | os.PathLike[str], data: Folder, seed: int) -> Task:
    """Load the task that a task file describes.

    Args:
        source: The file, in the working folder or the data folder.
        data: The data folder; by default the environment variable ``HCORE_DATA`` names it.
        seed: Seed of the held-out examples and of samples.

    Returns:
        The task.

    Raises:
        InputError: If the file or its data are missing or inconsistent.
    """
    folder = data_folder(data)
    path = _task_file(source, folder)
    shown = one_line(str(source))
    return _Builder(read_task_file(path, shown), path, shown, folder, seed).task()


def _task_file(source: str | os.PathLike[str], folder: Path | None) -> Path:
    path = _first_existing(os.path.expanduser(source), Path(), folder)
    if path is None:
        then = ", then in the data folder" if folder else ""
        raise InputError(
            f"there is no task file {one_line(str(source))} (looked for from the working folder"
            f"{then}); check the path"
        )
    if os.path.isdir(path):
        raise InputError(f"task file {one_line(str(source))} is a folder; give a TOML file")
    return path


def _first_existing(name: str, *folders: Path | None) -> Path | None:
    paths = [folder / name for folder in folders if folder is not None]
    found = next((path for path in paths if os.path.exists(path)), None)
    if found is None and is_pattern(name):
        return next((path for path in paths if glob.glob(str(path))), None)
    return found


class _Builder:
    """Builds the task of a task file."""

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
        """Read all examples and divide them."""
        config = self.config
        suites = {f"suite {table.name}": table for table in config.suites}
        tests = {
            key: self._read(table, key, table.labels, table.name) for key, table in suites.items()
        }
        several = len(config.train) > 1
        sources = {f"train {i}" if several else "train": t for i, t in enumerate(config.train, 1)}
        trained = {key: self._read(table, key) for key, table in sources.items()}
        searched: dict[str, Examples] = {}
        if config.search.has_source:
            searched["search"] = self._read(config.search, "search")
        self._check_pairs(trained | searched | tests)
        trained = {
            key: self._without_tests(examples, tests, key) for key, examples in trained.items()
        }
        if searched:
            search = self._without_tests(searched["search"], tests, "search")
            # Drawn first: examples that are not drawn may be trained on.
            search = self._drawn(search, config.search, "search")
            trained = {
                key: self._without(examples, {"": search}, key, tests_are="search examples")
                for key, examples in trained.items()
            }
        elif trained:
            first = next(iter(trained))
            trained[first], search = self._held_out(trained[first], config.search)
        else:
            search = Examples.none(self.labels)
        train = self._together(
            [self._drawn(trained[key], table, key) for key, table in sources.items()]
        )
        if not trained:
            self.notes.append("nothing to fine-tune on: the task evaluates models")
        for label in sorted(set(self.labels) - set(train.table["label"])) if trained else ():
            self.notes.append(f"train: no example has the label {label}")
        return Task(
            name=config.name or one_line(self.path.stem, 80),
            labels=self.labels,
            train=train,
            search=search,
            suites=tuple(self._suite(table, tests[key]) for key, table in suites.items()),
            notes=tuple(self.notes),
        )

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
        if label_map is None and labels is None and table.label_from is None:
            label_map = self.config.label_map
        on_hub = f"{HUB_PREFIX}{table.hub}"
        source = on_hub if table.file is None else self._data_file(table.file, key)
        read_notes: list[str] = []
        several = table.splits if isinstance(table, SuiteTable) else None
        splits: list[str | None] = [*several] if several else [table.split]
        with _within(f"{self.shown}, {key}"):
            parts = [
                read_source(
                    table,
                    source,
                    columns=columns,
                    labels=labels or self.labels,
                    label_map=label_map,
                    case=split if several and split else case,
                    split=split,
                    notes=read_notes,
                    must_split=table.file is not None,
                    how=self._format(table),
                )
                for split in splits
            ]
        examples = Examples.concat(parts, parts[0].labels) if several else parts[0]
        self.notes.append(f"{key}: {len(examples)} examples read from {table.file or on_hub}")
        self.notes += [f"{key}: {note}" for note in read_notes]
        return examples

    def _format(self, table: SourceTable) -> TableFormat:
        given = self.config.format.model_dump(exclude_none=True)
        given |= table.format.model_dump(exclude_none=True)
        if "header" in given:
            given["header"] = tuple(given["header"])
        return TableFormat(**given)

    def _data_file(self, name: str, key: str) -> Path:
        path = _first_existing(name, self.path.parent, self.folder)
        if path is None:
            where = "beside the task file" + (" or in the data folder" if self.folder else "")
            hint = "" if self.folder else ", or name its folder with --data"
            raise InputError(
                f"{self.shown}, {key}: there is no {one_line(name)} {where}; put it there{hint}"
            )
        return path

    def _check_pairs(self, read: Mapping[str, Examples]) -> None:
        first, reference = next(iter(read.items()))
        for key, examples in read.items():
            if examples.is_pair != reference.is_pair:
                ours, theirs = (
                    "pairs" if some.is_pair else "single texts" for some in (examples, reference)
                )
                raise InputError(
                    f"{self.shown}, {key}: has {ours}, but {first} has {theirs}; name text_pair "
                    "for both or for neither"
                )

    def _without_tests(
        self, examples: Examples, tests: Mapping[str, Examples], key: str
    ) -> Examples:
        name = "training" if key == "train" else key
        texts = self.config.overlap == "texts"
        named = {where.removeprefix("suite "): some for where, some in tests.items()}
        return self._without(examples, named, key, name=name, texts=texts)

    def _without(
        self, examples: Examples, others: Mapping[str, Examples], key: str, **settings: Any
    ) -> Examples:
        if self.config.overlap == "keep":
            return examples
        with _within(f"{self.shown}, {key}"):
            return without_tests(examples, others, self.notes, **settings)

    def _together(self, several: list[Examples]) -> Examples:
        if len(several) < 2:
            return several[0] if several else Examples.none(self.labels)
        # Several sources may hold the same examples.
        return self._without(Examples.concat(several, self.labels), {}, "train")

    def _held_out(self, train: Examples, table: SearchTable) -> tuple[Examples, Examples]:
        n = table.size or max(1, round(len(train) * (table.share or SEARCH_SHARE)))
        with _within(f"{self.shown}, search"):
            return hold_out(train, n, None, self.seed, self.notes, setting="size")

    def _drawn(self, examples: Examples, table: Sampled, key: str) -> Examples:
        if table.size is not None:
            drawn = examples.sample(table.size, self.seed)
        else:
            drawn = examples.sample_per_case(table.per_case, self.seed)
        if len(drawn) < len(examples):
            self.notes.append(f"{key}: {len(drawn)} of {len(examples)} examples drawn")
        return drawn

    def _suite(self, table: SuiteTable, examples: Examples) -> Suite:
        whole = built_suite(table, examples, self.shown)
        drawn = self._drawn(whole.examples, table, f"suite {table.name}")
        suite = replace(whole, examples=drawn)
        for label in self.labels:
            if not suite.knows(label):
                raise InputError(
                    f"{self.shown}, suite {table.name}: the task's label {label!r} is none of "
                    f"{list(examples.labels)}; write counts_as = {{ {label!r} = ... }}"
                )
        return suite


@contextmanager
def _within(place: str) -> Iterator[None]:
    """Put a place before the message of an error."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{place}: {error}") from error
