"""Training and test data of a model: a task is in-domain data and suites of named cases."""

from __future__ import annotations

import hashlib
import re
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal

import numpy as np
import pandas as pd

from .. import notebook
from ..errors import InputError, one_line, unknown
from .labels import NLI_LABELS, NLI_TO_HANS, counterparts, example_map, spelled_alike

Role = Literal["id", "ood"]
#: A shift is a plain change of domain: no shallow heuristic is tested, so none of its cases is
#: adversarial or friendly.
CaseKind = Literal["id", "adversarial", "friendly", "shift"]
#: So many examples are shown in a notebook.
_SHOWN = 6


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
        """Build examples from columns; ``case`` may be one name for all rows."""
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

    @classmethod
    def concat(cls, several: Iterable[Examples], labels: tuple[str, ...]) -> Examples:
        """Concatenate examples, in order."""
        return cls(pd.concat([some.table for some in several], ignore_index=True), labels)

    @classmethod
    def none(cls, labels: tuple[str, ...]) -> Examples:
        """Return no examples."""
        return cls.build([], None, [], [], labels)

    def __len__(self) -> int:
        return len(self.table)

    def __repr__(self) -> str:
        form = "pairs of texts" if self.is_pair else "texts"
        return one_line(f"Examples({len(self)} {form}, labels {', '.join(self.labels)})", 200)

    def _repr_html_(self) -> str:
        rows = self.table[["text", "text_pair", "label", "case"]].head(_SHOWN).values.tolist()
        return notebook.table(
            ("text", "second text", "label", "case"),
            [["" if value is None else value for value in row] for row in rows],
            f"{self!r}; the first {len(rows)}",
        )

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
        """The SHA-256 digest of all texts, labels and cases in order."""
        content = hashlib.sha256(repr(self.labels).encode())
        for row in self.table[["text", "text_pair", "label", "case"]].itertuples(index=False):
            content.update(repr(tuple(row)).encode())
        return content.hexdigest()

    def take(self, rows: np.ndarray | slice) -> Examples:
        """Return the examples at some positions."""
        return Examples(self.table.iloc[rows].reset_index(drop=True), self.labels)

    def sample(self, n: int, seed: int) -> Examples:
        """Draw n examples without replacement, in order; all if there are fewer."""
        if n >= len(self):
            return self
        rows = np.random.default_rng(seed).choice(len(self), size=n, replace=False)
        return self.take(np.sort(rows))

    def sample_per_case(self, n: int | None, seed: int) -> Examples:
        """Draw n examples of each case without replacement; all if n is None or there are fewer."""
        if n is None:
            return self
        cases = self.table["case"].to_numpy()
        keep: list[np.ndarray] = []
        for case in dict.fromkeys(cases):
            rows = np.flatnonzero(cases == case)
            if n < len(rows):
                # One stream per case: the sample of a case does not depend on other cases.
                stream = zlib.crc32(str(case).encode())
                rows = np.random.default_rng([seed, stream]).choice(rows, size=n, replace=False)
            keep.append(np.sort(rows))
        return self.take(np.concatenate(keep) if keep else slice(0))


