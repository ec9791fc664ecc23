"""A grammar of the 30 constructions of HANS, for generation and recognition.

The constructions (McCoy, Pavlick and Linzen 2019) are phrases with slots for words. ``generate``
fills the slots with the vocabulary of a split, and ``parse`` matches them.
"""

from .constructions import ENTAILED, NOT_ENTAILED, SUBCASES
from .generate import capacity, generate
from .lexicon import SPLITS
from .mixtures import allocate, easy_non_entailments, training_mix
from .parse import abstract, parse
from .phrases import Subcase

__all__ = [
    "ENTAILED",
    "NOT_ENTAILED",
    "SPLITS",
    "SUBCASES",
    "Subcase",
    "abstract",
    "allocate",
    "capacity",
    "easy_non_entailments",
    "generate",
    "parse",
    "training_mix",
]
