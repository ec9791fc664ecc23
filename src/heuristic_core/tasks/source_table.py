"""The tables of task files and of the shelf: sources of examples, each key with a description."""

from __future__ import annotations

from pathlib import PurePosixPath, PureWindowsPath
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    model_validator,
)

from ..errors import fits_one_line, one_line
from ..validation import SUITE_NAME
from .hub import HUB_NAME
from .labels import NO_GOLD_LABEL, as_text
from .scanning import Quotes

STRICT = ConfigDict(extra="forbid", frozen=True, strict=True)


def _listed(value: Any) -> Any:
    """Turn one value into a list; values that no column can hold raise an error."""
    values = value if isinstance(value, list) else [value]
    if not values or not all(isinstance(v, str | int | float | bool) for v in values):
        raise ValueError("write one value or a list of values: texts, numbers, true or false")
    return values


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
Identifier = Annotated[str, Field(pattern=SUITE_NAME)]
Kind = Literal["adversarial", "friendly", "shift"]
#: The kind of a case, or for each label the kind of the case's examples of it.
KindOrKinds = Kind | dict[str, Kind]


class ColumnNames(BaseModel):
    """Names of the columns."""

    model_config = STRICT
    text: str | None = Field(None, description="The texts, or the first texts of pairs.")
    text_pair: str | None = Field(None, description="The second texts; none for single texts.")
    label: str | None = Field(None, description="The labels.")
    case: str | None = Field(None, description="The cases of a suite; one case if unset.")


class FormatTable(BaseModel):
    """How a text table was written."""

    model_config = STRICT
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

    model_config = STRICT
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
    label_from: float | None = Field(
        None,
        description="For a column of numbers and two labels: values from here on have the second "
        "label, lower ones the first.",
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
        if self.label_from is not None and self.label_map is not None:
            raise ValueError("give label_map or label_from, not both")
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
        own = {"format", "columns", "label_map", "label_from", "keep", "drop", "drop_incomplete"}
        own |= {"per_case"}
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
    splits: list[str] | None = Field(
        None, min_length=2, description="Several splits in place of one, each a case of its name."
    )
    kind: Kind | None = Field(
        None,
        description="Kind of all cases that kinds does not name: adversarial, the default, or "
        "friendly; shift for a plain shift of domain, on which no shallow heuristic is tested.",
    )
    kinds: dict[str, KindOrKinds] = Field(
        {},
        description="case = adversarial, friendly or shift; or case = { label = kind, ... }, which "
        "divides this case by label into cases of one group.",
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
        if self.kinds_by_label and (self.kinds or self.groups or self.kind):
            raise ValueError("give kinds_by_label, or kind, kinds and groups, not both")
        if self.role == "id" and (self.kind or self.kinds or self.kinds_by_label or self.groups):
            raise ValueError("cases of an id suite are neither adversarial nor friendly")
        if self.splits and (self.split is not None or self.columns.case is not None):
            raise ValueError("splits are cases; leave split and columns.case out")
        return self


def check_kinds(suite: SuiteTable, labels: list[str]) -> None:
    """Check that kinds which depend on the label are given for all labels and no others.

    Raises:
        ValueError: If they are not.
    """
    by_label = {f"kinds of case {c}": k for c, k in suite.kinds.items() if isinstance(k, dict)}
    if suite.kinds_by_label:
        by_label["kinds_by_label"] = suite.kinds_by_label
    for key, kinds in by_label.items():
        if set(kinds) != set(labels):
            raise ValueError(
                f"{one_line(key, 80)} of suite {suite.name} must give a kind for each of "
                f"{', '.join(labels)}"
            )


def _sourced(table: Any) -> Any:
    if not table.has_source:
        raise ValueError("has neither file nor hub; name one")
    return table
