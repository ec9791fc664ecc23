"""Dividing data into what is trained on, what masks are learned on and what is tested on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from ..errors import InputError
from .task import Examples, Suite

Texts = tuple[str, ...]


def without_tests(
    train: Examples,
    tests: Sequence[Examples],
    notes: list[str],
    *,
    texts: bool = False,
    name: str = "training",
    tests_are: str = "test examples",
) -> Examples:
    """Leave out repeated training examples and those that are also test examples.

    A training example is a test example too if its texts are the same but for case and spaces, in
    either order.

    Args:
        train: The training examples.
        tests: The test examples, whole.
        notes: A list to which sentences on what was dropped are added.
        texts: Also leave out examples that have only one text in common with a test example.
        name: What the notes call the training examples.
        tests_are: What they call the test examples.

    Returns:
        The others, in their order.

    Raises:
        InputError: If none is left.
    """
    tested = {key for test in tests for key in _keys(test, texts)}
    seen: set[Texts] = set()
    rows: list[int] = []
    n_tested = 0
    for i, (raw, keys) in enumerate(zip(_texts(train), _each_keys(train, texts), strict=True)):
        if tested.isdisjoint(keys):
            if raw not in seen:
                rows.append(i)
            seen.add(raw)
        else:
            n_tested += 1
    n_repeated = len(train) - len(rows) - n_tested
    if n_tested:
        what = f"have a text in common with {tests_are}" if texts else f"are {tests_are} too"
        notes.append(f"{n_tested} {name} examples dropped that {what}")
    if n_repeated:
        notes.append(f"{n_repeated} {name} examples dropped that are repeated")
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
    """Divide training examples into those to learn masks on and those to fine-tune on.

    Args:
        train: All of them.
        n: How many to learn masks on.
        train_size: How many of the others to fine-tune on, at most; all if not given.
        seed: Which.
        notes: A list to which a sentence on the division is added.
        setting: What n is called where it is set.

    Returns:
        The examples to fine-tune on and those to learn masks on.

    Raises:
        InputError: If nothing is left to fine-tune on.
    """
    if len(train) <= n:
        raise InputError(
            f"{setting} {n} leaves nothing of the {len(train)} training examples to fine-tune on; "
            "lower it"
        )
    order = np.random.default_rng(seed).permutation(len(train))
    # The first for the search, so that train_size does not change what masks are learned on.
    search, rest = np.split(order, [n])
    tuning = rest[:train_size]
    notes.append(
        f"of {len(train)} training examples {len(search)} drawn to learn masks on, "
        f"{len(tuning)} of the others to fine-tune on"
    )
    return train.take(np.sort(tuning)), train.take(np.sort(search))


def note_draws(suites: Iterable[Suite], whole: Iterable[Examples], notes: list[str]) -> None:
    """Say of each suite how many of all its examples it holds, where these are not all."""
    for suite, examples in zip(suites, whole, strict=True):
        if len(suite.examples) < len(examples):
            notes.append(f"{suite.name}: {len(suite.examples)} of {len(examples)} examples drawn")


def _texts(examples: Examples) -> Iterator[Texts]:
    columns = ["text", "text_pair"] if examples.is_pair else ["text"]
    return examples.table[columns].itertuples(index=False, name=None)


def _each_keys(examples: Examples, texts: bool) -> Iterator[list[Texts]]:
    """Give for each example what it may have in common with others."""
    for row in _texts(examples):
        plain = sorted("".join(text.casefold().split()) for text in row)
        yield [(text,) for text in plain] if texts else [tuple(plain)]


def _keys(examples: Examples, texts: bool) -> Iterator[Texts]:
    for keys in _each_keys(examples, texts):
        yield from keys
