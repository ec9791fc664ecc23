"""The vocabulary of the grammar: classes of lexemes, their splits and their forms."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache

SPLITS = ("train", "search", "validation", "test")

_PARTICIPLES = {"saw": "seen", "ate": "eaten", "wrote": "written"}


@dataclass(frozen=True)
class Lexeme:
    """One word with its forms, as (form, spelling) pairs."""

    name: str
    forms: tuple[tuple[str, str], ...]

    def spell(self, form: str) -> str:
        """Return the spelling of one form."""
        return dict(self.forms)[form]


@dataclass(frozen=True)
class WordClass:
    """Words that can fill the same slots.

    Args:
        kind: ``N``, ``V`` or ``A`` for content words, ``F`` for function words.
        by_split: The words generated in each split.
        only_recognised: Further words that the parser recognises. They are never generated,
            because they also belong to a class that all splits share.
    """

    kind: str
    by_split: dict[str, tuple[Lexeme, ...]] = field(hash=False)
    only_recognised: tuple[Lexeme, ...] = ()

    @property
    def lexemes(self) -> tuple[Lexeme, ...]:
        """All words of the class, each once."""
        generated = (lexeme for words in self.by_split.values() for lexeme in words)
        return tuple(dict.fromkeys([*generated, *self.only_recognised]))


def _plural(noun: str) -> str:
    if noun.endswith("y") and noun[-2] not in "aeiou":
        return noun[:-1] + "ies"
    return noun + ("es" if noun.endswith(("s", "x", "ch", "sh")) else "s")


def _lexeme(kind: str, name: str) -> Lexeme:
    if kind == "N":
        return Lexeme(name, (("sg", name), ("pl", _plural(name))))
    if kind == "V":
        return Lexeme(name, (("past", name), ("participle", _PARTICIPLES.get(name, name))))
    return Lexeme(name, (("base", name),))


def _lexemes(kind: str, words: str) -> tuple[Lexeme, ...]:
    # An underscore joins the parts of a word that is written as several.
    return tuple(_lexeme(kind, word.replace("_", " ")) for word in words.split())


def _open(kind: str, *words: str, only_recognised: str = "") -> WordClass:
    """Build a class that has different words in every split, in the order of the splits."""
    by_split = {s: _lexemes(kind, w) for s, w in zip(SPLITS, words, strict=True)}
    return WordClass(kind, by_split, _lexemes(kind, only_recognised))


def _shared(kind: str, words: str) -> WordClass:
    """Build a class that is too small to divide: all splits use all of its words."""
    return WordClass(kind, dict.fromkeys(SPLITS, _lexemes(kind, words)))


# Verbs whose object may be left out, by the class of that object.
UNDERSTOOD_OBJECT = {
    "eating": "food",
    "exploring": "place",
    "winning": "contest",
    "writing": "text",
    "paying": "person",
}

# For each subordinator: does the sentence assert the subordinate clause, and the main clause?
_SUBORDINATORS = {
    "after": (True, True),
    "although": (True, True),
    "because": (True, True),
    "before": (True, True),
    "even_though": (True, True),
    "since": (True, True),
    "though": (True, True),
    "when": (True, True),
    "while": (True, True),
    "in_case": (False, True),
    "whether_or_not": (False, True),
    "if": (False, False),
    "unless": (False, False),
}


def _subordinators(clause: int, asserted: bool) -> WordClass:
    return _shared("F", " ".join(w for w, a in _SUBORDINATORS.items() if a[clause] is asserted))


CLASSES: dict[str, WordClass] = {
    # Within a split no word implies another (no "painter" with "artist", no "captured" with
    # "arrested"), so replacing one by another always gives a sentence that does not follow.
    "person": _open(
        "N",
        "doctor actor lawyer student soldier priest farmer painter musician astronomer spy king "
        "tourist merchant referee engineer chef mayor neighbor pilot reporter witness runner "
        "teenager diplomat wizard publisher client",
        "judge artist professor senator nurse captain bishop hunter comedian economist detective "
        "queen passenger trader champion architect servant widow sailor journalist suspect "
        "swimmer ambassador witch printer buyer explorer miner",
        "banker athlete secretary president scientist surgeon singer poet general monk "
        "philosopher driver agent prince guest dealer coach designer maid activist victim pirate "
        "translator owner cousin mechanic veteran critic",
        "author manager teacher governor photographer guitarist officer minister nun dancer boxer "
        "refugee visitor seller producer programmer customer rebel prisoner warrior "
        "mathematician emperor messenger tenant stranger candidate rider astronaut",
    ),
    "food": _open(
        "N",
        "rice salad bread cake pizza",
        "corn sandwich soup pie chicken",
        "fruit ice_cream cheese pasta apple",
        "broccoli steak dessert egg toast",
    ),
    "place": _open(
        "N",
        "country garden jungle harbor cave",
        "desert museum village lake tunnel",
        "forest town beach palace mountain",
        "island region valley neighborhood temple",
    ),
    "contest": _open(
        "N",
        "award competition championship medal lottery",
        "battle contest debate trophy vote",
        "election prize war title lawsuit",
        "race tournament match cup league",
    ),
    "text": _open(
        "N",
        "book column article diary script",
        "letter novel essay message memo",
        "play poem note chapter document",
        "report speech story review statement",
    ),
    "location": _open(
        "N",
        "office kitchen church garage studio",
        "laboratory museum hotel basement university",
        "library hospital theater factory prison",
        "school restaurant station gallery gym",
    ),
    # No symmetric verbs: "the doctor met the actor" entails the swapped sentence.
    "transitive": _open(
        "V",
        "admired avoided called introduced recommended blamed followed hired rescued punched "
        "warned invited photographed annoyed defeated arrested released betrayed greeted protected",
        "advised mentioned recognized thanked chased fired insulted described impressed captured "
        "loved ignored kicked guided robbed replaced nominated interviewed saved defended",
        "saw contacted supported praised hated questioned pushed tricked welcomed promoted cured "
        "tracked judged carried confused threatened sued inspired dismissed shocked",
        "encouraged watched respected criticized grabbed employed frightened amused selected "
        "copied fooled summoned interrupted punished abandoned escorted slapped healed bothered "
        "quoted",
        only_recognised="believed helped stopped",
    ),
    "intransitive": _open(
        "V",
        "arrived danced laughed slept resigned prayed apologized stumbled coughed graduated",
        "performed shouted cried walked vanished complained relaxed yawned hesitated surrendered",
        "ran waited smiled sat collapsed trembled returned screamed recovered failed",
        "jumped swam worked rested escaped sighed knelt nodded panicked grinned",
    ),
    "eating": _shared("V", "ate"),
    "exploring": _shared("V", "explored left"),
    "winning": _shared("V", "won"),
    "writing": _shared("V", "read wrote"),
    "paying": _shared("V", "paid taught attacked"),
    # These verbs presuppose their complement clause ...
    "factive": _shared(
        "V", "forgot knew learned remembered realized discovered understood regretted"
    ),
    # ... and these leave it open.
    "nonfactive": _shared(
        "V",
        "assumed believed claimed hoped said thought suspected suggested imagined insisted argued "
        "feared",
    ),
    # These take a noun phrase or a clause without "that".
    "np_or_clause": _shared("V", "believed heard knew understood feared suspected doubted"),
    # These take a noun phrase or no complement.
    "np_or_nothing": _shared(
        "V", "fought hid moved paid presented studied stopped attacked washed dressed painted left"
    ),
    # Without an object their past tense looks like the passive participle.
    "participle_like_past": _shared(
        "V", "helped investigated paid presented studied taught trained attacked painted served"
    ),
    # Intersective adjectives only: an angry doctor is a doctor, a fake doctor is not.
    "adjective": _open(
        "A",
        "angry famous brave tired polite tall",
        "happy helpful clever rude lonely rich",
        "important popular sad honest nervous lazy",
        "serious young proud quiet curious generous",
    ),
    "preposition": _shared("F", "behind by near in_front_of next_to beside opposite"),
    "relative_pronoun": _shared("F", "who that"),
    "asserting_adverb": _shared(
        "F",
        "certainly clearly definitely obviously suddenly of_course without_a_doubt fortunately "
        "unfortunately surprisingly",
    ),
    "hedging_adverb": _shared(
        "F",
        "maybe probably supposedly hopefully perhaps possibly allegedly reportedly presumably "
        "apparently",
    ),
    "asserts_subordinate": _subordinators(0, True),
    "opens_subordinate": _subordinators(0, False),
    "asserts_main": _subordinators(1, True),
    "opens_main": _subordinators(1, False),
}


@cache
def substitutes(word_class: str, split: str) -> tuple[Lexeme, ...]:
    """List the words of a split that can replace a word of a class grammatically.

    Args:
        word_class: The class of the replaced word.
        split: The split whose vocabulary is used.

    Returns:
        The words of the class. For verbs with an understood object, the words of all such
        classes, as the class of an unstated object does not matter.
    """
    group = tuple(UNDERSTOOD_OBJECT) if word_class in UNDERSTOOD_OBJECT else (word_class,)
    return tuple(lexeme for name in group for lexeme in CLASSES[name].by_split[split])
