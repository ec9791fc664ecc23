"""Removing named units from the full model."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ..models.ablation import AblationValues
from ..models.classifier import Classifier
from ..subnetwork import Subnetwork
from ..units import Unit


def removal(
    model: Classifier, *units: Unit | str, means: AblationValues | None = None
) -> Subnetwork:
    """Give the subnetwork that keeps everything but some units.

    Args:
        model: The full model.
        units: What to remove.
        means: What they become; zero if not given.

    Raises:
        InputError: If a unit is not the model's.
    """
    mask = ~model.space.mask(units)
    values = {} if means is None else means.arrays()
    kind = "zero" if means is None else "mean"
    return Subnetwork(model.space, model.space.from_mask(mask), kind, values)


@contextmanager
def without(
    model: Classifier, *units: Unit | str, means: AblationValues | None = None
) -> Iterator[None]:
    """Remove units from the full model for the duration of a ``with`` block.

    Args:
        model: The full model.
        units: What to remove, such as ``"L4H0"``.
        means: What they become, from :func:`heuristic_core.means`; zero if not given.

    Raises:
        InputError: If a unit is not the model's.
    """
    with removal(model, *units, means=means).applied(model):
        yield
