"""What a task file says: a TOML file checked against these keys, each with its own help."""

from __future__ import annotations

from collections.abc import Mapping
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

_STRICT = ConfigDict(extra="forbid", frozen=True, strict=True)


def _listed(value: Any) -> Any:
    """Take one value for a list of it, and refuse what no column can hold."""
    values = value if isinstance(value, list) else [value]
    if not values or not all(isinstance(v, str | int | float | bool) for v in values):
        raise ValueError("write one value or a list of values: texts, numbers, true or false")
    return values


def _one_or_several(value: Any) -> Any:
    """Take one table for a list of it."""
    return value if isinstance(value, list) else [value]


def _inside(value: str) -> str:
    """Refuse a path that leads out of the folder of the task file."""
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
Kind = Literal["adversarial", "friendly"]


class ColumnNames(BaseModel):
    """Which column holds what."""

    model_config = _STRICT
    text: str | None = Field(None, description="The texts, or the first texts of pairs.")
    text_pair: str | None = Field(None, description="The second texts; none for single texts.")
    label: str | None = Field(None, description="The labels.")
    case: str | None = Field(None, description="The cases of a suite; one case if unset.")


class Sampled(BaseModel):
    """How much of a part is used."""

    model_config = _STRICT
    size: int | None = Field(None, ge=1, description="Examples, at most.")
    per_case: int | None = Field(None, ge=1, description="Examples of each case, at most.")

    @model_validator(mode="after")
    def _one_cap(self) -> Sampled:
        if self.size is not None and self.per_case is not None:
            raise ValueError("give size or per_case, not both")
        return self


class SourceTable(Sampled):
    """Where examples come from and which of them count."""

    file: Annotated[str, AfterValidator(_inside)] | None = Field(
        None, description="A data file, looked for beside the task file, then in the data folder."
    )
    hub: Annotated[str, AfterValidator(_on_hub)] | None = Field(
        None, description="A data set on the hub instead of a file: namespace/name."
    )
    config: str | None = Field(None, description="Its configuration, where there are several.")
    split: str | None = Field(None, description="Its split.")
    columns: ColumnNames = Field(ColumnNames(), description="Names other than in [columns].")
    label_map: dict[str, str] | None = Field(
        None, description="From what the column of labels holds to labels."
    )
    keep: dict[str, Values] = Field({}, description="column = value, or values, a row must have.")
    drop: dict[str, Values] = Field({}, description="column = value, or values, a row must lack.")
    drop_incomplete: bool = Field(False, description="Leave out rows without a text or a label.")

    @property
    def has_source(self) -> bool:
        """Whether a file or a data set is named."""
        return self.file is not None or self.hub is not None

    @model_validator(mode="after")
    def _one_source(self) -> SourceTable:
        if self.file is not None and self.hub is not None:
            raise ValueError("give file or hub, not both")
        if self.hub is None and (self.config is not None or self.split is not None):
            raise ValueError("config and split are for hub; of a file, choose rows with keep")
        return self


class TrainTable(SourceTable):
    """What models are fine-tuned on."""

    @model_validator(mode="after")
    def _named(self) -> TrainTable:
        return _sourced(self)


class SearchTable(SourceTable):
    """What masks are learned on: its own file, or a share of the training examples."""

    size: int | None = Field(
        None, ge=1, description="Examples at most; held out of training without file or hub."
    )
    share: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="Share held out of training, of its first source; 0.1 if nothing is said.",
    )

    @model_validator(mode="after")
    def _held_out_or_not(self) -> SearchTable:
        if self.share is not None and (self.has_source or self.size is not None):
            raise ValueError("give share, or size, or a file or hub with or without size")
        own = {"columns", "label_map", "keep", "drop", "drop_incomplete", "per_case"}
        if not self.has_source and (stray := sorted(own & self.model_fields_set)):
            raise ValueError(f"{stray[0]} needs a file or hub of its own")
        return self


class SuiteTable(SourceTable):
    """A test set."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._+-]{0,79}$", description="Its name.")
    role: Literal["id", "ood"] = Field(description="In domain (id) or out of domain (ood).")
    labels: list[Name] | None = Field(
        None, min_length=1, description="Its labels, where they are not the task's."
    )
    counts_as: dict[str, str] = Field(
        {}, description="From labels of the task to the labels here that they count as."
    )
    kinds: dict[str, Kind] = Field(
        {}, description="case = adversarial or friendly; adversarial if unset."
    )
    kinds_by_label: dict[str, Kind] = Field(
        {}, description="label = kind: divides every case by label, each a group of its own."
    )
    groups: dict[str, Name] = Field(
        {}, description="case = group: friendly cases stand beside adversarial ones of their group."
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
    """A task of one's own."""

    model_config = _STRICT
    name: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._+-]{0,79}$",
        description="The task's name; the file's if unset.",
    )
    labels: list[Name] = Field(min_length=2, description="The labels, in the order of the classes.")
    columns: ColumnNames = Field(ColumnNames(), description="Which column holds what.")
    label_map: dict[str, str] | None = Field(
        None,
        description="From what the column of labels holds to labels; names or numbers if none.",
    )
    overlap: Literal["examples", "texts", "keep"] = Field(
        "examples",
        description="Training examples that are dropped: those that are test examples too, those "
        "that have a text in common with one, or none.",
    )
    train: Annotated[list[TrainTable], BeforeValidator(_one_or_several)] = Field(
        min_length=1,
        description="What models are fine-tuned on; [[train]] several times for several sources.",
    )
    search: SearchTable = Field(SearchTable(), description="What masks are learned on.")
    suites: list[SuiteTable] = Field(description="Test sets, at least one with role id.")

    @model_validator(mode="after")
    def _fits(self) -> TaskFile:
        if len({label.lower() for label in self.labels}) < len(self.labels):
            raise ValueError("labels must be different, also in lower case")
        names = [suite.name for suite in self.suites]
        if len(set(names)) < len(names):
            raise ValueError("suites must have different names")
        if not any(suite.role == "id" for suite in self.suites):
            raise ValueError('no suite has the role id; add one: [[suites]] with role = "id"')
        _targets(self.label_map, self.labels, "label_map")
        for part, table in (*(("train", t) for t in self.train), ("search", self.search)):
            _targets(table.label_map, self.labels, f"{part}.label_map")
        for suite in self.suites:
            known = suite.labels or self.labels
            _targets(suite.label_map, known, f"label_map of suite {suite.name}")
            _targets(suite.counts_as, known, f"counts_as of suite {suite.name}")
            strange = set(suite.counts_as) - set(self.labels)
            _none_of(strange, f"counts_as of suite {suite.name}", self.labels)
            if suite.kinds_by_label and set(suite.kinds_by_label) != set(known):
                raise ValueError(
                    f"kinds_by_label of suite {suite.name} must give a kind for each of "
                    f"{', '.join(known)}"
                )
        return self


def read_task_file(path: Path, shown: str) -> TaskFile:
    """Read a task file and check it.

    Args:
        path: The file.
        shown: How messages call it.

    Returns:
        What it says, defaults filled in.

    Raises:
        InputError: If it is no TOML, a key is unknown (the nearest is named) or a value does not
            fit.
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


def _targets(label_map: Mapping[str, str] | None, labels: list[str], key: str) -> None:
    _none_of(set((label_map or {}).values()) - set(labels), key, labels)


def _none_of(strange: set[str], key: str, labels: list[str]) -> None:
    if strange:
        found = one_line(sorted(strange)[0], 60)
        raise ValueError(f"{key} names {found!r}, which is none of the labels {', '.join(labels)}")
