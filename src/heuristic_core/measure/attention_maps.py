"""What every head attends to in single examples."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float, UInt8
from torch import Tensor

from ..errors import InputError, expect, one_line
from ..models.classifier import Classifier, check_classifier
from ..models.encoding import Encoded
from ..progress import Progress
from ..tables import ATTENTION_EXAMPLES, ATTENTION_MAPS, MODEL_NAMES
from ..tasks.task import Examples, Suite
from ..units import Unit

#: Maps are kept of so many tokens at most.
MOST_TOKENS = 48

_MAPS, _EXAMPLES = (table.without(MODEL_NAMES) for table in (ATTENTION_MAPS, ATTENTION_EXAMPLES))


class MapTables(NamedTuple):
    """The attention in one example of each case.

    Args:
        maps: Rows as in ``tables.ATTENTION_MAPS`` without the columns that name a model.
        examples: The same as in ``tables.ATTENTION_EXAMPLES``.
    """

    maps: pd.DataFrame
    examples: pd.DataFrame


def case_maps(model: Classifier, suite: Suite, *, progress: Progress | None = None) -> MapTables:
    """Measure the attention of every head in one example of each case of a suite.

    The example is the first of those with the median number of tokens (the lower one of two)
    among the case's examples with at most ``MOST_TOKENS``. If there are none, it is the first
    of the shortest, and the attention among its first tokens is kept.

    Args:
        model: The model; it is not changed.
        suite: The examples.
        progress: Called with (cases done, cases in all) after each.

    Raises:
        InputError: If the model gives no attention maps, or maps that are not finite.
    """
    encoded = model.encode(suite.examples)
    cases = suite.examples.table["case"].to_numpy()
    class_map = suite.class_map(model.labels)
    heads = [unit for unit in model.space.units if unit.is_head]
    maps, examples = [], []
    with model.inference(), showing_maps(model):
        for done, case in enumerate(suite.cases, 1):
            of_case = np.flatnonzero(cases == case)
            row = int(of_case[_usual(encoded.lengths[of_case])])
            # Alone in its batch, an example has no padding.
            output = _run(model, encoded.batch([row], model.device))
            tokens = _spelled(model, encoded, row)
            n = min(len(tokens), MOST_TOKENS)
            named = {"suite": suite.name, "case": case, "n": n}
            weights = [_array(layer)[:, :n, :n] for layer in _maps(model, output)]
            for unit in heads:
                packed = _quantised(model, weights[unit.layer][unit.head or 0]).tobytes()
                facts = {"unit": str(unit), "layer": unit.layer, "head": unit.head}
                maps.append(named | facts | {"weights": packed})
            answer = class_map[int(output.logits[0].argmax())]
            examples.append(
                named
                | {
                    "label": suite.examples.table["label"].iloc[row],
                    "answer": suite.examples.labels[answer],
                    "length": len(tokens),
                    "tokens": json.dumps(tokens[:n], ensure_ascii=False),
                }
            )
            if progress is not None:
                progress(done, len(suite.cases))
    return MapTables(_MAPS.frame(maps), _EXAMPLES.frame(examples))


def attention_of(
    model: Classifier, head: Unit | str, text: str, text_pair: str | None = None
) -> tuple[tuple[str, ...], Float[np.ndarray, "query key"]]:
    """Return what one head attends to in one text or pair.

    Args:
        model: The model; it is not changed.
        head: The head, such as ``"L4H0"``.
        text: The text, or the first of a pair.
        text_pair: The second of a pair.

    Returns:
        The tokens, special ones too, and the attention from each token to each token; rows sum
        to 1.

    Raises:
        InputError: If the model has no such head, the texts are none, or the model gives no
            attention maps.
    """
    check_classifier(model)
    expect("the text", text, str)
    expect("the second text", text_pair, str, type(None))
    unit = model.space.units[model.space.index(head)]
    if unit.head is None:
        raise InputError(f"{unit} is an MLP layer, which does not attend; give a head, as L4H0")
    pair = None if text_pair is None else [text_pair]
    examples = Examples.build([text], pair, model.labels[:1], "", model.labels)
    encoded = model.encode(examples)
    with model.inference(), showing_maps(model):
        maps = attention_maps(model, encoded.batch([0], model.device))
    return tuple(_spelled(model, encoded, 0)), _array(maps[unit.layer])[unit.head]


@contextmanager
def showing_maps(model: Classifier) -> Iterator[None]:
    """Use the attention implementation that returns maps within a ``with`` block."""
    modules = list(model.hf.modules())
    # Transformers sets hooks and attributes to return maps, and does not remove them.
    hooks = [set(module._forward_hooks) for module in modules]
    names = [set(vars(module)) for module in modules]
    before = model.hf.config._attn_implementation
    try:
        model.hf.set_attn_implementation("eager")
        yield
    finally:
        model.hf.set_attn_implementation(before)
        for module, old_hooks, old_names in zip(modules, hooks, names, strict=True):
            for key in set(module._forward_hooks) - old_hooks:
                del module._forward_hooks[key]
            for name in set(vars(module)) - old_names:
                delattr(module, name)


def attention_maps(
    model: Classifier, batch: dict[str, Tensor]
) -> tuple[Float[Tensor, "batch head query key"], ...]:
    """Return the attention maps of every layer, inside ``showing_maps``.

    Raises:
        InputError: If the model does not return them.
    """
    return _maps(model, _run(model, batch))


def _run(model: Classifier, batch: dict[str, Tensor]) -> Any:
    return model(**batch, output_attentions=True)


def _maps(model: Classifier, output: Any) -> tuple[Float[Tensor, "batch head query key"], ...]:
    # An encoder-decoder returns maps of both.
    name = "encoder_attentions" if model.family.kind == "encoder-decoder" else "attentions"
    maps: tuple[Tensor, ...] = getattr(output, name)
    if not maps or any(layer is None for layer in maps):
        raise InputError(
            f"models of the family {model.family.name!r} do not return their attention maps, so "
            "their patterns cannot be measured; choose another model"
        )
    return maps


def _array(layer: Float[Tensor, "1 head query key"]) -> Float[np.ndarray, "head query key"]:
    array: np.ndarray = layer[0].float().cpu().numpy()
    return array


def _spelled(model: Classifier, encoded: Encoded, row: int) -> list[str]:
    """Spell one example's tokens, special ones too."""
    tokens = model.tokenizer.convert_ids_to_tokens(encoded.columns["input_ids"][row])
    return [model.tokenizer.convert_tokens_to_string([t]).strip() or t for t in tokens]


def _usual(lengths: np.ndarray) -> int:
    """Return the position of the first example of median length, of those that are not cut."""
    whole = np.sort(lengths[lengths <= MOST_TOKENS])
    chosen = whole[(len(whole) - 1) // 2] if len(whole) else lengths.min()
    return int(np.flatnonzero(lengths == chosen)[0])


def _quantised(
    model: Classifier, weights: Float[np.ndarray, "query key"]
) -> UInt8[np.ndarray, "query key"]:
    """Round shares to 255ths."""
    if not np.isfinite(weights).all():
        raise not_finite(model)
    return np.rint(255 * weights.astype(np.float64)).astype(np.uint8)


def not_finite(model: Classifier) -> InputError:
    """Build the error for attention that is not a number."""
    return InputError(
        f"{one_line(model.name)!r} gives attention that is not a finite number; its weights "
        "are damaged, or its dtype is too narrow: try float32"
    )
