"""Task files: TOML files that are validated against these keys, each with a description."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, Field, ValidationError, model_validator

from ..errors import one_line
from ..storage import read_toml
from .explain import explained
from .source_table import (
    STRICT,
    ColumnNames,
    FormatTable,
    Identifier,
    Name,
    SearchTable,
    SuiteTable,
    TrainTable,
    check_kinds,
)


def _one_or_several(value: Any) -> Any:
    """Turn one table into a list."""
    return value if isinstance(value, list) else [value]


class TaskFile(BaseModel):
    """A user's task."""

    model_config = STRICT
    name: Identifier | None = Field(None, description="The task's name; by default the file's.")
    labels: list[Name] = Field(min_length=2, description="The labels, in the order of the classes.")
    columns: ColumnNames = Field(ColumnNames(), description="Names of the columns.")
    label_map: dict[str, str] | None = Field(
        None,
        description="Map from values in the column of labels to labels; else names or numbers.",
    )
    format: FormatTable = Field(FormatTable(), description="How text tables were written.")
    overlap: Literal["examples", "texts", "keep"] = Field(
        "examples",
        description="Training examples that are dropped: those that are also test examples, those "
        "that share a text with a test example, or none.",
    )
    train: Annotated[list[TrainTable], BeforeValidator(_one_or_several)] = Field(
        [],
        description="Examples to fine-tune on; [[train]] several times for several sources. Not "
        "needed to evaluate a model.",
    )
    search: SearchTable = Field(SearchTable(), description="Examples to learn masks on.")
    suites: list[SuiteTable] = Field(
        min_length=1, description="Test sets; at least one with role id, if models are trained."
    )

    @model_validator(mode="after")
    def _fits(self) -> TaskFile:
        if len({label.lower() for label in self.labels}) < len(self.labels):
            raise ValueError("labels must differ, also in lower case")
        names = [suite.name for suite in self.suites]
        if len(set(names)) < len(names):
            raise ValueError("suites must have different names")
        if self.train and not any(suite.role == "id" for suite in self.suites):
            raise ValueError('no suite has the role id; add one: [[suites]] with role = "id"')
        held_out = {"size", "share"} & self.search.model_fields_set
        if not self.train and held_out and not self.search.has_source:
            raise ValueError("search is held out of train, which is missing; give search a file")
        _check_labels((self.label_map or {}).values(), self.labels, "label_map")
        for key, table in (*(("train", t) for t in self.train), ("search", self.search)):
            _check_labels((table.label_map or {}).values(), self.labels, f"{key}.label_map")
        for suite in self.suites:
            known, label_map = suite.labels or self.labels, suite.label_map or {}
            _check_labels(label_map.values(), known, f"label_map of suite {suite.name}")
            _check_labels(suite.counts_as.values(), known, f"counts_as of suite {suite.name}")
            _check_labels(suite.counts_as, self.labels, f"counts_as of suite {suite.name}")
            check_kinds(suite, known)
        return self


def read_task_file(path: Path, shown: str) -> TaskFile:
    """Read and validate a task file.

    Args:
        path: The file.
        shown: Its name in messages.

    Returns:
        Its content, with defaults.

    Raises:
        InputError: If it is not valid TOML, a key is unknown (the nearest is named) or a value is
            invalid.
    """
    raw = read_toml(path)
    try:
        return TaskFile.model_validate(raw)
    except ValidationError as error:
        raise explained(error, TaskFile, shown) from error


def _check_labels(names: Iterable[str], labels: list[str], key: str) -> None:
    if strange := sorted(set(names) - set(labels)):
        name = one_line(strange[0], 60)
        raise ValueError(f"{key} names {name!r}, which is none of the labels {', '.join(labels)}")
