"""A quick guess at the divergence of a choice of units, learnt from choices that were run."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy import linalg
from scipy.stats import norm

from .of_size import Choices

#: Shares of the variance that the fit leaves to what it cannot explain, among which it chooses.
_NOISE = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3)
#: Weights of pairs of units beside those of single units, among which it chooses.
_PAIRS = (0.1, 0.5, 2.0)
#: Choices that a fit takes, at most: the last ones.
_MOST = 2000


@dataclass(frozen=True, eq=False)
class Surrogate:
    """A regression of the log divergence on the units kept, singly and in pairs.

    Args:
        choices: The choices it was fitted to, centred.
        centre: Their mean.
        weights: The weight of each.
        mean: The mean log divergence.
        pairs: How much pairs count beside single units.
        error: The standard deviation of its errors on choices that it was not fitted to, in log
            nats.
    """

    choices: Float[np.ndarray, "choice prunable"]
    centre: Float[np.ndarray, " prunable"]
    weights: Float[np.ndarray, " choice"]
    mean: float
    pairs: float
    error: float

    @classmethod
    def fit(cls, choices: Choices, kl: Float[np.ndarray, " choice"]) -> Surrogate | None:
        """Fit by ridge regression in the space of all units and pairs of units.

        The size of the penalty and the weight of pairs are those of the least error where each
        choice is left out in turn, which has a closed form.

        Args:
            choices: Choices that were run; at least two.
            kl: Their mean divergence, in nats.

        Returns:
            The fit, or nothing where all divergences are the same.
        """
        x, y = choices[-_MOST:].astype(float), _log(kl[-_MOST:])
        centre, mean = x.mean(0), float(y.mean())
        x -= centre
        y -= mean
        if y.std() < 1e-6:
            return None
        best = None
        for pairs in _PAIRS:
            values, vectors = linalg.eigh(_kernel(x, x, pairs))
            projected = vectors.T @ y
            for noise in _NOISE:
                inverse = 1 / (values + noise * values.mean())
                weights = vectors @ (inverse * projected)
                left_out = weights / (np.square(vectors) @ inverse)
                error = float(np.sqrt(np.mean(np.square(left_out))))
                if best is None or error < best.error:
                    best = cls(x, centre, weights, mean, pairs, error)
        return best

    def predict(self, choices: Choices) -> Float[np.ndarray, " choice"]:
        """Predict the log of the mean divergence."""
        x = choices.astype(float) - self.centre
        return self.mean + _kernel(x, self.choices, self.pairs) @ self.weights

    def log_within(
        self, choices: Choices, log_bounds: Float[np.ndarray, " choice"]
    ) -> Float[np.ndarray, " choice"]:
        """Predict the log probability that the divergence is within a bound."""
        return np.asarray(norm.logcdf((log_bounds - self.predict(choices)) / self.error))


def _kernel(
    one: Float[np.ndarray, "row prunable"], other: Float[np.ndarray, "column prunable"], pairs: float
) -> Float[np.ndarray, "row column"]:
    product = one @ other.T
    product /= max(1e-9, float(np.square(other).sum(1).mean()))
    return product + pairs * np.square(product)


def _log(kl: Float[np.ndarray, " choice"]) -> Float[np.ndarray, " choice"]:
    # Divergences below this are rounding errors.
    return np.log(np.maximum(kl, 1e-6))
