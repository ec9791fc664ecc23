"""A quick guess at the divergence of a choice of units, learnt from choices that were run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy import linalg
from scipy.stats import norm

from .of_size import Choices

#: Weights of pairs of units beside those of single units, among which a fit chooses.
_PAIRS = (0.03, 0.1, 0.5)
#: What it adds to the variance of single units and pairs, as a share, for all that is between more.
_NOISE = (0.001, 0.003, 0.01, 0.03, 0.1)
#: Divergences that differ from the bound by less, in log nats, say how good a fit is.
_NEAR = 0.5
#: Fewer of them say too little; then all do.
_FEWEST = 20
#: Divergences below this, in nats, are rounding errors.
_LEAST = 1e-7

Outputs = Float[np.ndarray, "choice output"]
Divergence = Callable[[Outputs], Float[np.ndarray, " choice"]]


@dataclass(frozen=True, eq=False)
class Surrogate:
    """A regression of what a model computes on the units kept, singly and in pairs.

    Args:
        choices: The choices it was fitted to, centred.
        centre: Their mean.
        weights: The weight of each for every output.
        mean: The mean of every output.
        pairs: How much pairs count beside single units.
        divergence: Computes the divergence, in nats, of what a model computes.
        bias: What its predictions lack on average, in log nats, near the bound.
        error: The standard deviation of its errors there.
    """

    choices: Float[np.ndarray, "choice prunable"]
    centre: Float[np.ndarray, " prunable"]
    weights: Outputs
    mean: Float[np.ndarray, " output"]
    pairs: float
    divergence: Divergence
    bias: float
    error: float

    @classmethod
    def fit(
        cls, choices: Choices, outputs: Outputs, divergence: Divergence, bound: float
    ) -> Surrogate:
        """Fit by ridge regression in the space of all units and pairs of units.

        The penalty and the weight of pairs are those with the least error near a bound where each
        choice is left out in turn, which has a closed form.

        Args:
            choices: Choices that were run, at least three.
            outputs: What the model computes under each.
            divergence: Computes the divergence, in nats, of such outputs.
            bound: The divergence near which predictions are wanted, in nats.

        Returns:
            The best fit.
        """
        x, mean = choices.astype(float), outputs.mean(0, dtype=float)
        centre = x.mean(0)
        x -= centre
        true = _log(divergence(outputs))
        near = np.abs(true - np.log(bound)) < _NEAR
        if near.sum() < _FEWEST:
            near[:] = True
        fits = []
        for pairs in _PAIRS:
            values, vectors = linalg.eigh(_kernel(x, x, pairs))
            projected = vectors.T @ (outputs - mean)
            squares = np.square(vectors)
            for noise in _NOISE:
                inverse = 1 / (values + noise * values.mean())
                weights = vectors @ (inverse[:, None] * projected)
                without_it = outputs - weights / (squares @ inverse)[:, None]
                errors = (true - _log(divergence(without_it)))[near]
                fits.append(
                    cls(
                        x,
                        centre,
                        weights,
                        mean,
                        pairs,
                        divergence,
                        float(errors.mean()),
                        max(1e-3, float(errors.std())),
                    )
                )
        return min(fits, key=lambda one: one.error)

    def predict(self, choices: Choices) -> Float[np.ndarray, " choice"]:
        """Predict the log of the divergence."""
        x = choices.astype(float) - self.centre
        outputs = _kernel(x, self.choices, self.pairs) @ self.weights + self.mean
        return _log(self.divergence(outputs)) + self.bias

    def log_within(
        self, choices: Choices, bounds: Float[np.ndarray, " choice"]
    ) -> Float[np.ndarray, " choice"]:
        """Predict the log probability that each divergence is within a bound, in nats."""
        return np.asarray(norm.logcdf((np.log(bounds) - self.predict(choices)) / self.error))


def _kernel(
    one: Float[np.ndarray, "row prunable"],
    other: Float[np.ndarray, "column prunable"],
    pairs: float,
) -> Float[np.ndarray, "row column"]:
    """Multiply choices in the space of single units and of pairs."""
    product = one @ other.T
    product /= max(1e-9, float(np.square(other).sum(1).mean()))
    return product + pairs * np.square(product)


def _log(kl: Float[np.ndarray, " choice"]) -> Float[np.ndarray, " choice"]:
    return np.log(np.maximum(kl, _LEAST))
