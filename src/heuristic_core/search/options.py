"""What the settings of all search methods have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Count = Annotated[int, Field(ge=1)]
CountOrZero = Annotated[int, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]
Fraction = Annotated[float, Field(gt=0, lt=1)]
PositiveOrZero = Annotated[float, Field(ge=0)]


class MethodOptions(BaseModel):
    """Settings of a search method; unknown ones are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def n_examples(self, sparsities: Sequence[float]) -> int:
        """Return the number of examples that a search runs forward and backward, at most.

        An example that is run forward alone counts for half.

        Args:
            sparsities: The sparsities asked for, rising.
        """
        raise NotImplementedError


class DeterministicOptions(MethodOptions):
    """Settings of a method of which nothing is random but, if asked, its examples."""

    examples: Count
    resample: bool = Field(
        False,
        description="Draw other examples for each seed; otherwise every seed takes the same ones, "
        "and finds the same subnetwork.",
    )

    def drawn_by(self, seed: int) -> int:
        """Return the seed that draws a search's examples, where there are more than it takes."""
        return seed if self.resample else 0
