"""Mean unit outputs over real tokens, which replace dropped units in mean ablation."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from ..errors import InputError
from .ablation import AblationValues
from .anatomy import Anatomy
from .classifier import Classifier
from .device import widest_float
from .encoding import Encoded
from .hooks import Handle, on_heads, on_mlp


class Means:
    """Sums of every unit's output over real tokens, filled by hooks as the model runs."""

    def __init__(self, anatomy: Anatomy) -> None:
        self._shapes = list(zip(anatomy.space.heads, anatomy.d_heads, strict=True))
        self._sums: dict[str, Tensor] = {}
        self._n_tokens = 0
        self._real: Bool[Tensor, "batch position"] | None = None

    def start(self, attention_mask: Int[Tensor, "batch position"]) -> None:
        """Note which tokens of the next batch are not padding."""
        self._real = attention_mask.bool()
        self._n_tokens += int(self._real.sum())

    def add(self, name: str, output: Float[Tensor, "batch position width"]) -> None:
        """Add a batch's outputs, in float64, so that the result hardly depends on batch size."""
        total = output[self._real].sum(0, dtype=widest_float(output.device))
        self._sums[name] = self._sums[name] + total if name in self._sums else total

    def values(self) -> AblationValues:
        """Return the means, in float32 on the CPU.

        Raises:
            InputError: If the model was not run.
        """
        if not self._n_tokens:
            raise InputError("means need at least one example")
        means = {name: (s / self._n_tokens).float().cpu() for name, s in self._sums.items()}
        return AblationValues(
            tuple(means[f"L{i}.heads"].reshape(shape) for i, shape in enumerate(self._shapes)),
            tuple(means[f"L{i}.mlp"] for i in range(len(self._shapes))),
        )


@contextmanager
def averaging(anatomy: Anatomy) -> Iterator[Means]:
    """Average unit outputs over all that a model is run on in a ``with`` block.

    Args:
        anatomy: The model's anatomy; the model must be called with an attention mask.

    Yields:
        The means so far.
    """
    means = Means(anatomy)

    def before(module: nn.Module, args: Any, kwargs: dict[str, Any]) -> None:
        means.start(kwargs["attention_mask"])

    with ExitStack() as hooks:
        start = anatomy.hf.register_forward_pre_hook(before, with_kwargs=True)
        hooks.enter_context(Handle(start))
        for i in range(anatomy.space.n_layers):
            hooks.enter_context(on_heads(anatomy, i, partial(means.add, f"L{i}.heads")))
            hooks.enter_context(on_mlp(anatomy, i, partial(means.add, f"L{i}.mlp")))
        yield means


def mean_values(model: Classifier, encoded: Encoded, *, batch_size: int = 64) -> AblationValues:
    """Average every unit's output over all tokens that are not padding (paper, section 3.1).

    Args:
        model: The model, in any mode; it is left as found.
        encoded: The examples to average over; the paper uses up to 100,000 training examples.
        batch_size: Examples a forward pass.

    Returns:
        The means, in float32 on the CPU.

    Raises:
        InputError: If there are no examples.
    """
    with averaging(model.anatomy) as means:
        model.logits(encoded, batch_size=batch_size)
    return means.values()
