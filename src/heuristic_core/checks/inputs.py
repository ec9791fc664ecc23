"""Checks of what a model is given: its tokens, and the types of tokens."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool

from ..errors import InputError
from ..models.encoding import Encoded, encode
from ..models.fit import takes_token_types
from ..models.sources import resolve
from ..models.token_types import TYPES, named_class, token_types
from ..models.tokenizer import first_difference, saved_tokenizer, tokenizer_settings
from ..tasks.task import Examples, Suite
from .results import Failed, Measured, NotForThisModel
from .subject import Subject, logits_of


def tokens_are_those_saved(subject: Subject) -> Measured:
    """Compare the tokens of odd texts and of the subject's with those of tokenizer.json."""
    model, location = subject.model, resolve(subject.model.name)
    encoded = subject.encoded
    kind = type(model.tokenizer).__name__
    named = named_class(tokenizer_settings(location))
    note = f"by {kind}" + (f" ({named} is named)" if named not in ("", kind) else "")
    note += f"; {encoded.n_unknown} of {encoded.n_tokens} tokens of the texts are unknown"
    saved = saved_tokenizer(location)
    if saved is None:
        raise NotForThisModel(f"it has no tokenizer.json; {note}")
    table = subject.examples.table
    pairs = table["text_pair"] if subject.examples.is_pair else [None] * len(table)
    typed = TYPES in encoded.columns
    for texts in (None, list(zip(table["text"], pairs, strict=True))):
        text = first_difference(model.tokenizer, saved, texts, typed=typed)
        if text is not None:
            raise Failed(f"{text!r} has other tokens than in tokenizer.json; {note}")
    return Measured(note=note)


def token_types_are_those_of_training(subject: Subject) -> Measured:
    """Say whether the model gets token types and why, and what comes out with and without."""
    model = subject.model
    if not takes_token_types(model.family, model.hf.config):
        raise NotForThisModel("it has no token types")
    settings = tokenizer_settings(resolve(model.name))
    given, reason = token_types(model.hf.config, settings, model.tokenizer)
    if given != (TYPES in subject.encoded.columns):
        are, should = ("not given", "be") if given else ("given", "not be")
        raise Failed(f"types of tokens are {are}, but should {should}")
    with_types, without = _both_ways(subject, subject.examples)
    own, other = (with_types, without) if given else (without, with_types)
    a, b = (logits_of(model, e.batch(range(len(e)), model.device)).argmax(-1) for e in (own, other))
    told, otherwise = ("given", "without them") if given else ("not given", "with them")
    note = f"{told}, {reason}; {otherwise} {int((a != b).sum())} of {len(a)} answers differ"
    return Measured(note=note + _accuracies(subject))


def _both_ways(subject: Subject, examples: Examples) -> tuple[Encoded, Encoded]:
    model = subject.model
    with_types, without = (
        encode(model.tokenizer, examples, model.max_length, token_types=given)
        for given in (True, False)
    )
    return with_types, without


def _accuracies(subject: Subject) -> str:
    """Compare the two ways in-domain, if the task has the model's labels."""
    if subject.in_domain is None or subject.fresh_head:
        return ""
    suite = Suite(name="in-domain", role="id", examples=subject.in_domain)
    try:
        class_map = suite.class_map(subject.model.labels)
    except InputError:
        return ""

    def accuracy(encoded: Encoded) -> float:
        answers = subject.model.logits(encoded).argmax(1).numpy()
        right: Bool[np.ndarray, " example"] = class_map[answers] == suite.examples.label_ids
        return float(right.mean())

    with_types, without = map(accuracy, _both_ways(subject, suite.examples))
    n = len(suite.examples)
    return f"; on {n} in-domain examples {with_types:.1%} right with them, {without:.1%} without"
