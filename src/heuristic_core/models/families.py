"""The table of supported families: where each has its layers, heads and MLP outputs.

This is all that the program knows of an architecture, apart from the few modules of ``smaller.py``.
A new family is one more entry, and one in the tests' table of tiny models.
"""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, replace
from typing import Literal

from torch import nn

from ..errors import InputError, one_line


@dataclass(frozen=True)
class Family:
    """Where one architecture has what is gated, traced, patched and compacted.

    Paths to modules are within a layer, unless it says otherwise.

    Args:
        name: The configuration's ``model_type``.
        layers: Path from the classifier to the list of layers.
        attention: Path to the module that computes the heads. It may contain the output projection
            or pass the heads to it as the first of its results.
        maps: Paths within that module to the linear maps to queries, keys and values, or to the
            one map to all three.
        attention_out: Path to the linear map that projects the concatenated heads; its input is
            what head gates scale.
        mlp_out: Path to the last module of the MLP before the residual sum, or before a norm in
            front of it; its output is what MLP gates scale.
        mlp_before: Paths to the modules before ``mlp_out`` that compute only the MLP.
        readout: Path from the classifier to the linear map that computes the logits.
        kind: ``encoder``, ``decoder`` (classified at the last token), or ``encoder-decoder``, of
            which the encoder's units are gated.
        fused: How one map to all three orders its rows: ``stacked`` is all heads' queries, then
            keys, then values; ``by_head`` is one head's three, then the next one's.
        more_maps: Paths within the attention module to further maps with rows for each head;
            modules may lack them.
        joint_norms: Paths within the attention module to norms over all heads' queries and over
            all heads' keys.
        positions_after_padding: Whether positions are counted from the padding token's id on, so
            that texts must be shorter than the configuration's limit.
        flat_mlp: Whether the MLP reads the tokens of all examples in one row.
        first_token: Path to the module from which on a layer computes token by token, where the
            classifier reads only the first token; its arguments are all of shape (batch, position,
            width).
        note: What to know about its units, for lists.
    """

    name: str
    _: KW_ONLY
    layers: str
    attention: str
    maps: tuple[str, ...]
    attention_out: str
    mlp_out: str
    mlp_before: tuple[str, ...] = ()
    readout: str = "classifier"
    kind: Literal["encoder", "decoder", "encoder-decoder"] = "encoder"
    fused: Literal["no", "stacked", "by_head"] = "no"
    more_maps: tuple[str, ...] = ()
    joint_norms: tuple[str, ...] = ()
    positions_after_padding: bool = False
    flat_mlp: bool = False
    first_token: str = ""
    note: str = ""

    def layer_list(self, model: nn.Module) -> list[nn.Module]:
        """Return the model's layers in order."""
        return list(model.get_submodule(self.layers).children())

    @property
    def out_inside(self) -> bool:
        """Whether the attention module contains the output projection."""
        return self.attention_out.startswith(f"{self.attention}.")

    @property
    def out_after_first_token(self) -> bool:
        """Whether the output projection is among what computes token by token."""
        return self.attention_out.startswith(f"{self.first_token}.")


_BERT = Family(
    "bert",
    layers="bert.encoder.layer",
    attention="attention.self",
    maps=("query", "key", "value"),
    attention_out="attention.output.dense",
    mlp_out="output.dropout",
    mlp_before=("intermediate", "output.dense"),
    first_token="attention.output",
)

_ROBERTA = replace(
    _BERT,
    name="roberta",
    layers="roberta.encoder.layer",
    readout="classifier.out_proj",
    positions_after_padding=True,
)

_LLAMA = Family(
    "llama",
    layers="model.layers",
    attention="self_attn",
    maps=("q_proj", "k_proj", "v_proj"),
    attention_out="self_attn.o_proj",
    mlp_out="mlp",
    readout="score",
    kind="decoder",
    note="a unit per query head, also where keys and values are shared",
)

_NORMS_AFTER = "a unit per query head; units are gated before the norms that follow them"

