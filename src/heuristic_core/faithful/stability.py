"""The same search on resampled data: does it find a subnetwork again?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float

from ..card_tables import DRAWN, SEARCHES, STABILITY
from ..errors import InputError, one_line
from ..models.classifier import Classifier
from ..progress import Progress
from ..search.data import SearchData
from ..search.find import find_subnetworks
from ..search.methods import METHODS, search_effort
from ..subnetwork import Subnetwork
from .divergence import Masks
from .random_sets import pools, redrawn
from .rank_tests import row_of

#: What a search records of itself, and a repetition needs.
_NEEDED = ("method", "options", "seed", "target", "sparsities_of_run")
#: What a search may have been led by besides.
_LED = {"aim": "an aim", "improved": "a subnetwork to improve", "repel": "others to differ from"}


def check_search(subnetwork: Subnetwork) -> dict[str, Any]:
    """Return what a subnetwork records of the search that found it.

    Raises:
        InputError: If it does not record one that can be repeated.
    """
    record = subnetwork.provenance
    missing = [name for name in _NEEDED if name not in record]
    if missing:
        raise InputError(
            f"the subnetwork does not record its search ({missing[0]} is missing), so the search "
            "cannot be repeated; leave searches out"
        )
    if record["method"] not in METHODS:
        raise InputError(
            f"the subnetwork was found by {one_line(str(record['method']), 60)!r}, which is no "
            "search method here; leave searches out"
        )
    led = [name for name in ("aim", "improved") if name in record]
    if len(record.get("seeds_of_pass", ())) > 1 and record["options"].get("repel"):
        led.append("repel")
    if led:
        raise InputError(
            f"the subnetwork was found with {_LED[led[0]]}, which a repeated search would lack; "
            "leave searches out"
        )
    return dict(record)


def effort(record: dict[str, Any]) -> int:
    """Return the number of examples that one repetition runs forward and backward."""
    return search_effort(record["method"], record["options"], record["sparsities_of_run"])


def search_again(
    model: Classifier,
    data: SearchData,
    subnetwork: Subnetwork,
    sample: int,
    seed: int,
    progress: Progress,
) -> Subnetwork:
    """Repeat a subnetwork's search, with its seed, on a bootstrap sample of the examples.

    Args:
        model: The full model.
        data: The mask-learning examples.
        subnetwork: The subnetwork, whose provenance says how it was found.
        sample: Number of the sample.
        seed: Seed of the samples.
        progress: Called with (steps done, steps in all).
    """
    record = check_search(subnetwork)
    n = len(data.encoded)
    rows = np.random.default_rng([seed, sample]).integers(n, size=n)
    found = find_subnetworks(
        model,
        data.take(np.sort(rows)),
        record["sparsities_of_run"],
        seed=record["seed"],
        method=record["method"],
        units=record.get("units", "all"),
        exclude=record.get("excluded", ()),
        precision=record.get("precision", "float32"),
        progress=progress,
        **record["options"],
    )
    return found[list(record["sparsities_of_run"]).index(record["target"])]


def mean_jaccards(
    sets: Bool[np.ndarray, "choice unit"], found: Bool[np.ndarray, "other unit"]
) -> Float[np.ndarray, " choice"]:
    """Compute each set's Jaccard index with each of some others, averaged over these.

    Args:
        sets: For each set which units, or heads, it has.
        found: The same for the others.
    """
    shared = (sets[:, None] & found).sum(2)
    either = (sets[:, None] | found).sum(2)
    # Two empty sets are equal.
    index = np.divide(shared, either, out=np.ones(shared.shape), where=either > 0)
    return index.mean(1)


def stability_rows(
    subnetwork: Subnetwork,
    found: Sequence[Subnetwork],
    free: Bool[np.ndarray, " unit"],
    n_draws: int,
    seed: list[int],
) -> list[dict[str, Any]]:
    """Test whether a subnetwork is more like those found again than random sets of its size are.

    Args:
        subnetwork: The subnetwork.
        found: Those that the same search finds on resampled examples; at least one.
        free: The units that random sets are drawn from.
        n_draws: Random sets of each kind.
        seed: Seed of the draws.

    Returns:
        Rows as in ``card_tables.CARD`` without what depends on all rows.
    """
    is_head = subnetwork.space.is_head
    others = np.stack([one.mask[is_head] for one in found])
    rows = []
    for i, drawn in enumerate(DRAWN):
        rng = np.random.default_rng([*seed, i])
        sets = redrawn(subnetwork.mask, pools(subnetwork.space, free, drawn), n_draws, rng)
        own, *by_chance = mean_jaccards(np.vstack([subnetwork.mask, sets])[:, is_head], others)
        rows.append(row_of(STABILITY, drawn, own, by_chance, [*seed, i], high=True))
    return rows


def searches_table(
    subnetwork: Subnetwork,
    found: Sequence[Subnetwork],
    kl: Callable[[Masks], Float[np.ndarray, " choice"]],
) -> pd.DataFrame:
    """Return rows as in ``card_tables.SEARCHES``.

    Args:
        subnetwork: The subnetwork.
        found: Those that the same search finds on resampled examples.
        kl: Computes the mean KL divergence from the full model of some choices of units kept.
    """
    divergences = kl(np.stack([one.mask for one in found])) if found else ()
    return SEARCHES.frame(
        {
            "search": i,
            "heads_jaccard": subnetwork.heads_jaccard(one),
            "units_jaccard": subnetwork.units_jaccard(one),
            "kl": float(divergence),
        }
        for i, (one, divergence) in enumerate(zip(found, divergences, strict=True))
    )
