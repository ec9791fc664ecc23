"""The lexicon: each split has words of its own, and no word is ambiguous where it matters."""

from __future__ import annotations

from itertools import combinations

from heuristic_core.tasks.grammar import SPLITS
from heuristic_core.tasks.grammar.lexicon import CLASSES

OPEN = [name for name, c in CLASSES.items() if c.by_split["train"] != c.by_split["test"]]
SHARED = [name for name in CLASSES if name not in OPEN]


def test_open_vocabularies_of_splits_are_disjoint_and_large_enough() -> None:
    for name in OPEN:
        for one, other in combinations(SPLITS, 2):
            assert not set(CLASSES[name].by_split[one]) & set(CLASSES[name].by_split[other]), name
    for split in SPLITS:
        assert len(CLASSES["person"].by_split[split]) >= 25
        assert len(CLASSES["transitive"].by_split[split]) >= 15
        assert len(CLASSES["intransitive"].by_split[split]) >= 8
    for name in SHARED:
        assert len({CLASSES[name].by_split[split] for split in SPLITS}) == 1
    assert {CLASSES[n].kind for n in SHARED} == {"V", "F"}
    # All nouns are divided, over all noun classes.
    nouns = {
        split: {x for c in CLASSES.values() if c.kind == "N" for x in c.by_split[split]}
        for split in SPLITS
    }
    assert not any(nouns[one] & nouns[other] for one, other in combinations(SPLITS, 2))


def test_ordinary_verbs_are_in_no_shared_class() -> None:
    # Otherwise a verb of one split would turn up in another, and capacities would be wrong.
    ordinary = {
        x
        for name in ("transitive", "intransitive")
        for split in SPLITS
        for x in CLASSES[name].by_split[split]
    }
    assert not ordinary & {x for name in SHARED for x in CLASSES[name].lexemes}


def test_every_spelling_is_of_one_kind() -> None:
    kinds: dict[str, set[str]] = {}
    for word_class in CLASSES.values():
        for lexeme in word_class.lexemes:
            for _, spelling in lexeme.forms:
                kinds.setdefault(spelling, set()).add(word_class.kind)
            if word_class.kind == "N":
                assert lexeme.spell("sg") != lexeme.spell("pl")
    assert [s for s, k in kinds.items() if len(k) > 1] == []
