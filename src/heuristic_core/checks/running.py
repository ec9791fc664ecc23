"""Checks of running, saving and loading: the same logits whatever should not matter."""

from __future__ import annotations

import copy
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from ..errors import one_line
from ..models.loading import load_model
from ..models.saving import save_model
from ..models.sources import other_weights, resolve
from ..models.weights import not_finite
from .results import Failed, Measured, NotForThisModel, largest_difference
from .subject import Subject, logits_of


def loads(subject: Subject) -> Measured:
    """Describe the model that was loaded; fail if a weight is not a finite number."""
    model = subject.model
    odd = not_finite(model.hf)
    if odd:
        raise Failed(f"{len(odd)} weights hold NaN or infinity, such as {odd[0]}")
    n_weights = sum(p.numel() for p in model.hf.parameters())
    facts = [
        model.family.name,
        f"{model.space} ({len(model.space)} units)",
        f"width {model.anatomy.d_model}",
        f"{n_weights:,} weights",
        f"labels {', '.join(map(str, model.labels))}",
        f"texts up to {model.max_length} tokens",
        str(model.device),
        subject.dtype,
    ]
    facts += [f"{name} beside is not read" for name in _beside(model.name)]
    head = "; it has no classification head: a fresh one is checked" if subject.fresh_head else ""
    return Measured(note="; ".join(facts) + head)


def _beside(source: str) -> list[str]:
    """List files with the model's weights in other formats."""
    folder = Path(resolve(source))
    files = [path for kind in other_weights(folder) for path in kind] if folder.is_dir() else []
    stems = ("model", "pytorch_model", "tf_model", "flax_model", "rust_model")
    return [one_line(path.name, 80) for path in files if path.name.startswith(stems)]


def attention_implementations_agree(subject: Subject) -> Measured:
    """Compare eager attention with SDPA."""
    hf = subject.model.hf
    if not hf._supports_sdpa:
        raise NotForThisModel("it has eager attention only")
    if getattr(hf.config, "attn_logit_softcapping", None):
        raise NotForThisModel("it caps attention's logits, which SDPA cannot")
    before, logits = hf.config._attn_implementation, []
    try:
        for implementation in ("sdpa", "eager"):
            hf.set_attn_implementation(implementation)
            logits.append(logits_of(subject.model, subject.batch))
    finally:
        hf.set_attn_implementation(before)
    return Measured(largest_difference(*logits), subject.tolerance)


def batches_make_no_difference(subject: Subject) -> Measured:
    """Compare one batch of all examples with single ones, and with batches in another order."""
    model, encoded = subject.model, subject.encoded
    together = model.logits(encoded, batch_size=len(encoded))
    alone = model.logits(encoded, batch_size=1)
    order = np.random.default_rng(0).permutation(len(encoded))
    shuffled = model.logits(encoded.take(order), batch_size=3)
    differences = (
        largest_difference(alone, together),
        largest_difference(shuffled, together[order]),
    )
    return Measured(max(differences), subject.tolerance)


def padding_side_makes_no_difference(subject: Subject) -> Measured:
    """Compare a decoder's logits for texts padded on the left and on the right."""
    model, encoded = subject.model, subject.encoded
    if model.family.kind != "decoder":
        raise NotForThisModel("it is padded on the right only")
    left, right = (
        model.logits(replace(encoded, padding_side=side), batch_size=len(encoded))
        for side in ("left", "right")
    )
    return Measured(largest_difference(left, right), subject.tolerance)


def saved_and_loaded(subject: Subject) -> Measured:
    """Save the model and load it: no bit of its logits changes."""
    model = subject.model
    # Saving writes into the configuration, which is the model's.
    hf = copy.copy(model.hf)
    hf.config = copy.deepcopy(model.hf.config)
    with tempfile.TemporaryDirectory() as folder:
        save_model(hf, model.tokenizer, folder)
        back = load_model(folder, device=model.device, dtype=subject.dtype)
        return Measured(largest_difference(logits_of(back, subject.batch), subject.plain))


def default_dtype_makes_no_difference(subject: Subject) -> Measured:
    """Load and run the model with torch's default dtype at float64: no bit changes."""
    half = subject.subnetwork(0, "mean")
    with half.applied(subject.model):
        gated = subject.model.logits(subject.encoded)
    small = half.compact(subject.model).logits(subject.encoded)
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        wide = subject.load()
        wide_plain = logits_of(wide, subject.batch)
        with half.applied(wide):
            wide_gated = wide.logits(subject.encoded)
        wide_small = half.compact(wide).logits(subject.encoded)
    finally:
        torch.set_default_dtype(before)
    pairs = ((wide_plain, subject.plain), (wide_gated, gated), (wide_small, small))
    return Measured(max(largest_difference(one, other) for one, other in pairs))
