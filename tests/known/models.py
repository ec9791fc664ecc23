"""Models whose answer is known, because it was wired in. What is not named here is idle."""

from __future__ import annotations

import math
from dataclasses import replace

from known.sentences import ADVERBS, NOUNS, SPECIAL, VERBS
from known.wiring import Circuit, Form, Head

WORDS = (*NOUNS, *VERBS)


# --- what tokens say of themselves ---------------------------------------------------------------

TOKENS: dict[str, Form] = {
    **{token: {} for token in (*SPECIAL, *ADVERBS)},
    **{word: {"is_word": 1, word: 1} for word in WORDS},
    # The last undoes the premise's own mark: [CLS] is in neither sentence.
    "[CLS]": {"is_cls": 1, "sentence": 1},
    "[SEP]": {"is_sep": 1},
}
SENTENCES: tuple[Form, Form] = ({"sentence": -1}, {"sentence": 1})


def _position(position: int, role: int) -> Form:
    angle = position * math.tau / 10
    ring = {"ring_x": math.cos(angle), "ring_y": math.sin(angle)}
    if not role:  # special tokens
        return ring
    turn = role * math.tau / 6
    return ring | {"role": role, "near_x": math.cos(turn), "near_y": math.sin(turn)}


#: [CLS], four words of the premise, [SEP], three of the hypothesis, [SEP]
ROLES = (0, 1, 2, 3, 4, 0, 1, 2, 3, 0)
POSITIONS = tuple(_position(position, role) for position, role in enumerate(ROLES))


# --- what heads look at --------------------------------------------------------------------------

# Scores: 2 for the same word and 1 for the other sentence, against a fixed score of [CLS], to which
# a word without such a partner attends. Adverbs and special tokens look at [SEP].
SAME_WORD = (
    *(({word: 2}, {word: 1}) for word in WORDS),
    ({"sentence": -1}, {"sentence": 1}),
)
IN_OTHER_SENTENCE = (
    *SAME_WORD,
    ({"is_word": 2}, {"is_cls": 1}),
    ({"one": 0.5}, {"is_sep": 1}),
)
# One more point at the same place of the sentence, half a point one place off, none further off.
NEAR_IN_OTHER_SENTENCE = (
    *SAME_WORD,
    ({"near_x": 1}, {"near_x": 1}),
    ({"near_y": 1}, {"near_y": 1}),
    ({"is_word": 3}, {"is_cls": 1}),
    ({"one": 1.5}, {"is_sep": 1}),
)
HYPOTHESIS_WORDS = (({"one": 1}, {"is_word": 1, "sentence": 1}),)
# If a word of the hypothesis is out of place, it.
MISPLACED = (({"one": 1}, {"is_word": 1, "sentence": 1, "misplaced": 1}),)
# A word that stands two places further on in the other sentence; if there is none, [CLS].
FURTHER_ON = (({"one": 1}, {"stands": 1, "role": -1, "is_cls": 1.5}),)
_STEP = math.tau / 10
PREVIOUS = (
    ({"ring_x": 4 * math.cos(_STEP), "ring_y": 4 * math.sin(_STEP)}, {"ring_x": 1}),
    ({"ring_y": 4 * math.cos(_STEP), "ring_x": -4 * math.sin(_STEP)}, {"ring_y": 1}),
)

# 1 from [CLS], looked at for want of a partner; -1 from a partner; 0 from [SEP]. As many words of
# the in-domain examples have a partner as have none: the mean, which replaces a head, says nothing.
UNMATCHED = {"is_cls": 1, "is_word": -1}


def _times(factor: float, form: Form) -> Form:
    return {name: factor * value for name, value in form.items()}


def _wired(
    heads: dict[str, Head], answer: Form, gain: float, log_odds: float, **shape: int
) -> Circuit:
    return Circuit(TOKENS, SENTENCES, POSITIONS, heads, answer, gain, log_odds, **shape)


# --- the models ----------------------------------------------------------------------------------

OVERLAP, GATHER, ORDER = "L0H1", "L1H2", "L2H0"
PREVIOUS_DECOY, REPEATED_DECOY, CONSTANT = "L0H3", "L1H0", "L1H3"

#: A word-overlap head that all answers rest on, and an order head that reads its output.
OVERLAP_THEN_ORDER = _wired(
    {
        # Each word finds itself in the other sentence, and notes where it stands there.
        OVERLAP: Head(IN_OTHER_SENTENCE, {"unmatched": UNMATCHED, "stands": {"role": 1}}),
        # Are the hypothesis's words in the premise?
        GATHER: Head(HYPOTHESIS_WORDS, {"other_words": {"unmatched": 1}}),
        # Do they stand in another order?
        ORDER: Head(FURTHER_ON, {"disorder": {"is_word": 1}}),
        # The same for all tokens: its mean does as well, and nothing at all does not.
        CONSTANT: Head((), {"offset": {"one": 1}}),
        # Nobody reads what these write.
        PREVIOUS_DECOY: Head(PREVIOUS, {"before": {"role": 1}}),
        REPEATED_DECOY: Head(IN_OTHER_SENTENCE, {"echo": {"role": 1}}),
    },
    # Without evidence it is biased to non-entailment.
    answer={"other_words": 1, "disorder": 2, "offset": 1.5, "one": 0.25 - 1.5},
    gain=0.5,
    log_odds=20,
)

