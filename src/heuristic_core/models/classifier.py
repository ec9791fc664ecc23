"""A sequence classifier with its tokenizer and a view of its units; the model stays untouched."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from ..errors import InputError, expect, expect_whole, one_line
from ..subnetwork import Subnetwork
from ..tasks.task import Examples
from ..units import UnitSpace
from .ablation import AblationValues
from .encoding import Encoded, encode
from .families import family_of
from .fit import check_setup, check_tokens, longest, takes_token_types
from .gates import Gates, gated
from .hooks import weight_of
from .sharing import separate_layers

Progress = Callable[[int, int], None]


def part(progress: Progress, before: int, size: int, n_all: int) -> Progress:
    """Report the progress of a part of some work as that of the whole.

    Args:
        progress: Called with (done, in all) of the whole, in thousandths of the sizes' unit.
        before: Size of the parts that are done.
        size: Size of this part.
        n_all: Size of the whole.
    """
    return lambda done, of: progress(1000 * before + 1000 * size * done // max(of, 1), 1000 * n_all)


class Classifier:
    """A Hugging Face sequence classifier whose heads and MLP layers can be gated.

    Args:
        hf: The model; its weights are never changed. Layers that are one module called again and
            again become modules that share their weights.
        tokenizer: Its tokenizer.
        name: What to call it in records, such as the path or hub id it came from.
        max_length: Longest input in tokens; longer ones are cut.

    Raises:
        InputError: If the family is not supported, the tokenizer does not fit it, or the model
            does not look as its family should.
    """

    #: Examples that any of them was called with so far, subnetworks made compact among them.
    n_examples_run: ClassVar[int] = 0

    def __init__(self, hf: Any, tokenizer: Any, name: str = "", max_length: int = 128) -> None:
        expect("hf", hf, PreTrainedModel)
        expect("the tokenizer", tokenizer, PreTrainedTokenizerBase)
        expect_whole("max_length", max_length, 4)
        self.hf = hf
        self.tokenizer = tokenizer
        self.name = name
        self.family = family_of(hf.config.model_type)
        check_setup(name, self.family, hf.config, tokenizer)
        self.max_length = min(max_length, longest(self.family, hf.config) or max_length)
        try:
            separate_layers(hf)
            self.layers = self.family.layer_list(hf)
            self._find_units()
        except AttributeError as error:
            raise InputError(
                f"{one_line(name)!r} is of the family {self.family.name!r} but not built like "
                f"one ({one_line(str(error), 120)}); only transformers' own classes are supported"
            ) from error

    def _find_units(self) -> None:
        self._attention_out = [x.get_submodule(self.family.attention_out) for x in self.layers]
        self._mlp_out = [layer.get_submodule(self.family.mlp_out) for layer in self.layers]

    # --- what it is ---------------------------------------------------------------------------

    @cached_property
    def space(self) -> UnitSpace:
        """The units that can be gated."""
        n_heads = int(self.hf.config.num_attention_heads)
        return UnitSpace((n_heads,) * len(self._attention_out))

    @property
    def labels(self) -> tuple[str, ...]:
        """Label names in the order of the classes."""
        return tuple(self.hf.config.id2label[i] for i in range(self.hf.config.num_labels))

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.hf.device

    @property
    def d_model(self) -> int:
        """Width of the residual stream."""
        return int(self.hf.config.hidden_size)

    @cached_property
    def d_heads(self) -> tuple[int, ...]:
        """Width of a head's output before the projection, for each layer."""
        return tuple(
            int(weight_of(module).shape[1]) // n
            for module, n in zip(self._attention_out, self.space.heads, strict=True)
        )

    def attention_out(self, layer: int) -> nn.Module:
        """Give the module that projects a layer's concatenated heads."""
        return self._attention_out[layer]

    def mlp_out(self, layer: int) -> nn.Module:
        """Give the module whose output is a layer's MLP output before the residual sum."""
        return self._mlp_out[layer]

    def projections(self, layer: int) -> tuple[nn.Module, ...]:
        """Give the linear maps to a layer's queries, keys and values, or the one map to all."""
        attention = self.layers[layer].get_submodule(self.family.attention)
        return tuple(attention.get_submodule(name) for name in self.family.maps)

    # --- running it ---------------------------------------------------------------------------

    def __call__(self, **batch: Any) -> Any:
        """Run the underlying model."""
        if self.family.kind != "encoder":
            # Nothing is generated: keys and values kept for later would only fill the memory.
            batch.setdefault("use_cache", False)
        Classifier.n_examples_run += len(next(iter(batch.values())))
        return self.hf(**batch, return_dict=True)

    def encode(self, examples: Examples) -> Encoded:
        """Tokenise examples, at most ``max_length`` tokens each.

        Raises:
            InputError: If the tokenizer has no padding token, or does not fit the model.
        """
        expect("examples", examples, Examples)
        encoded = encode(self.tokenizer, examples, self.max_length)
        if not takes_token_types(self.family, self.hf.config):
            encoded.columns.pop("token_type_ids", None)
        check_tokens(self, encoded)
        return encoded

    @contextmanager
    def frozen(self, dropout: bool = False) -> Iterator[None]:
        """Run without gradients to the weights within a ``with`` block.

        Args:
            dropout: Leave dropout on; by default it is off.
        """
        training = {module: module.training for module in self.hf.modules()}
        needs_grad = {p: p.requires_grad for p in self.hf.parameters()}
        self.hf.train(dropout)
        self.hf.requires_grad_(False)
        try:
            yield
        finally:
            for module, mode in training.items():
                module.training = mode
            for parameter, flag in needs_grad.items():
                parameter.requires_grad_(flag)

    @contextmanager
    def inference(self) -> Iterator[None]:
        """Run without dropout and without any gradients within a ``with`` block."""
        with self.frozen(), torch.inference_mode():
            yield

    def logits(
        self,
        encoded: Encoded,
        *,
        batch_size: int = 64,
        bf16: bool = False,
        progress: Progress | None = None,
    ) -> Float[Tensor, "example label"]:
        """Run on examples without dropout or gradients, batched by length.

        Args:
            encoded: The examples.
            batch_size: Examples a forward pass.
            bf16: Compute in bfloat16 where that is safe; weights stay as they are.
            progress: Called with (examples done, examples in all) after each batch.

        Returns:
            The logits in the examples' order, in float32 on the CPU.
        """
        expect("encoded", encoded, Encoded, hint="encode examples with model.encode")
        expect("progress", progress, Callable, type(None))
        result = torch.empty(len(encoded), len(self.labels), dtype=torch.float32)
        done = 0
        with self.inference(), torch.autocast(self.device.type, torch.bfloat16, enabled=bf16):
            for rows in encoded.by_length(batch_size):
                result[rows] = self(**encoded.batch(rows, self.device)).logits.float().cpu()
                done += len(rows)
                if progress is not None:
                    progress(done, len(encoded))
        return result

    @contextmanager
    def gated(self, values: AblationValues) -> Iterator[Gates]:
        """Gate the units for the duration of a ``with`` block; see :func:`.gates.gated`."""
        expect("the ablation values", values, AblationValues)
        with gated(self, values) as gates:
            yield gates

    @contextmanager
    def running_as(self, subnetwork: Subnetwork) -> Iterator[None]:
        """Run as a subnetwork for the duration of a ``with`` block.

        Raises:
            InputError: If the subnetwork is of a model with other units.
        """
        with self.gated(self.values_of(subnetwork)) as gates:
            gates.z = torch.tensor(subnetwork.mask, dtype=torch.float32, device=self.device)
            yield

    def values_of(self, subnetwork: Subnetwork) -> AblationValues:
        """Give what stands in for a subnetwork's dropped units.

        Raises:
            InputError: If the subnetwork is of a model with other units, or has no such values.
        """
        expect("the subnetwork", subnetwork, Subnetwork)
        if subnetwork.space != self.space:
            raise InputError(
                f"the subnetwork has {describe(subnetwork.space)}, the model {describe(self.space)}"
                "; apply it to the model it was found in"
            )
        family = subnetwork.provenance.get("family", self.family.name)
        if family != self.family.name:
            raise InputError(
                f"the subnetwork is of a model of the family {one_line(str(family), 60)!r}, this "
                f"one is of {self.family.name!r}; apply it to the model it was found in"
            )
        if subnetwork.ablation == "zero":
            return AblationValues.zeros(self)
        return AblationValues.from_arrays(subnetwork.values, self.space.n_layers)

    def __repr__(self) -> str:
        return f"Classifier({self.name!r}, {self.family.name}, {describe(self.space)})"


def check_classifier(model: object) -> None:
    """Raise an error unless something is a loaded model.

    Raises:
        InputError: If it is not.
    """
    expect("the model", model, Classifier, hint="load it with load_model")


def describe(space: UnitSpace) -> str:
    """Say a unit space in words, such as ``6 layers x 12 heads``."""
    heads: Sequence[int] = sorted(set(space.heads))
    return f"{space.n_layers} layers x {'/'.join(str(n) for n in heads)} heads"
