"""Path patching once more: modules that give what they are told to take the place of a model's."""

from __future__ import annotations

import copy

import numpy as np
import torch
from family_matrix import LAST_MAPS
from torch import nn
from torch.nn.functional import linear

D = 8  # width of a head in the tiny models used here


class Heads(nn.Module):
    """An output projection that notes what it reads, and reads what it is told to instead."""

    def __init__(self, inner, given=None):
        super().__init__()
        self.inner, self.given, self.seen = inner, given or {}, None

    def forward(self, x):
        x = x.clone()
        for head, z in self.given.items():
            x[..., head * D : head * D + D] = z
        self.seen = x
        return self.inner(x)


class Mlp(nn.Module):
    """A last map of an MLP that notes what it gives, or gives what it is told to."""

    def __init__(self, inner, given=None):
        super().__init__()
        self.inner, self.given, self.seen = inner, given, None

    def forward(self, x):
        self.seen = self.inner(x) if self.given is None else self.given
        return self.seen


class Maps(nn.Module):
    """A map, or several in one, that notes what it reads, or gives what it is told to."""

    def __init__(self, inner, given=None):
        super().__init__()
        self.inner, self.given, self.seen = inner, given, None

    def forward(self, x):
        self.seen = x
        return self.inner(x) if self.given is None else self.given


MAPS = {
    "modernbert": ("attn", ["Wqkv"]),
    "gpt2": ("attn", ["c_attn"]),
    "gpt_neox": ("attention", ["query_key_value"]),
    "llama": ("self_attn", ["q_proj", "k_proj", "v_proj"]),
    "olmo2": ("self_attn", ["q_proj", "k_proj", "v_proj"]),
}


def projected(family, maps, x):
    """Queries, keys and values, each of shape (1, position, head, d_head)."""
    if family == "gpt2":
        parts = (x @ maps[0].weight + maps[0].bias).chunk(3, -1)
    elif family == "modernbert":
        parts = [linear(x, w) for w in maps[0].weight.chunk(3)]
    elif family == "gpt_neox":
        by_head = linear(x, maps[0].weight, maps[0].bias).unflatten(-1, (4, 3 * D))
        return list(by_head.split(D, -1))
    else:
        parts = [linear(x, m.weight) for m in maps]
    return [part.unflatten(-1, (-1, D)) for part in parts]


def joined(family, parts):
    """What the map or maps give, of queries, keys and values."""
    if family == "gpt_neox":
        return [torch.cat(parts, -1).flatten(2)]
    if len(MAPS[family][1]) == 1:
        return [torch.cat([part.flatten(2) for part in parts], -1)]
    return [part.flatten(2) for part in parts]


class Run:
    """One run on one example, of a copy of the model with modules replaced."""

    def __init__(self, model, batch, z=None, mlps=None, maps=None):
        family = model.family.name
        hf = copy.deepcopy(model.hf)
        self.out, self.mlp, self.maps, self.plain = [], [], [], []
        attention_path, names = MAPS[family]
        for i, layer in enumerate(hf.get_submodule(model.family.layers)):
            for path, made in (
                (LAST_MAPS[family][0], lambda m, i=i: Heads(m, (z or {}).get(i))),
                (LAST_MAPS[family][1], lambda m, i=i: Mlp(m, (mlps or {}).get(i))),
            ):
                layer.set_submodule(path, made(layer.get_submodule(path)))
            self.out.append(layer.get_submodule(LAST_MAPS[family][0]))
            self.mlp.append(layer.get_submodule(LAST_MAPS[family][1]))
            attention = layer.get_submodule(attention_path)
            self.plain.append([attention.get_submodule(name) for name in names])
            given = (maps or {}).get(i, [None] * len(names))
            for name, value in zip(names, given, strict=True):
                attention.set_submodule(name, Maps(attention.get_submodule(name), value))
            self.maps.append(attention.get_submodule(names[0]))
        # Without a cache, as a decoder is run.
        options = {"use_cache": False} if model.family.kind == "decoder" else {}
        with torch.no_grad():
            self.logits = hf(**batch, **options).logits[0]

    def z(self, layer):
        return {head: self.out[layer].seen[..., head * D : head * D + D] for head in range(4)}


class Replacement:
    """The dependency of one head on another by replacing modules.

    The runs that queries, keys and values have in common are made once.
    """

    def __init__(self, model, examples, values, *, sender, receiver):
        self.model, self.examples, self.values = model, examples, values
        self.sender, self.receiver = sender, receiver
        encoded = model.encode(examples)
        self.batches = [encoded.batch([row], model.device) for row in range(len(encoded))]
        self.clean = [Run(model, batch) for batch in self.batches]
        self._changed = {}

    def changed(self, path):
        """For each example the run in which the sender is at its mean."""
        if path not in self._changed:
            self._changed[path] = [
                self._without_sender(batch, clean, path)
                for batch, clean in zip(self.batches, self.clean, strict=True)
            ]
        return self._changed[path]

    def _without_sender(self, batch, clean, path):
        layer, head = self.sender
        layers = range(self.model.space.n_layers)
        z = {i: dict(clean.z(i)) for i in layers} if path == "direct" else {}
        mlps = {i: clean.mlp[i].seen for i in layers} if path == "direct" else {}
        z.setdefault(layer, {})[head] = self.values.heads[layer][head].double()
        return Run(self.model, batch, z, mlps)

    def dependency(self, *, reads, path):
        """Each example's relative change of the receiver's z and change of the label's margin."""
        model, (b, j) = self.model, self.receiver
        changes, margins = [], []
        for row, (batch, clean, changed) in enumerate(
            zip(self.batches, self.clean, self.changed(path), strict=True)
        ):
            # One kind of projection of the receiver's own head, or group, reads what has changed.
            parts = projected(model.family.name, clean.plain[b], clean.maps[b].seen)
            others = projected(model.family.name, clean.plain[b], changed.maps[b].seen)
            which = "qkv".index(reads)
            own = j * parts[which].shape[2] // 4
            # A norm over all heads reads all of them.
            heads = slice(None) if model.family.joint_norms else slice(own, own + 1)
            parts[which] = parts[which].clone()
            parts[which][:, :, heads] = others[which][:, :, heads]
            after = Run(model, batch, maps={b: joined(model.family.name, parts)}).z(b)[j]
            before = clean.z(b)[j]
            mean = self.values.heads[b][j].double()
            changes.append(float((after - before).norm() / (before - mean).norm()))
            new = Run(model, batch, {b: {j: after}})
            right = self.examples.label_ids[row]
            odds = [float(run.logits[right] - run.logits[1 - right]) for run in (new, clean)]
            margins.append(odds[0] - odds[1])
        return np.array(changes), np.array(margins)
