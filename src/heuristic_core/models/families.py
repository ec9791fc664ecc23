"""The table of supported families: where each keeps its layers, heads and MLP outputs.

This is all the program knows of an architecture. A new family is one more entry, and a line in
the contract tests.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from ..errors import InputError, one_line


@dataclass(frozen=True)
class Parts:
    """Where a layer of one architecture keeps what compaction takes out.

    Args:
        attention: Path within a layer to the module that computes the heads and hands them, first
            in a tuple, to the output projection, which is no part of it.
        projections: Paths within that module to the linear maps to queries, keys and values; the
            rows of their weights are the heads, in order.
        mlp: Paths within a layer to the modules that compute the MLP, all that come before
            ``mlp_out``.
        counts: Names of the attention module's attributes for the number of heads and their width
            taken together.
    """

    attention: str
    projections: tuple[str, ...]
    mlp: tuple[str, ...]
    counts: tuple[str, str] = ("num_attention_heads", "all_head_size")


@dataclass(frozen=True)
class Family:
    """Where one architecture keeps what is gated.

    Args:
        name: The configuration's ``model_type``.
        layers: Path from the classifier to the list of layers.
        attention_out: Path within a layer to the linear map that projects the concatenated heads;
            its input is what head gates scale.
        mlp_out: Path within a layer to the last module of the MLP before the residual sum, dropout
            included; its output is what MLP gates scale.
        heads: Name of the configuration's entry for the number of heads.
        readout: Path from the classifier to the linear map that gives the logits; its input, one
            vector per example, is what the model's answer rests on.
        parts: What compaction needs to know; ``None`` where it is not supported.
    """

    name: str
    layers: str
    attention_out: str
    mlp_out: str
    heads: str = "num_attention_heads"
    readout: str = "classifier"
    parts: Parts | None = None

    def layer_list(self, model: nn.Module) -> list[nn.Module]:
        """Give the model's layers in order."""
        return list(model.get_submodule(self.layers).children())


FAMILIES: dict[str, Family] = {
    family.name: family
    for family in (
        Family(
            "bert",
            "bert.encoder.layer",
            "attention.output.dense",
            "output.dropout",
            parts=Parts(
                "attention.self", ("query", "key", "value"), ("intermediate", "output.dense")
            ),
        ),
    )
}


def family_of(model_type: str) -> Family:
    """Look a family up by the configuration's ``model_type``.

    Raises:
        InputError: If the family is not supported.
    """
    if model_type not in FAMILIES:
        raise InputError(
            f"models of the family {one_line(model_type, 60)!r} are not supported yet; "
            f"supported: {', '.join(FAMILIES)}"
        )
    return FAMILIES[model_type]
