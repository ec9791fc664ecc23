"""Attention maps as the page holds them: packed, and no more than it has room for."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from ...tables import MODEL_NAMES
from ..results import Results
from ..wording import name

#: Bytes that all maps of a run may take on the page.
ROOM = 2_000_000
_CASE = ["suite", "case"]


def maps(results: Results, units: Sequence[str], room: int = ROOM) -> Iterator[dict[str, Any]]:
    """Iterate over what heads attend to in the example of each case, at each checkpoint.

    Args:
        results: The results; runs that have not measured maps give none.
        units: All units in order.
        room: Bytes that the maps may take. Whole cases are left out from the end.

    Returns:
        For each case and model its tokens, the places of its heads among the units, and the
        maps' bytes one after the other, deflated, in base 64.
    """
    found = results.measured.get("attention_maps")
    examples = results.measured.get("attention_examples")
    if found is None or examples is None or found.empty:
        return
    place = {unit: i for i, unit in enumerate(units)}
    about = examples.set_index([*MODEL_NAMES, *_CASE]).to_dict("index")
    for case, of_case in found.groupby(_CASE, sort=False):
        blocks = [
            _block(case, model, some, about[(*model, *case)], place)
            for model, some in of_case.groupby(MODEL_NAMES)
        ]
        room -= sum(len(block["weights"]) for block in blocks)
        if room < 0:
            return
        yield from blocks


def _block(
    case: tuple[Any, ...],
    model: tuple[Any, ...],
    rows: pd.DataFrame,
    example: Mapping[Any, Any],
    place: Mapping[str, int],
) -> dict[str, Any]:
    known = rows[rows["unit"].isin(place)]
    packed = zlib.compress(b"".join(known["weights"]), 9)
    return {
        "case": ": ".join(name(part) for part in case),
        "step": int(model[1]),
        "tuning": int(model[0]),
        "n": int(example["n"]),
        "tokens": [name(token) for token in json.loads(example["tokens"])],
        "label": name(example["label"]),
        "answer": name(example["answer"]),
        "heads": known["unit"].map(place).tolist(),
        "weights": base64.b64encode(packed).decode(),
    }
