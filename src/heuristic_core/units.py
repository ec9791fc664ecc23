"""Units and the space they form: what a search keeps or drops.

A *unit* is one attention head (``L4H0``) or one MLP layer (``L4MLP``), both counted from 0.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from numbers import Real

import numpy as np
from jaxtyping import Bool

from . import notebook
from .errors import InputError, expect, expect_whole, one_line, unknown

UNIT_SCOPES = ("all", "heads")

_LABEL = re.compile(r"L(\d{1,4})(?:H(\d{1,4})|MLP)", re.ASCII)


@dataclass(frozen=True, order=True)
class Unit:
    """One attention head or one MLP layer.

    Args:
        layer: The layer, from 0.
        head: The head within the layer, from 0; ``None`` for the MLP.
    """

    layer: int
    head: int | None = field(default=None, compare=False)
    # An MLP sorts after all heads of its layer; ``None`` itself has no order.
    _rank: int = field(init=False, repr=False, default=0)

    def __post_init__(self) -> None:
        expect_whole("the layer of a unit", self.layer)
        if self.head is not None:
            expect_whole("the head of a unit", self.head)
        object.__setattr__(self, "_rank", 10_000 if self.head is None else self.head)

    @property
    def is_head(self) -> bool:
        """Whether the unit is an attention head."""
        return self.head is not None

    def __str__(self) -> str:
        return f"L{self.layer}MLP" if self.head is None else f"L{self.layer}H{self.head}"

    def _repr_html_(self) -> str:
        what = "MLP" if self.head is None else f"head {self.head}"
        return notebook.heading(f"{self}: {what} of layer {self.layer}")

    @classmethod
    def parse(cls, label: str) -> Unit:
        """Read a label such as ``L4H0`` or ``L4MLP``.

        Raises:
            InputError: If the text is no such label.
        """
        match = _LABEL.fullmatch(label.strip()) if isinstance(label, str) else None
        if match is None:
            raise InputError(
                f"{one_line(repr(label), 60)} is no unit; "
                "write a head as L4H0 and an MLP layer as L4MLP"
            )
        head = match.group(2)
        return cls(int(match.group(1)), None if head is None else int(head))


@dataclass(frozen=True)
class UnitSpace:
    """All prunable units of a model, in one fixed order: layer by layer, heads, then the MLP.

    Args:
        heads: Number of heads of each layer.
    """

    heads: tuple[int, ...]

    def __post_init__(self) -> None:
        expect("heads", self.heads, tuple)
        for n in self.heads:
            expect_whole("the number of heads of a layer", n)
        few = all(1 <= n < 10_000 for n in self.heads) and sum(self.heads) < 1_000_000
        if not 1 <= len(self.heads) < 10_000 or not few:
            raise InputError(
                "a unit space needs at least one layer, 1 to 9999 heads in every layer, and less "
                "than 10000 layers and 1000000 heads in all"
            )

    def __str__(self) -> str:
        heads = "/".join(str(n) for n in sorted(set(self.heads)))
        return one_line(f"{self.n_layers} layers x {heads} heads", 200)

    def __repr__(self) -> str:
        return f"UnitSpace({self})"

    def _repr_html_(self) -> str:
        return self.html(np.ones(len(self), dtype=bool), f"{self}, {len(self)} units with MLPs")

    def html(self, mask: Bool[np.ndarray, " unit"], caption: str) -> str:
        """Write the grid of units as a notebook shows it.

        Args:
            mask: Which of them are filled.
            caption: What that means.
        """
        rows = [
            (f"L{layer}", mask[first : first + n].tolist(), bool(mask[first + n]))
            for layer, (first, n) in enumerate(zip(self.offsets, self.heads, strict=True))
        ]
        return notebook.grid(rows, caption)

    @property
    def n_layers(self) -> int:
        """Number of layers."""
        return len(self.heads)

    @property
    def n_heads(self) -> int:
        """Number of heads over all layers."""
        return sum(self.heads)

    def __len__(self) -> int:
        return self.n_heads + self.n_layers

    def __iter__(self) -> Iterator[Unit]:
        return iter(self.units)

    def __contains__(self, unit: object) -> bool:
        return unit in self._index

    @cached_property
    def units(self) -> tuple[Unit, ...]:
        """The units in order."""
        return tuple(
            unit
            for layer, n in enumerate(self.heads)
            for unit in (*(Unit(layer, head) for head in range(n)), Unit(layer))
        )

    @cached_property
    def _index(self) -> dict[Unit, int]:
        return {unit: i for i, unit in enumerate(self.units)}

    @cached_property
    def offsets(self) -> tuple[int, ...]:
        """Index of each layer's first head; the layer's MLP follows its last head."""
        return tuple(int(i) for i in np.cumsum([0, *(n + 1 for n in self.heads[:-1])]))

    @cached_property
    def is_head(self) -> Bool[np.ndarray, " unit"]:
        """Which positions are heads."""
        return np.array([unit.is_head for unit in self.units])

    def index(self, unit: Unit | str) -> int:
        """Return the position of a unit.

        Raises:
            InputError: If the unit is not part of this space.
        """
        parsed = unit if isinstance(unit, Unit) else Unit.parse(unit)
        if parsed not in self._index:
            raise InputError(
                f"there is no unit {parsed} here: the model has layers 0..{self.n_layers - 1} "
                f"with {_span(self.heads)} heads each, counted from 0"
            )
        return self._index[parsed]

    def mask(self, kept: Iterable[Unit | str]) -> Bool[np.ndarray, " unit"]:
        """Turn a collection of kept units into a vector of bits in the space's order."""
        expect("units", kept, Iterable)
        mask = np.zeros(len(self), dtype=bool)
        for unit in kept:
            mask[self.index(unit)] = True
        return mask

    def from_mask(self, mask: Sequence[bool] | np.ndarray) -> frozenset[Unit]:
        """Turn a vector of bits in the space's order into the set of kept units."""
        if np.shape(mask) != (len(self),):
            raise InputError(f"a mask of shape {np.shape(mask)} does not fit {len(self)} units")
        return frozenset(unit for unit, bit in zip(self.units, mask, strict=True) if bit)

    def prunable(self, scope: str = "all") -> Bool[np.ndarray, " unit"]:
        """Return which positions may be dropped: all of them, or heads alone."""
        if scope not in UNIT_SCOPES:
            raise unknown("unit scope", scope, UNIT_SCOPES)
        return np.ones(len(self), dtype=bool) if scope == "all" else self.is_head.copy()


