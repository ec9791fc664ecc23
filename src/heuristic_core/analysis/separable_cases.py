"""The adversarial cases that a model separates from friendly ones; others have nothing to lose."""

from __future__ import annotations

import pandas as pd

from ..tables import MODEL_NAMES
from .accuracies import CASE
from .separation import auc_interval

#: What limits every question that uses these cases.
SEPARABLE_CASES_ONLY = (
    "AUROC is a mean over those adversarial cases that the full model separates from friendly "
    "ones, if it separates any: in other cases there is nothing to lose."
)
_CASE = [*MODEL_NAMES, *CASE]


def separable_cases(removals: pd.DataFrame, discrimination: pd.DataFrame) -> pd.DataFrame:
    """Keep the rows of cases that the full model separates from their friendly counterparts.

    If a model answers a case wrongly whatever the input is, its AUROC there is 0.5 or less, and
    any disturbance brings it nearer to 0.5. A mean over such cases too would hide a loss elsewhere.

    Args:
        removals: Rows as in ``tables.REMOVAL_DISCRIMINATION``.
        discrimination: Rows as in ``tables.DISCRIMINATION``: the full model on the study's whole
            suites, of which the examples of the removals are a small part.

    Returns:
        The rows of ``removals``, of each model those of cases whose AUROC lies above 0.5 in the
        other table, interval and all. If a model has none, all its rows; likewise for a probe,
        which answers differently from the model.
    """
    full = discrimination[discrimination["kind"] == "full"]
    columns = full[["auc", "n", "n_friendly", "auc_se"]].itertuples(index=False, name=None)
    above = [auc_interval(*row).low > 0.5 for row in columns]
    known = pd.MultiIndex.from_frame(full.loc[above, _CASE])
    cases = pd.MultiIndex.from_frame(removals[_CASE])
    separable = cases.isin(known) & (removals["readout"] == "model")
    models = removals[[*MODEL_NAMES, "readout"]].apply(tuple, axis=1)
    some = models.isin(set(models[separable]))
    return removals[separable | ~some]