@dataclass(frozen=True, eq=False, kw_only=True)
class Suite:
    """A test set divided into named cases.

    Args:
        name: The suite's name.
        role: In-domain (``id``) or out-of-domain (``ood``).
        examples: The examples; their ``case`` column divides them.
        kinds: The kind of each case: a shallow heuristic fails on it (``adversarial``), succeeds
            on it (``friendly``), or is not tested by it (``id`` in domain, ``shift`` outside).
        label_map: The suite's label for each of the model's labels; those not named are the same.
        groups: The group of each case, such as the heuristic it tests. Adversarial cases are
            compared with the friendly cases of their group.
    """

    name: str
    role: Role
    examples: Examples
    kinds: Mapping[str, CaseKind] = field(default_factory=dict)
    label_map: Mapping[str, str] = field(default_factory=dict)
    groups: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # Views of dictionaries cannot be copied or sent to other processes.
        for name in ("kinds", "label_map", "groups"):
            object.__setattr__(self, name, dict(getattr(self, name)))

    def __repr__(self) -> str:
        size = f"{len(self.examples)} examples in {len(self.cases)} cases"
        return f"Suite({one_line(repr(self.name), 80)}, {self.role}, {size})"

    def _repr_html_(self) -> str:
        n = self.examples.table["case"].value_counts()
        rows = [(case, self.kind(case), self.group(case), n[case]) for case in self.cases]
        return notebook.table(("case", "kind", "group", "examples"), rows, repr(self))

    @property
    def cases(self) -> tuple[str, ...]:
        """The names of the cases, in order of first appearance."""
        return tuple(dict.fromkeys(self.examples.table["case"]))

    def kind(self, case: str) -> CaseKind:
        """Return the kind of a case; by default ``id`` in an ID suite and else ``adversarial``."""
        return self.kinds.get(case, "id" if self.role == "id" else "adversarial")

    def group(self, case: str) -> str:
        """Return the group of a case; by default ``all``."""
        return self.groups.get(case, "all")

    def only(self, cases: Sequence[str]) -> Suite:
        """Restrict the suite to some of its cases.

        Raises:
            InputError: If the suite lacks a case.
        """
        for case in cases:
            if case not in self.cases:
                raise unknown("case", case, self.cases)
        rows = np.flatnonzero(self.examples.table["case"].isin(list(cases)).to_numpy())
        return replace(self, examples=self.examples.take(rows))

    def knows(self, label: str) -> bool:
        """Return whether a label of the task has a counterpart in the suite."""
        return self._mapped([label])[label] is not None

    def for_labels(self, model_labels: Sequence[str]) -> Suite:
        """Return the suite as a model of other classes is tested on it.

        A model of two classes, of which one is the negation of the other (entailment or not), is
        tested on a suite of more classes by counting all others as the negation.

        Args:
            model_labels: The model's label names in the order of its classes.

        Returns:
            The suite itself if each label has a counterpart in it.
        """
        if None not in self._mapped(model_labels).values():
            return self
        alike = [spelled_alike(name) for name in model_labels]
        of_suite = {spelled_alike(name): name for name in self.examples.labels}
        if len(alike) != 2 or len(of_suite) < len(self.examples.labels) or self.label_map:
            return self
        for yes, no in (alike, alike[::-1]):
            if no == f"not {yes}" and yes in of_suite and no not in of_suite:
                names = {spelled_alike(name): name for name in model_labels}
                label = [
                    names[yes if n == of_suite[yes] else no] for n in self.examples.table["label"]
                ]
                table = self.examples.table.assign(label=label)
                return replace(self, examples=Examples(table, tuple(model_labels)))
        return self

    def class_map(self, model_labels: Sequence[str]) -> np.ndarray:
        """Map the model's class numbers to the suite's, of shape (model class,).

        Names count in any usual spelling, whatever the order of the classes.

        Raises:
            InputError: If a label of the model has no counterpart in the suite.
        """
        number = {name: i for i, name in enumerate(self.examples.labels)}
        mapped = self._mapped(model_labels)
        example = example_map(model_labels, self._usual(len(model_labels)))
        for ours, theirs in mapped.items():
            if theirs is None:
                raise InputError(
                    f"the model's label {one_line(ours)!r} has no counterpart among suite "
                    f"{self.name!r}'s labels {list(number)}; say what the model's classes are with "
                    f"--labels {example} (in Python "
                    "load_model(..., labels={...}), in a study labels below [model])"
                )
        return np.array([number[mapped[name] or ""] for name in model_labels], dtype=np.int64)

    def _usual(self, n: int) -> tuple[str, ...]:
        """The labels that a model of so many classes is likely to have."""
        names = self._names
        is_nli = n == len(NLI_LABELS) and all(label in names for label in NLI_LABELS)
        return NLI_LABELS if is_nli else tuple(names)

    @property
    def _names(self) -> dict[str, str]:
        """The suite's label for each name that a label of the task may have."""
        names = {name: name for name in self.examples.labels}
        alike = {spelled_alike(name): name for name in names}
        if "not entailment" in alike:
            # As for HANS: what is no entailment is neutral or a contradiction.
            others = {n: alike["not entailment"] for n in NLI_TO_HANS if n not in alike}
            names |= others
        return names | dict(self.label_map)

    def _mapped(self, model_labels: Sequence[str]) -> dict[str, str | None]:
        """Find the suite's label for each of the model's."""
        names = self._names
        found = counterparts(list(dict.fromkeys(model_labels)), names)
        return {ours: names[found[ours]] if ours in found else None for ours in model_labels}


