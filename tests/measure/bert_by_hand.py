"""BERT's arithmetic in plain numpy, one example and one head at a time: what hooks must equal."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy.special import erf

from heuristic_core.units import Unit

Head = tuple[int, int]  # layer, head


class BertByHand:
    """A slow second implementation of a BERT classifier, with path patching written out.

    Args:
        model: The classifier whose weights are used.
    """

    def __init__(self, model) -> None:
        self.w = {name: p.detach().numpy() for name, p in model.hf.named_parameters()}
        self.n_layers = model.space.n_layers
        self.n_heads = model.space.heads[0]
        self.d_head = model.anatomy.d_heads[0]
        self.eps = model.hf.config.layer_norm_eps

    def linear(self, name, x):
        return x @ self.w[f"{name}.weight"].T + self.w[f"{name}.bias"]

    def norm(self, name, x):
        centred = x - x.mean(-1, keepdims=True)
        scaled = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + self.eps)
        return scaled * self.w[f"{name}.weight"] + self.w[f"{name}.bias"]

    def embed(self, ids, types):
        e = "bert.embeddings"
        words = self.w[f"{e}.word_embeddings.weight"][ids]
        kinds = self.w[f"{e}.token_type_embeddings.weight"][types]
        places = self.w[f"{e}.position_embeddings.weight"][np.arange(len(ids))]
        return self.norm(f"{e}.LayerNorm", words + kinds + places)

    def head(self, layer, head, q_reads, k_reads, v_reads):
        """One head's z, its three projections reading three inputs."""
        rows = slice(head * self.d_head, (head + 1) * self.d_head)
        name = f"bert.encoder.layer.{layer}.attention.self"
        q = self.linear(f"{name}.query", q_reads)[:, rows]
        k = self.linear(f"{name}.key", k_reads)[:, rows]
        v = self.linear(f"{name}.value", v_reads)[:, rows]
        z = np.zeros_like(q)
        for i in range(len(q)):
            weights = np.exp([q[i] @ k[j] / self.d_head**0.5 for j in range(len(k))])
            for j in range(len(v)):
                z[i] += weights[j] / weights.sum() * v[j]
        return z

    def mlp(self, layer, x):
        name = f"bert.encoder.layer.{layer}"
        inner = self.linear(f"{name}.intermediate.dense", x)
        return self.linear(f"{name}.output.dense", inner * 0.5 * (1 + erf(inner / 2**0.5)))

    def run(
        self,
        ids,
        types,
        z: Mapping[Head, np.ndarray] | None = None,
        mlps: Mapping[int, np.ndarray] | None = None,
    ):
        """Run one example, some heads and MLPs giving what they are told to.

        Returns:
            Layer inputs, all heads' z, all MLP outputs, and the logits.
        """
        x = self.embed(ids, types)
        inputs, found_z, found_mlp = [], {}, {}
        for layer in range(self.n_layers):
            name = f"bert.encoder.layer.{layer}"
            inputs.append(x)
            for head in range(self.n_heads):
                given = (z or {}).get((layer, head))
                found_z[layer, head] = self.head(layer, head, x, x, x) if given is None else given
            joined = np.concatenate([found_z[layer, h] for h in range(self.n_heads)], axis=1)
            attended = self.norm(
                f"{name}.attention.output.LayerNorm",
                self.linear(f"{name}.attention.output.dense", joined) + x,
            )
            given = (mlps or {}).get(layer)
            found_mlp[layer] = self.mlp(layer, attended) if given is None else given
            x = self.norm(f"{name}.output.LayerNorm", found_mlp[layer] + attended)
        pooled = np.tanh(self.linear("bert.pooler.dense", x[0]))
        return inputs, found_z, found_mlp, self.linear("classifier", pooled)

    def patched(self, ids, types, sender: Head, new, receiver: Head, reads, path):
        """The receiver's z, clean and new, and the logits without and with the new one."""
        inputs, z, mlps, logits = self.run(ids, types)
        replaced = np.broadcast_to(new, z[sender].shape)
        if path == "direct":
            changed, *_ = self.run(ids, types, z | {sender: replaced}, mlps)
        else:
            changed, *_ = self.run(ids, types, {sender: replaced})
        clean, other = inputs[receiver[0]], changed[receiver[0]]
        of = {name: other if name == reads else clean for name in "qkv"}
        after = self.head(*receiver, of["q"], of["k"], of["v"])
        *_, new_logits = self.run(ids, types, {receiver: after})
        return z[receiver], after, logits, new_logits


def place(label):
    unit = Unit.parse(label)
    return unit.layer, unit.head


def by_hand(model, suite, means, sender, receiver, reads, path, others=None):
    """Each adversarial example's relative change of z and change of margin."""
    hand, encoded = BertByHand(model), model.encode(suite.examples)
    other = model.encode(others) if others else None
    (a, i), (b, j) = place(sender), place(receiver)
    mean = means.heads[b][j].double().numpy()
    changes, margins = [], []
    for row in np.flatnonzero(suite.examples.table["case"] == "hard"):
        ids, types = (encoded.columns[name][row] for name in ("input_ids", "token_type_ids"))
        new = means.heads[a][i].double().numpy()
        if other:
            _, z, _, _ = hand.run(*(other.columns[n][row] for n in ("input_ids", "token_type_ids")))
            new = z[a, i]
        clean, after, logits, new_logits = hand.patched(
            ids, types, (a, i), new, (b, j), reads, path
        )
        changes.append(np.linalg.norm(after - clean) / np.linalg.norm(clean - mean))
        right = suite.examples.label_ids[row]
        odds = [x[right] - x[1 - right] for x in (new_logits, logits)]
        margins.append(odds[0] - odds[1])
    return np.array(changes), np.array(margins)
