"""The adversarial cases that a model tells apart at all: on others there is nothing to lose."""

from __future__ import annotations

import pandas as pd

from ..tables import MODEL
from .separation import auc_interval

_CASE = [*MODEL, "suite", "case"]


def told_apart_by_model(removals: pd.DataFrame, discrimination: pd.DataFrame) -> pd.DataFrame:
    """Keep what removals do on cases that the full model tells from their friendly counterparts.

    A model that is wrong on a case whatever it is asked has an area of 0.5 or less there, which any
    disturbance brings nearer to 0.5: averaged over such cases too, a loss elsewhere would not show.

    Args:
        removals: Rows as in ``tables.REMOVAL_DISCRIMINATION``.
        discrimination: Rows as in ``tables.DISCRIMINATION``: the full model on the study's whole
            suites, of which the examples of the removals are a small part.

    Returns:
        The rows of ``removals``, of each model those on cases whose area lies above 0.5 in the
        other table, interval and all. Where that leaves nothing, and for a probe, which answers
        otherwise than the model does, all of them.
    """
    full = discrimination[discrimination["kind"] == "full"]
    columns = full[["auc", "n", "n_friendly", "auc_se"]].itertuples(index=False, name=None)
    above = [auc_interval(*row).low > 0.5 for row in columns]
    known = pd.MultiIndex.from_frame(full.loc[above, _CASE])
    told = pd.MultiIndex.from_frame(removals[_CASE]).isin(known) & (removals["head"] == "model")
    models = removals[[*MODEL, "head"]].apply(tuple, axis=1)
    some = models.isin(set(models[told]))
    return removals[told | ~some]