#: Notes that a user should see with every number: what was left out, and what files were read as.
_REMARKS = re.compile(
    r" dropped|numbered from 1|read as quoted|named as in|read as they stand|literals"
)


@dataclass(frozen=True, eq=False, kw_only=True)
class Task:
    """In-domain data to fine-tune on, in-domain data to learn masks on, and test suites.

    Args:
        name: The task's name.
        labels: The labels that models are fine-tuned with, in the order of the classes.
        train: The examples to fine-tune on.
        search: The examples to learn masks on: in-domain data without hard examples.
        suites: The test suites; at least one has the role ``id`` if there is something to train on.
        notes: Sentences on how the data were prepared.
    """

    name: str
    labels: tuple[str, ...]
    train: Examples
    search: Examples
    suites: tuple[Suite, ...]
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if len(self.train) and not any(suite.role == "id" for suite in self.suites):
            raise InputError(f"task {self.name!r} has no in-domain suite")

    def __repr__(self) -> str:
        parts = f"{len(self.train)} to train on, {len(self.search)} to learn masks on"
        suites = ", ".join(suite.name for suite in self.suites)
        return one_line(f"Task({one_line(self.name, 80)!r}, {parts}, suites {suites})", 240)

    def _repr_html_(self) -> str:
        rows: list[tuple[object, ...]] = [
            (part, len(some), "", ", ".join(some.labels))
            for part, some in (("train", self.train), ("search", self.search))
        ]
        rows += [
            (
                f"suite {s.name} ({s.role})",
                len(s.examples),
                len(s.cases),
                ", ".join(s.examples.labels),
            )
            for s in self.suites
        ]
        return notebook.table(("part", "examples", "cases", "labels"), rows, f"Task {self.name}")

    def check_whole(self, *parts: Literal["train", "search", "id"]) -> None:
        """Check that the task has some parts, which a task that only evaluates models lacks.

        Args:
            *parts: The examples to fine-tune on, those to learn masks on, an in-domain suite.

        Raises:
            InputError: If one is missing.
        """
        for part in parts:
            if part == "id" and not any(suite.role == "id" for suite in self.suites):
                raise InputError(
                    f'task {self.name!r} has no in-domain suite; give it one with role = "id"'
                )
            if part != "id" and not len(getattr(self, part)):
                raise InputError(
                    f"task {self.name!r} has nothing to "
                    + {"train": "fine-tune on", "search": "learn masks or take means on"}[part]
                    + f"; give it a [{part}] table"
                )

    def suite(self, name: str) -> Suite:
        """Return a suite by name.

        Raises:
            InputError: If no suite has the name.
        """
        for suite in self.suites:
            if suite.name == name:
                return suite
        raise unknown("suite", name, [suite.name for suite in self.suites])

    @property
    def remarks(self) -> tuple[str, ...]:
        """The notes on rows that were dropped, and on how files were understood."""
        return tuple(note for note in self.notes if _REMARKS.search(note))

    @property
    def digests(self) -> dict[str, str]:
        """The SHA-256 digest of each part of the data, by name."""
        parts = {"train": self.train.digest, "search": self.search.digest}
        return parts | {f"suite/{suite.name}": suite.examples.digest for suite in self.suites}


def adversarial_only(suites: Sequence[Suite], per_case: int, seed: int) -> list[Suite]:
    """Restrict suites to a sample of each adversarial case; suites without any are left out.

    Args:
        suites: The suites.
        per_case: Examples of each case, at most.
        seed: Seed of the sample.
    """
    restricted = []
    for suite in suites:
        cases = [case for case in suite.cases if suite.kind(case) == "adversarial"]
        if cases:
            some = suite.only(cases)
            sample = some.examples.sample_per_case(per_case, seed)
            restricted.append(replace(some, examples=sample))
    return restricted
