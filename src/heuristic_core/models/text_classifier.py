"""Running a sequence classifier: texts become batches, batches become logits."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Float
from safetensors import SafetensorError
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from ..errors import InputError, expect, expect_whole, one_line
from ..precision import Precision, check_precision
from ..progress import Progress
from ..storage import as_path
from ..tasks.task import Examples
from .encoding import Encoded, encode
from .families import family_of
from .fit import check_setup, check_tokens, longest, takes_token_types
from .precision import autocast, enlarged
from .products import fast_products
from .saving import save_model
from .steady import steady

#: What a batch holds if nothing else is asked for: tokens on a processor, whose caches they should
#: fit into, and examples elsewhere.
_TOKENS, _EXAMPLES = 1536, 64


class TextClassifier:
    """A transformers sequence classifier with its tokenizer: it encodes texts and is run on them.

    Args:
        hf: The model; its weights are never changed.
        tokenizer: Its tokenizer.
        name: Its name in records, such as the path or hub id it came from.
        max_length: Longest input in tokens; longer ones are truncated.

    Raises:
        InputError: If the family is not supported, or the tokenizer does not fit it.
    """

    #: How many examples any classifier was called with so far, compacted ones included.
    n_examples_run: ClassVar[int] = 0
    #: In which precision it computes right now; see ``computing_in``.
    precision: Precision = "float32"

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

    @property
    def labels(self) -> tuple[str, ...]:
        """Label names in the order of the classes."""
        return tuple(self.hf.config.id2label[i] for i in range(self.hf.config.num_labels))

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.hf.device

    def __call__(self, **batch: Any) -> Any:
        """Run the transformers model."""
        if self.family.kind != "encoder":
            # Nothing is generated: keys and values kept for later would only fill the memory.
            batch.setdefault("use_cache", False)
        TextClassifier.n_examples_run += len(next(iter(batch.values())))
        if self.precision == "float32":
            return self.hf(**batch, return_dict=True)
        with autocast(self.device, self.precision):
            output = self.hf(**batch, return_dict=True)
        output.logits = enlarged(output.logits, self.precision)
        return output

    @contextmanager
    def computing_in(self, precision: str) -> Iterator[None]:
        """Compute in a precision within a ``with`` block; weights and logits stay in float32.

        Args:
            precision: ``float32``, ``bfloat16`` or ``float16``; the last two where that is safe.

        Raises:
            InputError: If it is unknown, or narrower and the weights are not in float32.
        """
        chosen = check_precision(precision)
        if chosen != "float32" and self.hf.dtype is not torch.float32:
            dtype = str(self.hf.dtype).removeprefix("torch.")
            raise InputError(
                f"computing in {chosen} is for weights in float32, these are in {dtype}; leave "
                "the precision out"
            )
        before, self.precision = self.precision, chosen
        try:
            yield
        finally:
            self.precision = before

    def encode(self, examples: Examples) -> Encoded:
        """Tokenise examples, at most ``max_length`` tokens each.

        Raises:
            InputError: If the tokenizer has no padding token, or does not fit the model.
        """
        expect("examples", examples, Examples)
        encoded = encode(self.tokenizer, examples, self.max_length)
        if not takes_token_types(self.family, self.hf.config):
            encoded.columns.pop("token_type_ids", None)
        check_tokens(self.hf, self.family, encoded)
        return encoded

    @contextmanager
    def frozen(self, dropout: bool = False) -> Iterator[None]:
        """Run without gradients of the weights within a ``with`` block, by fast products.

        Args:
            dropout: Leave dropout on; by default it is off.
        """
        training = {module: module.training for module in self.hf.modules()}
        needs_grad = {p: p.requires_grad for p in self.hf.parameters()}
        self.hf.train(dropout)
        self.hf.requires_grad_(False)
        try:
            with fast_products(self.hf):
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

    @steady()
    def logits(
        self,
        encoded: Encoded,
        *,
        batch_size: int | None = None,
        precision: str = "float32",
        progress: Progress | None = None,
    ) -> Float[Tensor, "example label"]:
        """Run on examples without dropout or gradients, batched by length.

        Args:
            encoded: The examples.
            batch_size: Examples a forward pass; if not given, as many as suit the device.
            precision: What to compute in; see ``computing_in``.
            progress: Called with (examples done, examples in all) after each batch.

        Returns:
            The logits in the examples' order, in float32 on the CPU.
        """
        expect("encoded", encoded, Encoded, hint="encode examples with model.encode")
        expect("progress", progress, Callable, type(None))
        result = torch.empty(len(encoded), len(self.labels), dtype=torch.float32)
        done = 0
        with self.inference(), self.computing_in(precision):
            for rows in self.batches(encoded, batch_size):
                result[rows] = self(**encoded.batch(rows, self.device)).logits.float().cpu()
                done += len(rows)
                if progress is not None:
                    progress(done, len(encoded))
        return result

    def batches(self, encoded: Encoded, batch_size: int | None = None) -> Iterator[np.ndarray]:
        """Yield the positions of all examples in batches of similar length.

        Args:
            encoded: The examples.
            batch_size: Examples a batch; if not given, as many as suit the device.
        """
        if batch_size is None and self.device.type == "cpu":
            return encoded.by_tokens(_TOKENS)
        return encoded.by_length(_EXAMPLES if batch_size is None else batch_size)

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Write weights, configuration and tokenizer into a folder, made if needed.

        Returns:
            The folder, for ``heuristic_core.load_model``.

        Raises:
            InputError: If the folder cannot be written.
        """
        path = as_path(folder)
        try:
            path.mkdir(parents=True, exist_ok=True)
            save_model(self.hf, self.tokenizer, path)
        except (OSError, SafetensorError) as error:
            raise InputError(f"cannot write {path}: {one_line(str(error), 120)}") from error
        return path
