"""Phrases that constructions are built from: slots for words, combined by small rules.

A phrase is a flat sequence of fixed words and slots. The same slot in premise and hypothesis is
filled by the same word. Generation fills the slots and parsing matches them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import permutations
from typing import Literal

Heuristic = Literal["lexical_overlap", "subsequence", "constituent"]
Label = Literal["entailment", "non-entailment"]


@dataclass(frozen=True)
class Slot:
    """A slot for one word.

    Args:
        word_class: Which class of the lexicon the word is from.
        index: Slots of one class and index hold the same word, other slots different words.
        form: The form of the word. None for a noun of either number, which is the same in the
            whole pair.
    """

    word_class: str
    index: int = 1
    form: str | None = None

    @property
    def key(self) -> tuple[str, int]:
        """Slots with the same key hold the same word, slots with different keys different words."""
        return self.word_class, self.index


@dataclass(frozen=True)
class Be:
    """A form of "be" in the past tense, agreeing in number with a noun."""

    subject: Slot

    def spell(self, number: str) -> str:
        """Return the form for singular (``sg``) or plural (``pl``)."""
        return "was" if number == "sg" else "were"


Item = str | Slot | Be
Phrase = tuple[Item, ...]


@dataclass(frozen=True)
class Frame:
    """One way a construction relates a premise to a hypothesis."""

    premise: Phrase
    hypothesis: Phrase


@dataclass(frozen=True)
class Subcase:
    """One of the 30 constructions of HANS.

    Args:
        name: Its name in HANS.
        heuristic: The shallow heuristic that it tests.
        label: The true label of all its pairs.
        title: A short description.
        frames: The ways in which it relates a premise to a hypothesis.
    """

    name: str
    heuristic: Heuristic
    label: Label
    title: str
    frames: tuple[Frame, ...] = field(repr=False, compare=False)


def subcase(
    heuristic: Heuristic, label: Label, name: str, title: str, frames: Iterable[Frame]
) -> Subcase:
    """Build a construction; see ``Subcase``."""
    return Subcase(name, heuristic, label, title, tuple(frames))


def verb(word_class: str, index: int = 1) -> Slot:
    """Build a slot for a verb in the past tense."""
    return Slot(word_class, index, "past")


def word(word_class: str) -> Slot:
    """Build a slot for a word that has only one form."""
    return Slot(word_class, 1, "base")


# Four people, two verbs of each kind, and the words that open a noun's modifier.
A, B, C, D = (Slot("person", i) for i in (1, 2, 3, 4))
V, W = (verb("transitive", i) for i in (1, 2))
SLEEP, WAKE = (verb("intransitive", i) for i in (1, 2))
NEAR = word("preposition")
WHO = word("relative_pronoun")


def plural(noun: Slot) -> Slot:
    """Fix a noun's number as plural."""
    return replace(noun, form="pl")


def participle(verb: Slot) -> Slot:
    """Turn a verb into its passive participle."""
    return replace(verb, form="participle")


def np(noun: Slot, *modifier: Item) -> Phrase:
    """Build a definite noun phrase; the modifier follows the noun."""
    return ("the", noun, *modifier)


def pp(noun: Slot, preposition: Item = NEAR) -> Phrase:
    """Build a prepositional phrase."""
    return (preposition, *np(noun))


def coordinate(first: Phrase, second: Phrase) -> Phrase:
    """Join two noun phrases with "and"."""
    return (*first, "and", *second)


def clause(subject: Phrase, verb: Slot, obj: Phrase = ()) -> Phrase:
    """Build a clause in the active voice; without an object it is intransitive."""
    return (*subject, verb, *obj)


def passive(patient: Slot, verb: Slot, agent: Slot) -> Phrase:
    """Build a clause in the passive voice."""
    return (*np(patient), Be(patient), participle(verb), "by", *np(agent))


def subject_gap(verb: Slot, obj: Phrase = ()) -> Phrase:
    """Build a relative clause in which the noun is the subject: "who saw the doctor"."""
    return (WHO, *clause((), verb, obj))


def object_gap(subject: Phrase, verb: Slot) -> Phrase:
    """Build a relative clause in which the noun is the object: "who the doctor saw"."""
    return (WHO, *clause(subject, verb))


def predicates(intransitive: Slot, transitive: Slot, obj: Slot) -> Iterator[Phrase]:
    """Yield both kinds of predicate: a verb alone, and a verb with its object."""
    yield (intransitive,)
    yield (transitive, *np(obj))


def clauses(subject: Slot, intransitive: Slot, transitive: Slot, obj: Slot) -> Iterator[Phrase]:
    """Yield both kinds of clause: without and with an object."""
    for predicate in predicates(intransitive, transitive, obj):
        yield (*np(subject), *predicate)


def modified(modifier: Phrase) -> Iterator[tuple[Slot, Phrase]]:
    """Yield "A V B" with a modifier on the subject, then on the object, each with its noun."""
    yield A, clause(np(A, *modifier), V, np(B))
    yield B, clause(np(A), V, np(B, *modifier))


def role_reversals(subject: Slot, verb: Slot, obj: Slot, modifier: Slot) -> Iterator[Phrase]:
    """Yield the clauses about two of three people in which nobody keeps their role.

    Args:
        subject: The premise's subject, which is not the hypothesis's.
        verb: The verb.
        obj: The premise's object, which is not the hypothesis's.
        modifier: The person inside the phrase that modifies subject or object.
    """
    for agent, patient in permutations((subject, obj, modifier), 2):
        if agent != subject and patient != obj:
            yield clause(np(agent), verb, np(patient))
