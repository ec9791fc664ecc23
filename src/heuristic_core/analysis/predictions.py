"""What systems answer to single examples, unpacked from ``tables.PREDICTIONS``."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float

from ..tables import SYSTEM_NAMES
from .accuracies import CASE, distinct_subnetworks
from .evidence import Evidence
from .systems import BY_SPARSITY, by_system


def unpacked(rows: pd.DataFrame) -> Bool[np.ndarray, "row example"]:
    """Unpack which examples of one case systems answer correctly.

    Args:
        rows: Rows of one case as in ``tables.PREDICTIONS``, all of the same examples.
    """
    packed = np.frombuffer(b"".join(rows["correct"]), np.uint8).reshape(len(rows), -1)
    return np.unpackbits(packed, axis=1, count=int(rows["n"].iloc[0])).astype(bool)


def unpacked_scores(rows: pd.DataFrame) -> Float[np.ndarray, "row example"]:
    """Unpack how systems score the examples of one case, in nats.

    Args:
        rows: Rows of one case and label as in ``tables.PREDICTIONS``, all with scores of the same
            examples.
    """
    packed = np.frombuffer(b"".join(rows["scores"]), "<f2").reshape(len(rows), -1)
    return packed.astype(np.float64)


def answers_by_case(evidence: Evidence) -> dict[Any, dict[Any, pd.DataFrame]]:
    """Unpack which examples every subnetwork answers correctly.

    Returns:
        For each fine-tuning, checkpoint, method and sparsity, by suite and case, a row per search
        seed and a column per example; nothing where single predictions were not kept.
    """
    rows = distinct_subnetworks(evidence, "predictions").drop_duplicates([*SYSTEM_NAMES, *CASE])
    return {
        key: {
            case: pd.DataFrame(unpacked(of_case), of_case["seed"])
            for case, of_case in some.groupby(CASE)
        }
        for key, some in by_system(rows, BY_SPARSITY)
    }
