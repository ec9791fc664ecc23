"""Checks of running, saving and loading: the same answers whatever should not matter."""

from __future__ import annotations

import copy
import tempfile
from dataclasses import replace

import numpy as np
import torch

from ..models.classifier import describe
from ..models.loading import load_model, quiet
from ..models.weights import not_finite
from .results import Failed, Measured, NotForThisModel, apart
from .subject import Subject, answers


def loads(subject: Subject) -> Measured:
    """Say what was loaded, all of it numbers."""
    model = subject.model
    odd = not_finite(model.hf)
    if odd:
        raise Failed(f"{len(odd)} weights hold NaN or infinity, such as {odd[0]}")
    n_weights = sum(p.numel() for p in model.hf.parameters())
    facts = [
        model.family.name,
        f"{describe(model.space)} ({len(model.space)} units)",
        f"width {model.d_model}",
        f"{n_weights:,} weights",
        f"labels {', '.join(map(str, model.labels))}",
        f"texts up to {model.max_length} tokens",
        str(model.device),
        str(model.hf.dtype).removeprefix("torch."),
    ]
    head = "; it has no classification head: a fresh one is checked" if subject.fresh_head else ""
    return Measured(note="; ".join(facts) + head)


def attention_implementations_agree(subject: Subject) -> Measured:
    """Compare eager attention with SDPA."""
    hf = subject.model.hf
    if not hf._supports_sdpa:
        raise NotForThisModel("it has eager attention only")
    if getattr(hf.config, "attn_logit_softcapping", None):
        raise NotForThisModel("it caps attention's logits, which SDPA cannot")
    before, found = hf.config._attn_implementation, {}
    try:
        for implementation in ("sdpa", "eager"):
            hf.set_attn_implementation(implementation)
            found[implementation] = answers(subject.model, subject.batch)
    finally:
        hf.set_attn_implementation(before)
    return Measured(apart(found["sdpa"], found["eager"]), subject.tolerance)


def batches_make_no_difference(subject: Subject) -> Measured:
    """Compare one batch of all examples with single ones, and with others in another order."""
    model, encoded = subject.model, subject.encoded
    together = model.logits(encoded, batch_size=len(encoded))
    alone = model.logits(encoded, batch_size=1)
    order = np.random.default_rng(0).permutation(len(encoded))
    shuffled = model.logits(encoded.take(order), batch_size=3)
    return Measured(
        max(apart(alone, together), apart(shuffled, together[order])), subject.tolerance
    )


def padding_side_makes_no_difference(subject: Subject) -> Measured:
    """Compare a decoder's answers on texts padded on the left and on the right."""
    model, encoded = subject.model, subject.encoded
    if model.family.kind != "decoder":
        raise NotForThisModel("it is padded on the right only")
    left, right = (
        model.logits(replace(encoded, padding_side=side), batch_size=len(encoded))
        for side in ("left", "right")
    )
    return Measured(apart(left, right), subject.tolerance)


def saved_and_loaded(subject: Subject) -> Measured:
    """Save the model and load it: no bit of its answers changes."""
    model = subject.model
    dtype = str(model.hf.dtype).removeprefix("torch.")
    # Saving writes into the configuration, which is the model's.
    hf = copy.copy(model.hf)
    hf.config = copy.deepcopy(model.hf.config)
    with tempfile.TemporaryDirectory() as folder:
        with quiet():
            hf.save_pretrained(folder)
            model.tokenizer.save_pretrained(folder)
        back = load_model(folder, device=model.device, dtype=dtype)
        found = answers(back, subject.batch)
    return Measured(apart(found, subject.plain), 0.0)


def default_dtype_makes_no_difference(subject: Subject) -> Measured:
    """Load and run the model with torch's default type at float64: no bit changes."""
    half = subject.subnetwork(0, "mean")
    with half.applied(subject.model):
        gated = subject.model.logits(subject.encoded)
    small = half.compact(subject.model).logits(subject.encoded)
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        other = subject.load()
        plain = answers(other, subject.batch)
        with half.applied(other):
            others = other.logits(subject.encoded)
        smaller = half.compact(other).logits(subject.encoded)
    finally:
        torch.set_default_dtype(before)
    differences = (apart(plain, subject.plain), apart(others, gated), apart(smaller, small))
    return Measured(max(differences), 0.0)
