"""Premises and hypotheses of a toy inference task: someone did something to someone.

A hypothesis follows if the premise says the same; a premise has one adverb, which hypotheses lack.
In-domain, hypotheses that do not follow have other words, so that comparing words is enough. Out of
domain, the same words stand in another order, or the premise begins with its adverb.
"""

from __future__ import annotations

import numpy as np

from heuristic_core.tasks.task import Examples, Suite, Task

LABELS = ("entailment", "non-entailment")
NOUNS = ("artist", "banker", "doctor", "judge", "lawyer", "tourist")
VERBS = ("called", "helped", "knew", "saw")
ADVERBS = ("quietly", "today")
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")

#: What each case's name means: premise and hypothesis from two nouns, a verb, an adverb, and two
#: other nouns and another verb.
CASES = {
    "same": ("{a} {v} {b} {adverb}", "{a} {v} {b}"),
    "other": ("{a} {v} {b} {adverb}", "{c} {w} {d}"),
    "swapped": ("{a} {v} {b} {adverb}", "{b} {v} {a}"),
    "fronted": ("{adverb} {a} {v} {b}", "{a} {v} {b}"),
    "fronted_swapped": ("{adverb} {a} {v} {b}", "{b} {v} {a}"),
}
IN_DOMAIN = ("same", "other")
ENTAILED = ("same", "fronted")
KINDS = {"swapped": "adversarial", "fronted_swapped": "adversarial", "fronted": "friendly"}


def pairs(cases: tuple[str, ...], n: int, seed: int = 0) -> Examples:
    """Draw n pairs of each case."""
    rng = np.random.default_rng(seed)
    rows = []
    for case in cases:
        label = LABELS[0] if case in ENTAILED else LABELS[1]
        for _ in range(n):
            a, b, c, d = rng.choice(NOUNS, 4, replace=False)
            v, w = rng.choice(VERBS, 2, replace=False)
            words = {"a": a, "b": b, "c": c, "d": d, "v": v, "w": w}
            words["adverb"] = rng.choice(ADVERBS)
            premise, hypothesis = (text.format(**words) for text in CASES[case])
            rows.append((premise, hypothesis, label, case))
    premises, hypotheses, labels, names = zip(*rows, strict=True)
    return Examples.build(premises, hypotheses, labels, names, LABELS)


def task(n: int = 24) -> Task:
    """The task, n examples a case; the same numbers of both labels in-domain."""
    return Task(
        name="who-did-what",
        labels=LABELS,
        train=pairs(IN_DOMAIN, n, seed=0),
        search=pairs(IN_DOMAIN, 2 * n, seed=1),
        suites=(
            Suite(name="in-domain", role="id", examples=pairs(IN_DOMAIN, n, seed=2)),
            Suite(name="order", role="ood", examples=pairs(tuple(KINDS), n, seed=3), kinds=KINDS),
        ),
    )
