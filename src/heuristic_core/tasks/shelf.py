"""The shelf: named out-of-domain suites on the hub, as ``shelf.toml`` declares them."""

from __future__ import annotations

import os
import tomllib
from dataclasses import replace
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, Field, model_validator

from ..errors import InputError, one_line
from .building import built_suite, read_source
from .hub import HUB_PREFIX
from .published import Folder, PublishedSplit, data_folder, read_published
from .reading import Source
from .source_table import STRICT, SuiteTable, check_kinds
from .task import Examples, Suite

Address = Annotated[str, Field(pattern=r"^https://\S+$")]


class ShelfEntry(SuiteTable):
    """One named suite."""

    role: Literal["ood"] = "ood"
    hub: str = Field(description="The data set on the hub: namespace/name.")
    labels: list[str] = Field(min_length=2, description="Its labels, in the order of the classes.")
    about: str = Field(min_length=1, description="What it is, and the paper it comes from.")
    size: int = Field(ge=1, description="Examples in all.")
    licence: str = Field(min_length=1, description="As its page states it, or 'not stated'.")
    sources: list[Address] = Field(
        min_length=1, description="Public files that show its columns, splits and label codes."
    )

    @model_validator(mode="after")
    def _whole(self) -> ShelfEntry:
        check_kinds(self, self.labels)
        if self.file is not None or (self.split is None) == (self.splits is None):
            raise ValueError(f"{self.name} needs a split, or splits, on the hub")
        return self


class _Shelf(BaseModel):
    model_config = STRICT
    suites: list[ShelfEntry]


@cache
def shelf_entries() -> dict[str, ShelfEntry]:
    """Return the entries of the shelf by name."""
    text = (resources.files(__package__) / "shelf.toml").read_text("utf-8")
    return {entry.name: entry for entry in _Shelf.model_validate(tomllib.loads(text)).suites}


def load_shelved(
    entry: ShelfEntry, data: Folder, per_case: int | None, seed: int, copy: Source | None = None
) -> Suite:
    """Load a suite of the shelf.

    Args:
        entry: Its entry.
        data: The folder of data files; one of the suite's name there is read before the hub.
        per_case: Examples of each case, at most; all if ``None``.
        seed: Seed of the sample.
        copy: A file or folder that is read in place of both.

    Raises:
        InputError: If the data are missing or broken.
    """
    if copy is not None and not os.path.exists(os.path.expanduser(copy)):
        raise InputError(
            f"there is nothing at {one_line(str(copy))}, given for the suite {entry.name}; give "
            "the file or folder of a copy of hub:" + entry.hub
        )
    folder = None if copy is not None else data_folder(data)
    splits: list[str | None] = [*entry.splits] if entry.splits else [entry.split]
    parts = [_read(entry, split, folder, copy) for split in splits]
    suite = built_suite(entry, Examples.concat(parts, tuple(entry.labels)), "the shelf")
    return replace(suite, examples=suite.examples.sample_per_case(per_case, seed))


def _read(
    entry: ShelfEntry, split: str | None, folder: Path | None, copy: Source | None
) -> Examples:
    """Read one split from a local copy, the data folder or the hub."""
    columns = entry.columns.model_dump(exclude_none=True)
    several = entry.splits is not None
    case = split if several and split else entry.name

    def read(source: Source, of: str | None) -> Examples:
        on_hub = str(source).startswith(HUB_PREFIX)
        return read_source(
            entry,
            source,
            columns=columns,
            labels=entry.labels,
            label_map=entry.label_map,
            case=case,
            # A single local file is taken for the split; several splits must be told apart.
            split=of if on_hub or of is not None or not several else split,
            notes=[],
            must_split=several and not on_hub,
        )

    if copy is not None:
        return read(copy, split if os.path.isdir(os.path.expanduser(copy)) else None)
    published = PublishedSplit((entry.name,), entry.hub, split or "", entry.config)
    return read_published(published, folder, [], read)
