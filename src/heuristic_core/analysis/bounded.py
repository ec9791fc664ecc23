"""Intervals of means of what has ends: shares, such as accuracies and AUROCs, and sizes."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.special import expit, logit

from .intervals import Estimate
from .paired import over_both

#: The plain half width is lengthened by no more than this: the logit scale has no end.
_MOST = 3.0


def mean_share(
    by_seed: pd.Series, shared: float = 0.0, within: tuple[float, float] = (0.0, 1.0)
) -> Estimate:
    """Estimate a mean share over search seeds with its 95 % interval over seeds and examples.

    Near an end of the scale most seeds lie close together and few lie far towards the middle. A
    sample without these has a mean that is too near the end and an error that is too small. So
    the interval reaches towards the middle as far as on the logit scale, if that is farther.

    Args:
        by_seed: One share per search seed.
        shared: The covariance over examples of the shares of two seeds.
        within: The ends of the scale.

    Returns:
        The estimate; the interval of a single seed is not a number.
    """
    plain = over_both(by_seed, shared)
    value, low, high = plain.value, plain.low, plain.high
    least, width = within[0], within[1] - within[0]
    share, half = (value - least) / width, high - value
    if 0 < share < 1 and half > 0:
        on_logits = half / width / (share * (1 - share))
        far = least + width * expit(logit(share) + np.array([-on_logits, on_logits]))
        low = min(low, max(float(far[0]), value - _MOST * half))
        high = max(high, min(float(far[1]), value + _MOST * half))
    return Estimate(value, float(np.clip(low, *within)), float(np.clip(high, *within)))
