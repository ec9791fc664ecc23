"""Dividing data into examples to fine-tune on, to learn masks on and to test on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from ..errors import InputError, one_line
from .task import Examples, Suite, Task

Texts = tuple[str, ...]


class PublishedOptions(BaseModel):
    """Settings that all tasks on published data have."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
    train_size: int | None = Field(None, ge=1, description="Pairs to fine-tune on; all if unset.")
    search_size: int = Field(
        10_000, ge=1, description="Pairs to learn masks on, held out from fine-tuning."
    )
    id_size: int | None = Field(
        1000, ge=1, description="In-domain test pairs of each case, at most; all if none."
    )


def without_tests(
    train: Examples,
    tests: Mapping[str, Examples],
    notes: list[str],
    *,
    texts: bool = False,
    name: str = "training",
    tests_are: str = "test examples",
) -> Examples:
    """Drop repeated training examples and those that are also test examples.

    A training example is also a test example if their texts are equal up to case, spaces and
    order.

    Args:
        train: The training examples.
        tests: All test examples, by the names of the suites that notes give.
        notes: A list to which sentences on dropped examples are added.
        texts: Also drop examples that share a single text with a test example.
        name: The training examples' name in the notes.
        tests_are: The test examples' name in the notes.

    Returns:
        The remaining examples, in order.

    Raises:
        InputError: If no example remains.
    """
    tested: dict[Texts, str] = {}
    for where, test in tests.items():
        for of_test in _keys(test, texts):
            for key in of_test:
                tested.setdefault(key, where)
    seen: set[Texts] = set()
    rows: list[int] = []
    overlap: Counter[str] = Counter()
    for i, (raw, keys) in enumerate(zip(_texts(train), _keys(train, texts), strict=True)):
        first = next((tested[key] for key in keys if key in tested), None)
        if first is None:
            if raw not in seen:
                rows.append(i)
            seen.add(raw)
        else:
            overlap[first] += 1
    n_tested = overlap.total()
    n_repeated = len(train) - len(rows) - n_tested
    if n_tested:
        what = f"have a text in common with {tests_are}" if texts else f"are {tests_are} too"
        of = ", ".join(f"{one_line(where, 80)} {n}" for where, n in overlap.items() if where)
        notes.append(
            f"{n_tested} of {len(train)} {name} examples dropped that {what}"
            + (f" ({of})" if of else "")
        )
    if n_repeated:
        notes.append(f"{n_repeated} of {len(train)} {name} examples dropped that are repeated")
    if not rows:
        raise InputError(f"all {len(train)} {name} examples are {tests_are} too; give other data")
    return train if len(rows) == len(train) else train.take(np.array(rows, dtype=np.int64))


def hold_out(
    train: Examples,
    n: int,
    train_size: int | None,
    seed: int,
    notes: list[str],
    setting: str = "search_size",
) -> tuple[Examples, Examples]:
    """Hold out examples to learn masks on from the examples to fine-tune on.

    Args:
        train: All training examples.
        n: Number of examples to learn masks on.
        train_size: Number of the others to fine-tune on, at most; all if not given.
        seed: Seed of the draw.
        notes: A list to which a sentence on the division is added.
        setting: The name of the setting that gives n.

    Returns:
        The examples to fine-tune on and those to learn masks on.

    Raises:
        InputError: If no example remains to fine-tune on.
    """
    if len(train) <= n:
        raise InputError(
            f"{setting} {n} leaves nothing of the {len(train)} training examples to fine-tune on; "
            "lower it"
        )
    order = np.random.default_rng(seed).permutation(len(train))
    # The search takes the first, so that it does not depend on train_size.
    search, rest = np.split(order, [n])
    tuning = rest[:train_size]
    notes.append(
        f"of {len(train)} training examples {len(search)} drawn to learn masks on, "
        f"{len(tuning)} of the others to fine-tune on"
    )
    return train.take(np.sort(tuning)), train.take(np.sort(search))


def published_task(
    name: str,
    train: Examples,
    suites: tuple[Suite, ...],
    whole: Sequence[Examples],
    *,
    options: PublishedOptions,
    seed: int,
    notes: list[str],
) -> Task:
    """Build a task on published data, with examples to learn masks on held out from training.

    Args:
        name: The task's name.
        train: All training examples.
        suites: The suites.
        whole: For each suite the examples that it is a sample of.
        options: The task's settings.
        seed: Seed of the held-out examples.
        notes: Sentences on how the data were prepared so far.
    """
    train, search = hold_out(train, options.search_size, options.train_size, seed, notes)
    for suite, examples in zip(suites, whole, strict=True):
        if len(suite.examples) < len(examples):
            notes.append(f"{suite.name}: {len(suite.examples)} of {len(examples)} examples drawn")
    return Task(
        name=name,
        labels=train.labels,
        train=train,
        search=search,
        suites=suites,
        notes=tuple(notes),
    )


def _texts(examples: Examples) -> Iterator[Texts]:
    columns = ["text", "text_pair"] if examples.is_pair else ["text"]
    return examples.table[columns].itertuples(index=False, name=None)


def _keys(examples: Examples, texts: bool) -> Iterator[list[Texts]]:
    """Yield the keys of each example; examples that share a key overlap."""
    for row in _texts(examples):
        plain = sorted("".join(text.casefold().split()) for text in row)
        yield [(text,) for text in plain] if texts else [tuple(plain)]