def n_kept(n_units: int, sparsity: float) -> int:
    """Compute the number of units kept of n at a sparsity: n - floor(sparsity x n + 0.5).

    Args:
        n_units: Number of prunable units.
        sparsity: Share to drop, in [0, 1).

    Returns:
        The number kept.

    Raises:
        InputError: If the sparsity is outside [0, 1).
    """
    # As the sparsity is written: in binary, 0.58 of 25 units is less than 14.5.
    share = Fraction(repr(check_sparsity(sparsity)))
    return n_units - math.floor(share * n_units + Fraction(1, 2))


def check_sparsity(sparsity: float) -> float:
    """Return the sparsity if it lies in [0, 1).

    Raises:
        InputError: If it does not.
    """
    if isinstance(sparsity, bool) or not isinstance(sparsity, Real) or not 0 <= sparsity < 1:
        raise InputError(
            f"sparsity {one_line(repr(sparsity))} is outside [0, 1): it is the share of units "
            "dropped, so 0.5 keeps half"
        )
    # As a number of fewer bits is written: 0.58, and not the nearest of them in binary.
    return float(str(sparsity)) if isinstance(sparsity, np.floating) else float(sparsity)


def _span(heads: Sequence[int]) -> str:
    low, high = min(heads), max(heads)
    return str(low) if low == high else f"{low}..{high}"
