"""Generation: filling the slots of a construction's frames with words of one split."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from itertools import islice
from math import prod
from typing import TypeVar

import numpy as np
import pandas as pd

from ...errors import InputError, unknown
from .constructions import SUBCASES
from .lexicon import CLASSES, SPLITS, Lexeme
from .phrases import Be, Frame, Phrase, Slot

T = TypeVar("T")
Key = tuple[str, int]
Filling = dict[Key, tuple[Lexeme, str]]
# The options for one slot of a frame: its key, and the words and forms that may fill it.
Choice = tuple[Key, tuple[Lexeme, ...], tuple[str, ...]]

COLUMNS = ("premise", "hypothesis", "label", "heuristic", "subcase")


class Dice:
    """Draw from a random stream that depends only on a seed and a name.

    Raises:
        InputError: If the seed is negative.
    """

    def __init__(self, seed: int, stream: str) -> None:
        if seed < 0:
            raise InputError(f"a seed must not be negative, but {seed} was given")
        self.rng = np.random.default_rng([seed, zlib.crc32(stream.encode())])
        self._numbers = self._uniform()

    def _uniform(self) -> Iterator[float]:
        # In blocks: single draws from a numpy generator would take most of the time.
        while True:
            yield from self.rng.random(1024).tolist()

    def pick(self, options: Sequence[T]) -> T:
        """Draw one of the options uniformly."""
        return options[int(next(self._numbers) * len(options))]


def check_names(kind: str, names: Sequence[str], options: Sequence[str]) -> None:
    """Check that all names are known.

    Raises:
        InputError: If a name is unknown.
    """
    for name in names:
        if name not in options:
            raise unknown(kind, name, options)


@cache
def _choices(frame: Frame, split: str) -> tuple[Choice, ...]:
    # One slot per word of the premise; every word of the hypothesis is among them.
    slots = {item.key: item for item in reversed(frame.premise) if isinstance(item, Slot)}
    return tuple(
        (key, CLASSES[slot.word_class].by_split[split], (slot.form,) if slot.form else ("sg", "pl"))
        for key, slot in slots.items()
    )


@cache
def _frame_capacity(frame: Frame, split: str) -> int:
    # Words of different classes in one frame never coincide, those of one class must differ.
    taken: dict[str, int] = {}
    sizes = []
    for (word_class, _), words, forms in _choices(frame, split):
        sizes.append((len(words) - taken.setdefault(word_class, 0)) * len(forms))
        taken[word_class] += 1
    return prod(sizes)


def capacity(subcase: str, split: str) -> int:
    """Count the pairs a construction has in a split.

    Args:
        subcase: The construction's name.
        split: The split's name.

    Returns:
        The number of distinct pairs.

    Raises:
        InputError: If subcase or split is unknown.
    """
    check_names("subcase", [subcase], list(SUBCASES))
    check_names("split", [split], SPLITS)
    return sum(_frame_capacity(frame, split) for frame in SUBCASES[subcase].frames)


def fill(frame: Frame, split: str, dice: Dice) -> Filling:
    """Draw words for all slots of a frame, no word twice."""
    filling: Filling = {}
    used: set[str] = set()
    for key, words, forms in _choices(frame, split):
        lexeme = dice.pick(words)
        while lexeme.name in used:
            lexeme = dice.pick(words)
        used.add(lexeme.name)
        filling[key] = (lexeme, dice.pick(forms) if len(forms) > 1 else forms[0])
    return filling


def spell(phrase: Phrase, filling: Mapping[Key, tuple[Lexeme, str]]) -> str:
    """Spell a phrase with its slots filled as a sentence."""
    words = []
    for item in phrase:
        if isinstance(item, str):
            words.append(item)
        elif isinstance(item, Be):
            words.append(item.spell(filling[item.subject.key][1]))
        else:
            lexeme, form = filling[item.key]
            words.append(lexeme.spell(item.form or form))
    sentence = " ".join(words).replace(" ,", ",")
    return sentence[0].upper() + sentence[1:] + "."


def _draw(subcase: str, split: str, dice: Dice) -> Iterator[tuple[str, str]]:
    """Yield distinct pairs until none is left, drawing the construction's frames uniformly."""
    left = {frame: _frame_capacity(frame, split) for frame in SUBCASES[subcase].frames}
    open_frames = list(left)
    seen: set[tuple[str, str]] = set()
    while open_frames:
        frame = dice.pick(open_frames)
        while True:
            filling = fill(frame, split, dice)
            pair = spell(frame.premise, filling), spell(frame.hypothesis, filling)
            if pair not in seen:
                break
        seen.add(pair)
        left[frame] -= 1
        if not left[frame]:
            open_frames.remove(frame)
        yield pair


def check_count(n: int, what: str, available: int | None = None) -> None:
    """Check that the grammar has a number of pairs.

    Raises:
        InputError: If the number is negative or larger than the number available.
    """
    if n < 0:
        raise InputError(f"the number of pairs must not be negative, but {n} was given")
    if available is not None and n > available:
        raise InputError(f"{n} pairs of {what} were asked for, but the grammar has {available}")


def table(rows: Sequence[tuple[str, str, str, str, str]]) -> pd.DataFrame:
    """Build a table from rows of premise, hypothesis, label, heuristic and subcase."""
    return pd.DataFrame(rows, columns=list(COLUMNS), dtype=object)


def generate(subcase: str, n: int, *, seed: int, split: str) -> pd.DataFrame:
    """Generate distinct pairs of one construction.

    Args:
        subcase: The construction, by HANS's name.
        n: Number of pairs. A smaller number gives the first pairs of a larger one.
        seed: Seed of the draw.
        split: The split whose vocabulary is used, one of ``SPLITS``.

    Returns:
        Columns ``premise``, ``hypothesis``, ``label``, ``heuristic`` and ``subcase``.

    Raises:
        InputError: If subcase or split is unknown, the seed is negative, or the grammar has fewer
            pairs.

    Source:
        The constructions are those of HANS (McCoy, Pavlick and Linzen 2019, "Right for the Wrong
        Reasons"), in a new description.
    """
    check_count(n, f"{subcase} in split {split}", capacity(subcase, split))
    case = SUBCASES[subcase]
    pairs = _draw(subcase, split, Dice(seed, f"generate/{subcase}/{split}"))
    return table([(*pair, case.label, case.heuristic, subcase) for pair in islice(pairs, n)])