FAMILIES: dict[str, Family] = {
    family.name: family
    for family in (
        _BERT,
        _ROBERTA,
        replace(_ROBERTA, name="xlm-roberta"),
        replace(_ROBERTA, name="camembert"),
        replace(
            _BERT, name="electra", layers="electra.encoder.layer", readout="classifier.out_proj"
        ),
        replace(
            _BERT,
            name="deberta-v2",
            layers="deberta.encoder.layer",
            maps=("query_proj", "key_proj", "value_proj"),
            more_maps=("pos_key_proj", "pos_query_proj"),
        ),
        Family(
            "mpnet",
            layers="mpnet.encoder.layer",
            attention="attention.attn",
            maps=("q", "k", "v"),
            attention_out="attention.attn.o",
            mlp_out="output.dropout",
            mlp_before=("intermediate", "output.dense"),
            readout="classifier.out_proj",
            positions_after_padding=True,
            first_token="attention.LayerNorm",
        ),
        Family(
            "distilbert",
            layers="distilbert.transformer.layer",
            attention="attention",
            maps=("q_lin", "k_lin", "v_lin"),
            attention_out="attention.out_lin",
            mlp_out="ffn",
            first_token="sa_layer_norm",
        ),
        Family(
            "albert",
            layers="albert.encoder.albert_layer_groups",
            attention="albert_layers.0.attention",
            maps=("query", "key", "value"),
            attention_out="albert_layers.0.attention.dense",
            mlp_out="albert_layers.0.ffn_output",
            mlp_before=("albert_layers.0.ffn",),
            first_token="albert_layers.0.attention.LayerNorm",
            note="one set of weights, yet each layer has units of its own; compaction unshares",
        ),
        Family(
            "modernbert",
            layers="model.layers",
            attention="attn",
            maps=("Wqkv",),
            attention_out="attn.Wo",
            mlp_out="mlp",
            fused="stacked",
            note="some layers attend within a window",
        ),
        Family(
            "gpt2",
            layers="transformer.h",
            attention="attn",
            maps=("c_attn",),
            attention_out="attn.c_proj",
            mlp_out="mlp",
            readout="score",
            kind="decoder",
            fused="stacked",
        ),
        Family(
            "gpt_neo",
            layers="transformer.h",
            attention="attn.attention",
            maps=("q_proj", "k_proj", "v_proj"),
            attention_out="attn.attention.out_proj",
            mlp_out="mlp",
            readout="score",
            kind="decoder",
            note="some layers attend within a window",
        ),
        Family(
            "gpt_neox",
            layers="gpt_neox.layers",
            attention="attention",
            maps=("query_key_value",),
            attention_out="attention.dense",
            mlp_out="post_mlp_dropout",
            mlp_before=("mlp",),
            readout="score",
            kind="decoder",
            fused="by_head",
            note="attention and MLP are in parallel",
        ),
        replace(
            _LLAMA,
            name="opt",
            layers="model.decoder.layers",
            attention_out="self_attn.out_proj",
            mlp_out="fc2",
            mlp_before=("fc1",),
            flat_mlp=True,
            note="",
        ),
        _LLAMA,
        *(replace(_LLAMA, name=name) for name in ("mistral", "qwen2", "qwen3", "gemma")),
        replace(_LLAMA, name="gemma2", note=_NORMS_AFTER),
        replace(_LLAMA, name="gemma3_text", note=_NORMS_AFTER),
        *(
            replace(_LLAMA, name=name, joint_norms=("q_norm", "k_norm"), note=_NORMS_AFTER)
            for name in ("olmo2", "olmo3")
        ),
        replace(
            _LLAMA,
            name="phi",
            attention_out="self_attn.dense",
            note="attention and MLP are in parallel",
        ),
        Family(
            "t5",
            layers="transformer.encoder.block",
            attention="layer.0.SelfAttention",
            maps=("q", "k", "v"),
            attention_out="layer.0.SelfAttention.o",
            mlp_out="layer.1.dropout",
            mlp_before=("layer.1.DenseReluDense",),
            readout="classification_head.out_proj",
            kind="encoder-decoder",
            note="the encoder's units; the decoder, which reads the answer at <eos>, is left alone",
        ),
        Family(
            "bart",
            layers="model.encoder.layers",
            attention="self_attn",
            maps=("q_proj", "k_proj", "v_proj"),
            attention_out="self_attn.out_proj",
            mlp_out="fc2",
            mlp_before=("fc1",),
            readout="classification_head.out_proj",
            kind="encoder-decoder",
            note="the encoder's units; the decoder, which reads the answer at <eos>, is left alone",
        ),
    )
}


def family_of(model_type: str) -> Family:
    """Look up a family by the configuration's ``model_type``.

    Raises:
        InputError: If the family is not supported.
    """
    if model_type not in FAMILIES:
        raise InputError(
            f"models of the family {one_line(model_type, 60)!r} are not supported yet; "
            f"supported: {', '.join(FAMILIES)}"
        )
    return FAMILIES[model_type]
