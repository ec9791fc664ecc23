"""Training data: entailed pairs, easy non-entailments and a share of hard ones."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType

import pandas as pd

from ...errors import InputError
from .constructions import ENTAILED, NOT_ENTAILED, SUBCASES
from .generate import (
    COLUMNS,
    Dice,
    Filling,
    capacity,
    check_count,
    check_names,
    fill,
    generate,
    spell,
    table,
)
from .lexicon import CLASSES, SPLITS, substitutes
from .phrases import Frame, Slot

REPLACED_KINDS = ("N", "V")
NO_HARD: Mapping[str, float] = MappingProxyType({})


def allocate(total: int, weights: Sequence[float]) -> list[int]:
    """Divide a count by weights: everyone gets the whole part, the largest remainders one more.

    Args:
        total: What is divided.
        weights: Not negative and not all zero; of equal remainders the first come first.

    Returns:
        Whole numbers in the order of the weights that sum to the total.

    Raises:
        InputError: If the total or a weight is negative, or no weight is positive.

    Source:
        The largest-remainder rule (Hamilton's method of apportionment).
    """
    whole = math.fsum(weights)
    if total < 0 or not whole > 0 or min(weights) < 0:
        raise InputError(f"{total} cannot be divided by the weights {list(weights)}")
    quotas = [total * weight / whole for weight in weights]
    counts = [math.floor(quota) for quota in quotas]
    # Rounded, so that rounding errors in the quotas do not decide between equal remainders.
    by_remainder = sorted(range(len(quotas)), key=lambda i: round(counts[i] - quotas[i], 9))
    for i in by_remainder[: total - sum(counts)]:
        counts[i] += 1
    return counts


def _replace_word(frame: Frame, filling: Filling, kind: str, split: str, dice: Dice) -> str:
    """Write the hypothesis with one word of a kind replaced by one that the premise lacks."""
    places = [
        item
        for item in frame.hypothesis
        if isinstance(item, Slot) and CLASSES[item.word_class].kind == kind
    ]
    place = dice.pick(places)
    used = {lexeme.name for lexeme, _ in filling.values()}
    words = [w for w in substitutes(place.word_class, split) if w.name not in used]
    return spell(
        frame.hypothesis, {**filling, place.key: (dice.pick(words), filling[place.key][1])}
    )


def _easy_pairs(subcase: str, kind: str, split: str, dice: Dice) -> Iterator[tuple[str, str]]:
    frames = SUBCASES[subcase].frames
    while True:
        frame = dice.pick(frames)
        filling = fill(frame, split, dice)
        yield spell(frame.premise, filling), _replace_word(frame, filling, kind, split, dice)


def easy_non_entailments(
    n: int, *, seed: int, split: str, subcases: Sequence[str] = ENTAILED
) -> pd.DataFrame:
    """Generate non-entailments that word overlap gives away.

    Each is an entailed pair with one noun or verb of the hypothesis replaced by a word of the same
    class and form that the premise lacks. No adjective is replaced, as no hypothesis has one.

    Args:
        n: How many distinct pairs, evenly over constructions and over nouns and verbs.
        seed: Which pairs.
        split: Whose vocabulary.
        subcases: The entailed constructions to start from.

    Returns:
        The columns of ``generate``; the subcase is ``easy_`` and the construction's name.

    Raises:
        InputError: If a construction is unknown or not entailed, if the split is unknown, if the
            seed is negative, or if the grammar does not have that many pairs.
    """
    check_names("split", [split], SPLITS)
    check_count(n, "easy non-entailments")
    sources = _entailed(subcases)
    # Kinds alternate along the constructions, so that what cannot be divided is balanced too.
    turns = range(len(REPLACED_KINDS))
    cells = [
        (name, REPLACED_KINDS[(i + turn) % 2]) for turn in turns for i, name in enumerate(sources)
    ]
    rows: list[tuple[str, str, str, str, str]] = []
    # Over all constructions, as some share premises: "the judges and the actor ..."
    seen: set[tuple[str, str]] = set()
    for (name, kind), count in zip(cells, allocate(n, [1.0] * len(cells)), strict=True):
        # There are more than this, as every pair offers several replacements.
        check_count(count, f"easy non-entailments from {name}", capacity(name, split))
        target = len(rows) + count
        for pair in _easy_pairs(name, kind, split, Dice(seed, f"easy/{name}/{kind}/{split}")):
            if len(rows) == target:
                break
            if pair not in seen:
                seen.add(pair)
                rows.append((*pair, "non-entailment", SUBCASES[name].heuristic, f"easy_{name}"))
    return table(rows)


def training_mix(
    n: int,
    *,
    seed: int,
    split: str,
    hard: Mapping[str, float] = NO_HARD,
    entailed_subcases: Sequence[str] = ENTAILED,
) -> pd.DataFrame:
    """Generate data of which a chosen share contradicts the overlap heuristics.

    Half of the pairs are entailed, evenly over the constructions. Of the other half each hard
    construction has its share, and the rest are easy non-entailments.

    Args:
        n: How many distinct pairs; of an odd number one more is entailed.
        seed: Which pairs, and in which order.
        split: Whose vocabulary.
        hard: For each hard construction its share of the non-entailments, 0 to 1.
        entailed_subcases: The entailed constructions, also those that easy pairs are made from.

    Returns:
        The columns of ``generate``, shuffled.

    Raises:
        InputError: If a name is unknown or has the wrong label, if a share is outside 0 to 1 or
            they sum to more than 1, if the seed is negative, or if the grammar does not have that
            many pairs.
    """
    check_names("split", [split], SPLITS)
    check_count(n, "the mixture")
    entailed = _entailed(entailed_subcases)
    rest = 1.0 - _total_share(hard)
    n_entailed, n_not = allocate(n, [1.0, 1.0])
    *n_hard, n_easy = allocate(n_not, [*hard.values(), rest])
    counts = zip(entailed, allocate(n_entailed, [1.0] * len(entailed)), strict=True)
    parts = [generate(name, count, seed=seed, split=split) for name, count in counts]
    for name, count in zip(hard, n_hard, strict=True):
        parts.append(generate(name, count, seed=seed, split=split))
    parts.append(easy_non_entailments(n_easy, seed=seed, split=split, subcases=entailed))
    rows = [tuple(row) for part in parts for row in part[list(COLUMNS)].to_numpy()]
    order = Dice(seed, f"order/{split}").rng.permutation(len(rows))
    return table([rows[i] for i in order])


def _entailed(names: Sequence[str]) -> tuple[str, ...]:
    """Check entailed constructions, and give each once."""
    check_names("entailed construction", names, ENTAILED)
    if not names:
        raise InputError("at least one entailed construction is needed, but none was given")
    return tuple(dict.fromkeys(names))


def _total_share(hard: Mapping[str, float]) -> float:
    """Check the shares of hard constructions, and give their sum."""
    check_names("hard construction", list(hard), NOT_ENTAILED)
    for name, share in hard.items():
        if not 0 <= share <= 1:
            raise InputError(f"the share of {name} lies between 0 and 1, but {share} was given")
    total = math.fsum(hard.values())
    if total > 1 + 1e-9:
        raise InputError(f"the shares of hard constructions sum to {total:g}, but to 1 at most")
    return min(total, 1.0)
