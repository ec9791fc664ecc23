"""The anatomy of a model: its layers, attention heads, projections and MLP outputs.

Hooks, gates, ablation values, traces, patching and compaction work on it. It knows nothing of
tokenizers, texts or batches.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor, nn

from ..errors import InputError
from ..units import Unit, UnitSpace
from .families import family_of

#: The kinds of projections, in the order in which families name their maps.
QUERY, KEY, VALUE = range(3)


class Anatomy:
    """Where a transformers model computes its units.

    Args:
        hf: The model.

    Attributes:
        hf: The model.
        family: Its entry in the table of families.
        space: Its units.
        layers: The module of each layer.
        projections: For each layer the linear maps to queries, keys and values, or the one map to
            all three.
        attention_out: For each layer the linear map that projects the concatenated heads.
        mlp_out: For each layer the module whose output is the MLP's, before the residual sum.
        d_model: Width of the residual stream.
        d_heads: For each layer the width of a head's output before the projection.

    Raises:
        InputError: If the family is not supported.
        AttributeError: If the model is not built like its family.
    """

    def __init__(self, hf: Any) -> None:
        self.hf = hf
        self.family = family_of(hf.config.model_type)
        self.layers = self.family.layer_list(hf)
        self.projections = [
            [layer.get_submodule(f"{self.family.attention}.{name}") for name in self.family.maps]
            for layer in self.layers
        ]
        self.attention_out = [x.get_submodule(self.family.attention_out) for x in self.layers]
        self.mlp_out = [x.get_submodule(self.family.mlp_out) for x in self.layers]
        n_heads = int(hf.config.num_attention_heads)
        self.space = UnitSpace((n_heads,) * len(self.layers))
        self.d_model = int(hf.config.hidden_size)
        self.d_heads = tuple(weight_of(x).shape[1] // n_heads for x in self.attention_out)

    def slice_of(self, head: Unit) -> slice:
        """Return a head's place in its layer's concatenated outputs.

        Raises:
            InputError: If the unit is no head of the model.
        """
        self.space.index(head)
        if head.head is None:
            raise InputError(f"{head} is an MLP layer; only heads can be patched")
        width = self.d_heads[head.layer]
        return slice(head.head * width, (head.head + 1) * width)

    def n_sharing(self, layer: int, kind: int) -> int:
        """Count the query heads that share one head's queries, keys or values; 1 if none do.

        Args:
            layer: The layer.
            kind: ``QUERY``, ``KEY`` or ``VALUE``.
        """
        if self.family.fused != "no":
            return 1
        n_rows = len(weight_of(self.projections[layer][kind]))
        return self.space.heads[layer] * self.d_heads[layer] // n_rows

    def rows(
        self, layer: int, kind: int, heads: Iterable[int] | None = None
    ) -> Int[Tensor, " row"]:
        """Return the rows of a projection that compute some heads, head by head.

        Query heads that share keys and values share their rows.

        Args:
            layer: The layer.
            kind: ``QUERY``, ``KEY`` or ``VALUE``.
            heads: The query heads; all of the layer if not given.
        """
        n_heads, d_head = self.space.heads[layer], self.d_heads[layer]
        heads = range(n_heads) if heads is None else heads
        if self.family.fused == "stacked":
            blocks = [kind * n_heads + head for head in heads]
        elif self.family.fused == "by_head":
            blocks = [3 * head + kind for head in heads]
        else:
            n_sharing = self.n_sharing(layer, kind)
            blocks = [head // n_sharing for head in heads]
        starts = torch.tensor(blocks, dtype=torch.long) * d_head
        return (starts[:, None] + torch.arange(d_head)).flatten()


def weight_of(module: nn.Module) -> Tensor:
    """Return a linear map's weight, of shape (output, input), however the module stores it."""
    weight = module.get_parameter("weight")
    return weight if isinstance(module, nn.Linear) else weight.T
