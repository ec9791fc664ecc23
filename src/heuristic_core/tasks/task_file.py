"""Task files: TOML files that are validated against these keys, each with a description."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from ..errors import fits_one_line, one_line
from ..storage import read_toml
from .explain import explained
from .hub import HUB_NAME
from .labels import NO_GOLD_LABEL, as_text
from .scanning import Quotes

_STRICT = ConfigDict(extra="forbid", frozen=True, strict=True)


def _listed(value: Any) -> Any:
    """Turn one value into a list; values that no column can hold raise an error."""
    values = value if isinstance(value, list) else [value]
    if not values or not all(isinstance(v, str | int | float | bool) for v in values):
        raise ValueError("write one value or a list of values: texts, numbers, true or false")
    return values


def _one_or_several(value: Any) -> Any:
    """Turn one table into a list."""
    return value if isinstance(value, list) else [value]


def _inside(value: str) -> str:
    """Check that a path does not lead out of the folder of the task file."""
    posix, windows = PurePosixPath(value), PureWindowsPath(value)
    out = posix.is_absolute() or windows.anchor or ".." in {*posix.parts, *windows.parts}
    if out or not value.isprintable() or value.startswith("~") or not posix.name:
        raise ValueError(
            "must name a file beside the task file or in the data folder (--data); put it there"
        )
    return value


def _on_hub(value: str) -> str:
    if not HUB_NAME.fullmatch(value):
        raise ValueError("must be namespace/name, as the hub shows it")
    return value


def _name(value: str) -> str:
    if not fits_one_line(value) or value != value.strip() or as_text(value) == NO_GOLD_LABEL:
        raise ValueError("must be 1 to 100 printable characters without spaces around, not '-'")
    return value


Values = Annotated[list[Any], BeforeValidator(_listed)]
Name = Annotated[str, AfterValidator(_name)]
Identifier = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._+-]{0,79}$")]
Kind = Literal["adversarial", "friendly"]


class ColumnNames(BaseModel):
    """Names of the columns."""

    model_config = _STRICT
    text: str | None = Field(None, description="The texts, or the first texts of pairs.")
    text_pair: str | None = Field(None, description="The second texts; none for single texts.")
    label: str | None = Field(None, description="The labels.")
    case: str | None = Field(None, description="The cases of a suite; one case if unset.")


class FormatTable(BaseModel):
    """How a text table was written."""

    model_config = _STRICT
    separator: str | None = Field(
        None, min_length=1, max_length=1, description="What stands between fields, such as ;."
    )
    quotes: Quotes | None = Field(
        None,
        description="doubled: fields may be quoted, with marks in them doubled; backslash: a "
        "backslash also escapes what follows; escaped: it does, and nothing is quoted; none: all "
        "marks belong to the texts. Recognised if unset.",
    )
    quote_mark: str | None = Field(
        None, min_length=1, max_length=1, description="The mark around quoted fields."
    )
    encoding: str | None = Field(None, description="The encoding, such as cp1252.")
    header: list[str] | None = Field(
        None, min_length=1, description="Names of all columns, for a file without a line of names."
    )

    @model_validator(mode="after")
    def _different(self) -> FormatTable:
        marks = [self.separator or "", self.quote_mark or '"']
        if marks[0] == marks[1] or any(mark in "\r\n\\" for mark in marks if mark):
            raise ValueError(
                "separator and quote_mark must differ, and be no line end or backslash"
            )
        if self.quote_mark is not None and self.quotes not in ("doubled", "backslash"):
            raise ValueError('quote_mark needs quotes = "doubled" or "backslash"')
        return self


class Sampled(BaseModel):
    """The size of a sample."""

    model_config = _STRICT
    size: int | None = Field(None, ge=1, description="Examples, at most.")
    per_case: int | None = Field(None, ge=1, description="Examples of each case, at most.")

    @model_validator(mode="after")
    def _one_cap(self) -> Sampled:
        if self.size is not None and self.per_case is not None:
            raise ValueError("give size or per_case, not both")
        return self


class SourceTable(Sampled):
    """A source of examples, and the rows that are used."""

    file: Annotated[str, AfterValidator(_inside)] | None = Field(
        None,
        description="A data file, a folder that `datasets` saved or a pattern such as "
        "train-*.parquet, looked for beside the task file, then in the data folder.",
    )
    hub: Annotated[str, AfterValidator(_on_hub)] | None = Field(
        None, description="A data set on the hub instead of a file: namespace/name."
    )
    config: str | None = Field(None, description="Its configuration, if there are several.")
    split: str | None = Field(None, description="Its split, also of a folder or column of splits.")
    format: FormatTable = Field(
        FormatTable(), description="How a text table was written, where [format] says otherwise."
    )
    columns: ColumnNames = Field(
        ColumnNames(), description="Column names that differ from [columns]."
    )
    label_map: dict[str, str] | None = Field(
        None, description="Map from values in the column of labels to labels."
    )
    keep: dict[str, Values] = Field(
        {}, description="column = value, or values, that a row must have."
    )
    drop: dict[str, Values] = Field(
        {}, description="column = value, or values, that a row must lack."
    )
    drop_incomplete: bool = Field(False, description="Drop rows without a text or a label.")

    @property
    def has_source(self) -> bool:
        """Whether a file or a data set on the hub is named."""
        return self.file is not None or self.hub is not None

    @model_validator(mode="after")
    def _one_source(self) -> SourceTable:
        if self.file is not None and self.hub is not None:
            raise ValueError("give file or hub, not both")
        if self.hub is None and self.config is not None:
            raise ValueError("config is for hub; leave it out")
        if not self.has_source and self.split is not None:
            raise ValueError("split needs a file or hub of its own")
        return self


class TrainTable(SourceTable):
    """The examples to fine-tune on."""

    @model_validator(mode="after")
    def _named(self) -> TrainTable:
        return _sourced(self)


class SearchTable(SourceTable):
    """The examples to learn masks on: a source, or a share of the training examples."""

    size: int | None = Field(
        None, ge=1, description="Examples, at most; without file or hub held out from training."
    )
    share: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="Share of the first training source that is held out; 0.1 by default.",
    )

    @model_validator(mode="after")
    def _held_out_or_not(self) -> SearchTable:
        if self.share is not None and (self.has_source or self.size is not None):
            raise ValueError("give share, or size, or a file or hub with or without size")
        own = {"format", "columns", "label_map", "keep", "drop", "drop_incomplete", "per_case"}
        if not self.has_source and (stray := sorted(own & self.model_fields_set)):
            raise ValueError(f"{stray[0]} needs a file or hub of its own")
        return self


class SuiteTable(SourceTable):
    """A test set."""

    name: Identifier = Field(description="Its name.")
    role: Literal["id", "ood"] = Field(description="In domain (id) or out of domain (ood).")
    labels: list[Name] | None = Field(
        None, min_length=1, description="Its labels, if they differ from the task's."
    )
    counts_as: dict[str, str] = Field(
        {}, description="Map from labels of the task to labels of the suite."
    )
    kinds: dict[str, Kind] = Field(
        {}, description="case = adversarial or friendly; adversarial if unset."
    )
    kinds_by_label: dict[str, Kind] = Field(
        {}, description="label = kind: divides every case by label and makes it a group."
    )
    groups: dict[str, Name] = Field(
        {}, description="case = group: adversarial cases are compared with friendly ones of it."
    )

    @model_validator(mode="after")
    def _fits(self) -> SuiteTable:
        _sourced(self)
        if self.kinds_by_label and (self.kinds or self.groups):
            raise ValueError("give kinds_by_label, or kinds and groups, not both")
        if self.role == "id" and (self.kinds or self.kinds_by_label or self.groups):
            raise ValueError("cases of an id suite are neither adversarial nor friendly")
        return self


class TaskFile(BaseModel):
    """A user's task."""

    model_config = _STRICT
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
            if suite.kinds_by_label and set(suite.kinds_by_label) != set(known):
                raise ValueError(
                    f"kinds_by_label of suite {suite.name} must give a kind for each of "
                    f"{', '.join(known)}"
                )
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


def _sourced(table: Any) -> Any:
    if not table.has_source:
        raise ValueError("has neither file nor hub; name one")
    return table


def _check_labels(names: Iterable[str], labels: list[str], key: str) -> None:
    if strange := sorted(set(names) - set(labels)):
        name = one_line(strange[0], 60)
        raise ValueError(f"{key} names {name!r}, which is none of the labels {', '.join(labels)}")
