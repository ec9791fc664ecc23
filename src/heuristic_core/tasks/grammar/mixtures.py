"""Training data: entailed pairs, easy non-entailments and a share of hard non-entailments."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType

import pandas as pd

from ...errors import InputError
from .constructions import ENTAILED, NOT_ENTAILED, SUBCASES
from .generate import (
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
    """Divide a count in proportion to weights, by the largest-remainder rule.

    Args:
        total: The count.
        weights: Not negative and not all zero. Equal remainders are served in order.

    Returns:
        Whole numbers that sum to the total, in the order of the weights.

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
    """Spell the hypothesis with one word replaced by a word that the premise lacks."""
    slots = [
        item
        for item in frame.hypothesis
        if isinstance(item, Slot) and CLASSES[item.word_class].kind == kind
    ]
    slot = dice.pick(slots)
    used = {lexeme.name for lexeme, _ in filling.values()}
    words = [w for w in substitutes(slot.word_class, split) if w.name not in used]
    return spell(frame.hypothesis, {**filling, slot.key: (dice.pick(words), filling[slot.key][1])})


def _easy_pairs(subcase: str, kind: str, split: str, dice: Dice) -> Iterator[tuple[str, str]]:
    frames = SUBCASES[subcase].frames
    while True:
        frame = dice.pick(frames)
        filling = fill(frame, split, dice)
        yield spell(frame.premise, filling), _replace_word(frame, filling, kind, split, dice)


def easy_non_entailments(
    n: int, *, seed: int, split: str, subcases: Sequence[str] = ENTAILED
) -> pd.DataFrame:
    """Generate non-entailments that the overlap heuristics classify correctly.

    Each is an entailed pair in which one noun or verb of the hypothesis is replaced by a word of
    the same class and form that the premise lacks. Hypotheses have no adjectives to replace.

    Args:
        n: Number of distinct pairs, balanced over constructions and over nouns and verbs.
        seed: Seed of the draw.
        split: The split whose vocabulary is used.
        subcases: The entailed constructions to start from.

    Returns:
        The columns of ``generate``; the subcase is ``easy_`` and the construction's name.

    Raises:
        InputError: If a construction is unknown or not entailed, the split is unknown, the seed
            is negative, or the grammar has fewer pairs.
    """
    check_names("split", [split], SPLITS)
    check_count(n, "easy non-entailments")
    sources = _entailed(subcases)
    # Kinds alternate over the constructions, so that remainders are balanced too.
    turns = range(len(REPLACED_KINDS))
    cells = [
        (name, REPLACED_KINDS[(i + turn) % 2]) for turn in turns for i, name in enumerate(sources)
    ]
    # Pairs are distinct over all constructions, as some share premises.
    rows: dict[tuple[str, str], tuple[str, str, str, str, str]] = {}
    for (name, kind), count in zip(cells, allocate(n, [1.0] * len(cells)), strict=True):
        # A lower bound of what there is: every pair has several replacements.
        check_count(count, f"easy non-entailments from {name}", capacity(name, split))
        target = len(rows) + count
        pairs = _easy_pairs(name, kind, split, Dice(seed, f"easy/{name}/{kind}/{split}"))
        while len(rows) < target:
            pair = next(pairs)
            row = (*pair, "non-entailment", SUBCASES[name].heuristic, f"easy_{name}")
            rows.setdefault(pair, row)
    return table([*rows.values()])


def training_mix(
    n: int,
    *,
    seed: int,
    split: str,
    hard: Mapping[str, float] = NO_HARD,
    entailed_subcases: Sequence[str] = ENTAILED,
) -> pd.DataFrame:
    """Generate data in which a chosen share of pairs contradicts the overlap heuristics.

    Half of the pairs are entailed, balanced over the constructions. In the other half each hard
    construction has its share, and the rest are easy non-entailments.

    Args:
        n: Number of distinct pairs. If it is odd, one more is entailed.
        seed: Seed of the draw and of the order.
        split: The split whose vocabulary is used.
        hard: The share of each hard construction in the non-entailments, 0 to 1.
        entailed_subcases: The entailed constructions, from which easy pairs are made too.

    Returns:
        The columns of ``generate``, shuffled.

    Raises:
        InputError: If a name is unknown or has the wrong label, a share is outside 0 to 1, the
            shares sum to more than 1, the seed is negative, or the grammar has fewer pairs.
    """
    check_names("split", [split], SPLITS)
    check_count(n, "the mixture")
    entailed = _entailed(entailed_subcases)
    rest = 1.0 - _total_share(hard)
    n_entailed, n_not = allocate(n, [1.0, 1.0])
    *n_hard, n_easy = allocate(n_not, [*hard.values(), rest])
    counts = [*allocate(n_entailed, [1.0] * len(entailed)), *n_hard]
    tables = [
        generate(name, count, seed=seed, split=split)
        for name, count in zip([*entailed, *hard], counts, strict=True)
    ]
    tables.append(easy_non_entailments(n_easy, seed=seed, split=split, subcases=entailed))
    pairs = pd.concat(tables, ignore_index=True)
    order = Dice(seed, f"order/{split}").rng.permutation(len(pairs))
    return pairs.iloc[order].reset_index(drop=True)


def _entailed(names: Sequence[str]) -> tuple[str, ...]:
    """Check entailed constructions and drop repeated names."""
    check_names("entailed construction", names, ENTAILED)
    if not names:
        raise InputError("at least one entailed construction is needed, but none was given")
    return tuple(dict.fromkeys(names))


def _total_share(hard: Mapping[str, float]) -> float:
    """Check the shares of hard constructions and return their sum."""
    check_names("hard construction", list(hard), NOT_ENTAILED)
    for name, share in hard.items():
        if not 0 <= share <= 1:
            raise InputError(f"the share of {name} must lie between 0 and 1, but {share} was given")
    total = math.fsum(hard.values())
    if total > 1 + 1e-9:
        raise InputError(
            f"the shares of hard constructions sum to {total:g}; lower them to 1 at most"
        )
    return min(total, 1.0)
