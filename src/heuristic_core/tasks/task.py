"""What a model is trained and tested on: a task is ID data and suites of named cases."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal

import numpy as np
import pandas as pd

from ..errors import InputError, one_line, unknown

Role = Literal["id", "ood"]
CaseKind = Literal["id", "adversarial", "friendly"]
CASE_KINDS: tuple[CaseKind, ...] = ("id", "adversarial", "friendly")


@dataclass(frozen=True, eq=False)
class Examples:
    """Labelled texts or text pairs in columns.

    Args:
        table: Columns ``text``, ``text_pair`` (all missing for single texts), ``label`` (a name)
            and ``case``.
        labels: The label names, in the order of the classes.
    """

    table: pd.DataFrame
    labels: tuple[str, ...]

    def __post_init__(self) -> None:
        missing = {"text", "text_pair", "label", "case"} - set(self.table.columns)
        if missing:
            raise InputError(f"examples lack the columns {sorted(missing)}")
        strange = sorted(set(self.table["label"]) - set(self.labels))
        if strange:
            raise unknown("label", strange[0], self.labels)

    @classmethod
    def build(
        cls,
        text: Sequence[str],
        text_pair: Sequence[str] | None,
        label: Sequence[str],
        case: Sequence[str] | str,
        labels: tuple[str, ...],
    ) -> Examples:
        """Put columns together; ``case`` may be one name for all rows."""
        text, label = list(text), list(label)
        pair = [None] * len(text) if text_pair is None else list(text_pair)
        cases = [case] * len(text) if isinstance(case, str) else list(case)
        if not len(pair) == len(label) == len(cases) == len(text):
            raise InputError(
                f"there are {len(text)} texts, {len(pair)} second ones, {len(label)} labels and "
                f"{len(cases)} cases; give as many of each"
            )
        given = text if text_pair is None else [*text, *pair]
        odd = [t for t in given if not isinstance(t, str)]
        if odd:
            raise InputError(f"a text is {one_line(repr(odd[0]), 60)}, but must be text")
        columns = {"text": text, "text_pair": pair, "label": label, "case": cases}
        return cls(pd.DataFrame(columns, dtype=object), labels)

    def __len__(self) -> int:
        return len(self.table)

    @property
    def is_pair(self) -> bool:
        """Whether each example is a pair of texts."""
        return len(self) > 0 and self.table["text_pair"].iloc[0] is not None

    @cached_property
    def label_ids(self) -> np.ndarray:
        """The labels as class numbers, of shape (example,)."""
        number = {name: i for i, name in enumerate(self.labels)}
        return np.array([number[name] for name in self.table["label"]], dtype=np.int64)

    @cached_property
    def digest(self) -> str:
        """SHA-256 over all texts, labels and cases in order."""
        content = hashlib.sha256(repr(self.labels).encode())
        for row in self.table[["text", "text_pair", "label", "case"]].itertuples(index=False):
            content.update(repr(tuple(row)).encode())
        return content.hexdigest()

    def take(self, rows: np.ndarray | slice) -> Examples:
        """Give the examples at some positions."""
        return Examples(self.table.iloc[rows].reset_index(drop=True), self.labels)

    def sample(self, n: int, seed: int) -> Examples:
        """Draw n examples without replacement, in their old order; all if there are fewer."""
        if n >= len(self):
            return self
        rows = np.random.default_rng(seed).choice(len(self), size=n, replace=False)
        return self.take(np.sort(rows))

    def sample_per_case(self, n: int, seed: int) -> Examples:
        """Draw n examples of each case without replacement; all of a case that has fewer."""
        cases = self.table["case"].to_numpy()
        keep: list[np.ndarray] = []
        for case in dict.fromkeys(cases):
            rows = np.flatnonzero(cases == case)
            if n < len(rows):
                # One stream a case, so that a case's sample does not depend on the others.
                stream = zlib.crc32(str(case).encode())
                rows = np.random.default_rng([seed, stream]).choice(rows, size=n, replace=False)
            keep.append(np.sort(rows))
        return self.take(np.concatenate(keep) if keep else slice(0))


@dataclass(frozen=True, eq=False)
class Suite:
    """A test set divided into named cases.

    Args:
        name: The suite's name.
        role: In-domain (``id``) or out-of-domain (``ood``).
        examples: The examples; their ``case`` column divides them.
        kinds: For each case whether a shallow heuristic fails on it (``adversarial``), succeeds
            (``friendly``), or neither is meant (``id``).
        label_map: Which suite label each of the model's labels counts as; empty where they agree.
        groups: For each case which cases it is held against, by a name they share, such as the
            heuristic that fails on some of them and succeeds on the others.
    """

    name: str
    role: Role
    examples: Examples
    kinds: Mapping[str, CaseKind] = field(default_factory=dict)
    label_map: Mapping[str, str] = field(default_factory=dict)
    groups: Mapping[str, str] = field(default_factory=dict)

    @property
    def cases(self) -> tuple[str, ...]:
        """Names of the cases, in order of first appearance."""
        return tuple(dict.fromkeys(self.examples.table["case"]))

    def kind(self, case: str) -> CaseKind:
        """Say what kind of case this is; cases of an ID suite are ``id`` unless told otherwise."""
        return self.kinds.get(case, "id" if self.role == "id" else "adversarial")

    def group(self, case: str) -> str:
        """Say which group a case is of; without groups all cases are one, called ``all``."""
        return self.groups.get(case, "all")

    def only(self, cases: Sequence[str]) -> Suite:
        """Restrict the suite to some of its cases.

        Raises:
            InputError: If a case is not one of the suite's.
        """
        for case in cases:
            if case not in self.cases:
                raise unknown("case", case, self.cases)
        rows = np.flatnonzero(self.examples.table["case"].isin(list(cases)).to_numpy())
        return replace(self, examples=self.examples.take(rows))

    def class_map(self, model_labels: Sequence[str]) -> np.ndarray:
        """Give the suite's class number for each of the model's, of shape (model class,).

        Raises:
            InputError: If a label of the model has no counterpart in the suite.
        """
        number = {name: i for i, name in enumerate(self.examples.labels)}
        mapped = [self.label_map.get(name, name) for name in model_labels]
        for ours, theirs in zip(model_labels, mapped, strict=True):
            if theirs not in number:
                raise InputError(
                    f"the model's label {one_line(ours)!r} has no counterpart among suite "
                    f"{self.name!r}'s labels {list(number)}; fine-tune with the task's labels or "
                    "give a label map"
                )
        return np.array([number[name] for name in mapped], dtype=np.int64)


@dataclass(frozen=True, eq=False)
class Task:
    """ID data to train on, ID data to learn masks on, and suites to be tested on.

    Args:
        name: The task's name.
        labels: The labels a model is fine-tuned with, in the order of its classes.
        train: What models are fine-tuned on.
        search: What masks are learned on: in-domain data without hard examples.
        suites: The test suites; at least one has the role ``id``.
        notes: What was done to the data that a reader should know.
    """

    name: str
    labels: tuple[str, ...]
    train: Examples
    search: Examples
    suites: tuple[Suite, ...]
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not any(suite.role == "id" for suite in self.suites):
            raise InputError(f"task {self.name!r} has no in-domain suite")

    def suite(self, name: str) -> Suite:
        """Give a suite by name.

        Raises:
            InputError: If there is none of that name.
        """
        for suite in self.suites:
            if suite.name == name:
                return suite
        raise unknown("suite", name, [suite.name for suite in self.suites])

    @property
    def digests(self) -> dict[str, str]:
        """SHA-256 of each part of the data, by the part's name."""
        parts = {"train": self.train.digest, "search": self.search.digest}
        return parts | {f"suite/{suite.name}": suite.examples.digest for suite in self.suites}


def adversarial_only(suites: Sequence[Suite], per_case: int, seed: int) -> list[Suite]:
    """Restrict suites to some examples of each adversarial case; those without any are left out.

    Args:
        suites: The suites.
        per_case: Examples of each case at most.
        seed: Which they are.
    """
    found = []
    for suite in suites:
        cases = [case for case in suite.cases if suite.kind(case) == "adversarial"]
        if cases:
            some = suite.only(cases)
            found.append(replace(some, examples=some.examples.sample_per_case(per_case, seed)))
    return found
