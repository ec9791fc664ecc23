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
