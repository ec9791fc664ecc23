"""What a study plans to measure, as far as it bears on which verdicts can be reached."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Design:
    """How many of everything a study plans.

    Args:
        method: The search method.
        alike: Whether every search seed finds the same subnetwork, as nothing is drawn.
        grid_alike: The same of the grid's searches.
        searches: Search seeds of a model.
        sparsities: Sparsities searched for.
        fine_tunings: Models fine-tuned from different seeds.
        grid_searches: Search seeds of the grid; 0 without a grid.
        grid_sparsities: Sparsities of the grid.
        grid_steps: Trained checkpoints of the grid.
        steps: Trained checkpoints; 0 if the study does not follow training.
        pairs: Disjoint subnetworks; 0 if none are searched for.
        controls: Groups of heads removed to compare with the core; ``None`` if nothing is removed.
        exchanges: Ways to exchange core heads, one of a layer, with their controls; ``None`` if no
            dependency is measured.
        ood_cases: Out-of-domain cases.
        examples: Examples of the smallest out-of-domain case; 0 without any.
        before: Whether the model before fine-tuning is kept beside trained checkpoints.
    """

    method: str
    alike: bool
    grid_alike: bool
    searches: int
    sparsities: int
    fine_tunings: int
    grid_searches: int
    grid_sparsities: int
    grid_steps: int
    steps: int
    pairs: int
    controls: int | None
    exchanges: int | None
    ood_cases: int
    examples: int
    before: bool

    @property
    def different(self) -> int:
        """Subnetworks of one sparsity that can differ."""
        return min(self.searches, 1) if self.alike else self.searches

    @property
    def grid_different(self) -> int:
        """Subnetworks of the grid at one step and sparsity that can differ."""
        return min(self.grid_searches, 1) if self.grid_alike else self.grid_searches
