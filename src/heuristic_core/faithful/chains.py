"""Markov chains over the subnetworks of one size whose divergence is within a bound.

Each chain holds a subnetwork at every level of a ladder of bounds, of which the lowest is the one
asked for. At every level all subnetworks within its bound are equally likely. Levels next to each
other swap their subnetworks where both are within both bounds. The last level may have no bound:
then it is drawn anew each time, so that subnetworks which no exchange of units connects within the
lowest bound are connected all the same.

Source:
    Replica exchange, Swendsen and Wang 1986. Many exchanges by an approximation, which the model
    then accepts or refuses together, Christen and Fox 2005.
"""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

from ..progress import Progress
from .moves import Exchanges
from .of_size import Choices
from .surrogate import Outputs, Surrogate

#: Exchanges of one move: few without the surrogate, more where it guides them.
LENGTHS = (1, 2, 4, 8, 32, 128)
_N_PLAIN = 3
#: The share of swaps of levels that warming up aims at.
_SWAPS = 0.3
#: Times that warming up adapts what the moves rest on.
_ROUNDS = 10
#: Choices that the surrogate is fitted to, at least and at most, and by how much their divergence
#: may exceed the bound: what is further off says little.
_FEWEST, _MOST, _FURTHEST = 50, 2000, 5.0


@runtime_checkable
class Subject(Protocol):
    """What chains ask about choices of units."""

    def outputs(self, choices: Choices) -> Outputs:
        """Run the model under some choices."""

    def divergence(self, outputs: Outputs) -> Float[np.ndarray, " choice"]:
        """Compute the divergence of what it computes, in nats."""


class Known:
    """The divergences of choices, each computed once.

    Args:
        subject: Computes them.
        whole: Whether to keep all that the model computes.
    """

    def __init__(self, subject: Subject, whole: bool) -> None:
        self._subject, self._whole = subject, whole
        self._kl: dict[bytes, float] = {}
        self._outputs: dict[bytes, Float[np.ndarray, " output"]] = {}

    def __len__(self) -> int:
        return len(self._kl)

    def __call__(self, choices: Choices) -> Float[np.ndarray, " choice"]:
        """Return the divergences of some choices, running those that are new."""
        names = [choice.tobytes() for choice in choices]
        new = {name: i for i, name in enumerate(names) if name not in self._kl}
        if new:
            outputs = self._subject.outputs(choices[list(new.values())])
            self._kl.update(zip(new, self._subject.divergence(outputs).tolist(), strict=True))
            if self._whole:
                self._outputs.update(zip(new, outputs, strict=True))
        return np.array([self._kl[name] for name in names])

    @property
    def least(self) -> float:
        """The least divergence, in nats."""
        return min(self._kl.values())

    def surrogate(self, bound: float) -> Surrogate | None:
        """Fit a surrogate to the last choices near a bound; to none where they are few.

        Args:
            bound: The bound, in nats.
        """
        near = [name for name, kl in self._kl.items() if kl <= _FURTHEST * bound][-_MOST:]
        if len(near) < _FEWEST:
            return None
        choices = np.frombuffer(b"".join(near), dtype=bool).reshape(len(near), -1)
        outputs = np.array([self._outputs[name] for name in near])
        return Surrogate.fit(choices, outputs, self._subject.divergence, bound)