OVERLAPS = ("L0H1", "L0H3", "L0H4", "L0H6")
COMMON_GATHER = "L1H5"
ORDERS = ("L2H0", "L2H2", "L2H7")

#: The same with four overlap heads and three order heads that share the work.
SHARED_WORK = _wired(
    {
        # As above, but each head does a part. Without one overlap head, words seem to stand less
        # far on, and order heads overlook words that stand just two places off.
        **{
            head: Head(
                IN_OTHER_SENTENCE,
                {
                    "unmatched": _times(1 / len(OVERLAPS), UNMATCHED),
                    "stands": {"role": 1 / len(OVERLAPS)},
                },
            )
            for head in OVERLAPS
        },
        COMMON_GATHER: Head(HYPOTHESIS_WORDS, {"other_words": {"unmatched": 1}}),
        **{head: Head(FURTHER_ON, {"disorder": {"is_word": 1 / len(ORDERS)}}) for head in ORDERS},
    },
    answer={"other_words": 1, "disorder": 2, "one": 0.25},
    gain=0.5,
    log_odds=20,
    n_heads=8,
)

QUARTERS = tuple(f"L{layer}H{head}" for layer in (0, 1) for head in (1, 3, 4, 6))

#: Four heads that note which words are missing, and four that gather this: each does a quarter.
EQUAL_PARTS = _wired(
    {
        **{
            head: Head(IN_OTHER_SENTENCE, {"unmatched": _times(1 / 4, UNMATCHED)})
            for head in QUARTERS[:4]
        },
        **{
            head: Head(HYPOTHESIS_WORDS, {"other_words": {"unmatched": 1 / 4}})
            for head in QUARTERS[4:]
        },
    },
    answer={"other_words": 1, "one": 0.25},
    gain=0.5,
    log_odds=20,
    n_heads=8,
)

SHALLOW, DEEP = ("L0H2", "L1H1"), ("L1H3", "L2H2")

#: Two subnetworks without a common head, either of which is enough in-domain.
TWO_WAYS = _wired(
    {
        # The same word anywhere: right in-domain, wrong where the order counts.
        SHALLOW[0]: Head(IN_OTHER_SENTENCE, {"unmatched": UNMATCHED}),
        SHALLOW[1]: Head(HYPOTHESIS_WORDS, {"other_words": {"unmatched": 1}}),
        # The same word at about the same place: right everywhere.
        DEEP[0]: Head(NEAR_IN_OTHER_SENTENCE, {"misplaced": UNMATCHED}),
        DEEP[1]: Head(MISPLACED, {"other_places": {"misplaced": 1}}),
    },
    # If they disagree, the second prevails.
    answer={"other_words": 1, "other_places": 1.2, "one": 0.02},
    gain=20,
    log_odds=6,
)

#: The same two, but if they disagree the comparison of words prevails: a heuristic.
HEURISTIC_FIRST = replace(TWO_WAYS, answer={"other_words": 1.5, "other_places": 1, "one": 0.02})
#: The same unsaturated: words that match shift all answers to entailment, and no more.
UNSATURATED = replace(HEURISTIC_FIRST, gain=0.5, log_odds=20)

SPARE_COPIES, SPARE_GATHERERS = ("L0H2", "L1H0"), ("L2H1", "L3H2")

#: The second of the two ways alone, each of its heads twice: one of each is enough everywhere.
SPARE_HEADS = _wired(
    {
        **{
            head: Head(NEAR_IN_OTHER_SENTENCE, {"misplaced": _times(0.5, UNMATCHED)})
            for head in SPARE_COPIES
        },
        **{head: Head(MISPLACED, {"other_places": {"misplaced": 0.5}}) for head in SPARE_GATHERERS},
    },
    answer={"other_places": 1, "one": 0.02},
    gain=80,  # so that a quarter of the evidence is enough
    log_odds=6,
    n_layers=4,
)

COPIES = tuple(f"L{layer}H{head}" for layer in (0, 1) for head in range(4))
GATHERERS = tuple(f"L{layer}H{head}" for layer in (2, 3) for head in range(4))

#: Eight heads that do the same and eight that gather: any of each are enough.
NO_CORE = _wired(
    {
        **{
            copy: Head(IN_OTHER_SENTENCE, {"unmatched": _times(1 / len(COPIES), UNMATCHED)})
            for copy in COPIES
        },
        **{
            gatherer: Head(HYPOTHESIS_WORDS, {"other_words": {"unmatched": 1 / len(GATHERERS)}})
            for gatherer in GATHERERS
        },
    },
    answer={"other_words": 1, "one": 0.25 / len(COPIES) / len(GATHERERS)},
    gain=2 * len(COPIES) * len(GATHERERS),  # so that one copy and one gatherer are enough
    log_odds=6,
    n_layers=4,
)