class Chains:
    """Chains at all their levels.

    Args:
        subject: What computes divergences.
        starts: Where each chain starts.
        bound: The bound asked for, in nats.
        n_levels: Levels with a bound.
        free: Whether a level without a bound follows.
        guided: Whether a surrogate guides some of the moves.
        rng: The source of randomness.
    """

    def __init__(
        self,
        subject: Subject,
        starts: Choices,
        bound: float,
        *,
        n_levels: int,
        free: bool,
        guided: bool,
        rng: np.random.Generator,
    ) -> None:
        self.known = Known(subject, whole=guided)
        self.rng = rng
        self.free = free
        self.bound = bound
        self.gaps = np.full(n_levels - 1, 0.3)
        n = n_levels + free
        self.choices = np.repeat(starts[:, None], n, axis=1)
        self.kl = np.repeat(self.known(starts)[:, None], n, axis=1)
        self.shares = np.full((n_levels, starts.shape[1]), starts[0].mean())
        self.surrogate: Surrogate | None = None
        n_lengths = len(LENGTHS) if guided else _N_PLAIN
        self.preference = np.ones(n_lengths)
        self.tried, self.accepted, self.exchanged = np.zeros((3, n_lengths))
        self.swaps = np.zeros((2, n - 1))
        self._parity = 0

    def forget(self, share: float = 1.0) -> None:
        """Forget a share of what was counted of moves and swaps."""
        for counts in (self.tried, self.accepted, self.exchanged, self.swaps):
            counts *= 1 - share

    @property
    def bounds(self) -> Float[np.ndarray, " level"]:
        """The bounds of the levels that have one, in nats."""
        return self.bound * np.exp(np.concatenate([[0.0], np.cumsum(self.gaps)]))

    def step(self) -> None:
        """Let each chain move at each level and swap levels."""
        n_chains, n = len(self.choices), len(self.shares)
        x = self.choices[:, :n].reshape(n_chains * n, -1)
        bounds = np.tile(self.bounds, n_chains)
        kind = self._drawn_length()
        exchanges = Exchanges(np.tile(self.shares, (n_chains, 1)))
        surrogate = self.surrogate if kind >= _N_PLAIN else None
        density = None
        if surrogate is not None:
            guide = surrogate

            def density(choices: Choices) -> Float[np.ndarray, " choice"]:
                return guide.log_within(choices, bounds)

        y, rise = exchanges.wander(x, LENGTHS[kind], density, self.rng)
        tried = [y]
        if self.free:
            order = self.rng.random((n_chains, x.shape[1])).argsort(1)
            tried.append(order < self.choices[0, 0].sum())
        kl = self.known(np.concatenate(tried))
        # While warming up, a chain that is not yet within a bound may go down to it.
        within = kl[: len(y)] <= np.maximum(bounds, self.kl[:, :n].ravel())
        accepted = within & (np.log(self.rng.random(len(y))) < -rise)
        self.tried[kind] += len(y)
        self.accepted[kind] += accepted.sum()
        self.exchanged[kind] += (x & ~y)[accepted].sum()
        accepted = accepted.reshape(n_chains, n)
        self.choices[:, :n][accepted] = y.reshape(n_chains, n, -1)[accepted]
        self.kl[:, :n][accepted] = kl[: len(y)].reshape(n_chains, n)[accepted]
        if self.free:
            self.choices[:, -1], self.kl[:, -1] = tried[1], kl[len(y) :]
        self._swap()

    def _drawn_length(self) -> int:
        # Without a surrogate yet, long moves lead nowhere.
        weights = self.preference if self.surrogate is not None else self.preference[:_N_PLAIN]
        return int(self.rng.choice(len(weights), p=weights / weights.sum()))

    def _swap(self) -> None:
        """Swap levels next to each other, every other pair of them each time."""
        self._parity = 1 - self._parity
        bounds = self.bounds
        for lower in range(self._parity, self.choices.shape[1] - 1, 2):
            fits = self.kl[:, lower + 1] <= np.maximum(bounds[lower], self.kl[:, lower])
            self.swaps[:, lower] += len(fits), fits.sum()
            for what in (self.choices, self.kl):
                pair = what[fits, lower : lower + 2]
                what[fits, lower : lower + 2] = pair[:, ::-1]

    def warm_up(self, steps: int, progress: Progress) -> None:
        """Move towards the bounds, and learn from the choices seen how to move well.

        Args:
            steps: How many steps to make.
            progress: Called with (steps done, steps in all).
        """
        n = len(self.shares)
        for i in range(_ROUNDS):
            some = steps // _ROUNDS + (i < steps % _ROUNDS)
            if not some:
                continue
            seen = np.zeros_like(self.shares)
            self.forget(0.5)
            for _ in range(some):
                self.step()
                seen += self.choices[:, :n].sum(0)
            self._learn(seen / (some * len(self.choices)), rate=1 / (1 + i) ** 0.5)
            progress(steps * (i + 1) // _ROUNDS, steps)
        self.forget()

    def gather(self) -> int:
        """Move chains that have not come within the bound to where others are.

        Returns:
            How many these are; if it is all of them, none moves.
        """
        within = np.flatnonzero(self.kl[:, 0] <= self.bound)
        lost = np.flatnonzero(self.kl[:, 0] > self.bound)
        if len(within):
            others = self.rng.choice(within, len(lost))
            for what in (self.choices, self.kl):
                what[lost] = what[others]
        return len(lost)

    def _learn(self, shares: Float[np.ndarray, "level unit"], rate: float) -> None:
        self.shares += 0.5 * (shares - self.shares)
        tried, accepted = self.swaps[:, : len(self.gaps)]
        lean = np.where(tried, accepted / np.maximum(tried, 1) - _SWAPS, 0)
        self.gaps = np.clip(self.gaps * np.exp(3 * rate * lean), 0.02, 3)
        if len(self.preference) > _N_PLAIN:
            self.surrogate = self.known.surrogate(self.bound) or self.surrogate
        # Moves that have gone far are preferred; none is given up.
        self.preference = np.square((self.exchanged + 4) / (self.tried + 4))
