"""The settings of a study's analyses, those that run the model among them."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from ..analysis.effects import KINDS
from ..errors import InputError, one_line
from ..units import Unit, check_sparsity

# Strict: true is not the number 1, nor 1.0 the whole number 1; no key means infinity.
STRICT = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


def different_seeds(value: list[int]) -> list[int]:
    """Check seeds."""
    # numpy's global generator, which the Trainer seeds, takes no larger seed.
    if len(set(value)) < len(value) or not all(0 <= seed < 2**32 for seed in value):
        raise ValueError("seeds must be different whole numbers from 0 to 2**32 - 1")
    return value


def different_names(value: list[str]) -> list[str]:
    """Check that no name is given twice."""
    if len(set(value)) < len(value):
        raise ValueError("a name is given twice")
    return value


def different_sparsities(value: list[float]) -> list[float]:
    """Check sparsities."""
    try:
        checked = [check_sparsity(s) for s in value]
    except InputError as error:
        raise ValueError(str(error)) from error
    if len(set(checked)) < len(checked):
        raise ValueError("a sparsity is named twice")
    return checked


class GridConfig(BaseModel):
    """Small searches at many checkpoints: effective size, and when a core emerges."""

    model_config = STRICT
    checkpoints: list[int] | Literal["trained", "all"] = Field(
        "trained", description="Steps; 'trained' means all that are kept but step 0."
    )
    sparsities: list[float] = Field(
        [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8], description="All found in one run a seed."
    )
    seeds: list[int] = Field([1, 2, 3], description="One run of the search for each.")
    options: dict[str, Any] | None = Field(
        None, description="The search's settings; those of [search.options] if unset."
    )

    _seeds = field_validator("seeds")(different_seeds)
    _sparsities = field_validator("sparsities")(different_sparsities)

    @field_validator("sparsities", "seeds")
    @classmethod
    def _some(cls, value: list[Any]) -> list[Any]:
        if not value:
            raise ValueError("name at least one, or leave the grid out with grid = false")
        return value


class DisjointConfig(BaseModel):
    """Searches that may not use the heads of a subnetwork that was found."""

    model_config = STRICT
    sparsity: float | None = Field(
        None,
        ge=0,
        lt=1,
        description="Of the subnetworks; if unset, the lowest searched for and the highest at "
        "which their mean matches the model.",
    )
    seeds: int = Field(4, ge=1, description="How many subnetworks, the first seeds'.")
    forbidden: list[float] = Field(
        [0.25, 0.5, 0.75, 1.0],
        min_length=1,
        description="Shares of their heads that are forbidden; one search for each.",
    )

    @field_validator("forbidden")
    @classmethod
    def _shares(cls, value: list[float]) -> list[float]:
        if len(set(value)) < len(value) or not all(0 < share <= 1 for share in value):
            raise ValueError("shares must be different numbers above 0, up to 1")
        return value


class RemovalConfig(BaseModel):
    """Removing units from the full model."""

    model_config = STRICT
    controls: int = Field(20, ge=0, description="Random groups of other heads beside the core.")
    pairs: int = Field(8, ge=0, description="Pairs are made of so many heads of the core at most.")
    probe: bool = Field(
        True, description="Also before fine-tuning, by a classifier on frozen features (step 0)."
    )
    groups: dict[str, list[str]] = Field(
        {},
        description="Groups to remove of your own, by name: lists of units, as ['L3H4', 'L2MLP'].",
    )

    @field_validator("groups")
    @classmethod
    def _groups(cls, value: dict[str, list[str]]) -> dict[str, list[str]]:
        for name, labels in value.items():
            shown = one_line(repr(name), 60)
            if not name.strip() or name in KINDS:
                raise ValueError(f"{shown} cannot name a group; {', '.join(KINDS)} are taken")
            try:
                units = [Unit.parse(label) for label in labels]
            except InputError as error:
                raise ValueError(f"group {shown}: {error}") from error
            if not units:
                raise ValueError(f"group {shown} is empty; name at least one unit")
            twice = [str(unit) for i, unit in enumerate(units) if unit in units[:i]]
            if twice:
                raise ValueError(f"group {shown} names {twice[0]} twice; name each unit once")
        return value


class AttentionConfig(BaseModel):
    """What heads attend to."""

    model_config = STRICT
    weightings: list[Literal["attention", "value_norm"]] = Field(
        ["attention"], min_length=1, description="Attention alone, or times what is read."
    )

    _weightings = field_validator("weightings")(different_names)


class DependencyConfig(BaseModel):
    """Whether added heads depend on what the core's heads write."""

    model_config = STRICT
    senders: int = Field(8, ge=1, description="Heads of the core, at most.")
    controls: int = Field(
        4, ge=1, description="Heads of each of their layers that are not of the core."
    )
    replace: Literal["mean", "counterfactual"] = Field(
        "mean", description="By what: their mean, or what they write on a matched friendly example."
    )
    receivers: int = Field(24, ge=1, description="Added heads, at most, the most frequent first.")
    per_case: int = Field(8, ge=1, description="Examples of each adversarial case.")
    margin_paths: list[Literal["direct", "total"]] = Field(
        ["direct"], description="Paths whose effect on the answers is measured too."
    )

    _margin_paths = field_validator("margin_paths")(different_names)


_TABLE = "A table of its own; false leaves it out."


class AnalysisConfig(BaseModel):
    """How results are judged, and what is measured for that beside the subnetworks' accuracy."""

    model_config = STRICT
    margin_points: float = Field(
        3.0, gt=0, lt=100, description="A subnetwork matches the model within so many points of ID."
    )
    seed: int = Field(0, ge=0, description="Seed of bootstrap, Monte-Carlo and example draws.")
    in_run: bool = Field(
        False, description="Let `hcore run` compute all of this too; else `hcore analyze` does."
    )
    id_size: int = Field(200, ge=1, description="In-domain examples of analyses that run models.")
    per_case: int = Field(20, ge=1, description="Examples of each OOD case in them.")
    grid: GridConfig | None = Field(GridConfig(), description=_TABLE)
    disjoint: DisjointConfig | None = Field(DisjointConfig(), description=_TABLE)
    removal: RemovalConfig | None = Field(RemovalConfig(), description=_TABLE)
    attention: AttentionConfig | None = Field(AttentionConfig(), description=_TABLE)
    dependency: DependencyConfig | None = Field(DependencyConfig(), description=_TABLE)

    @field_validator("grid", "disjoint", "removal", "attention", "dependency", mode="before")
    @classmethod
    def _left_out(cls, value: Any) -> Any:
        return None if value is False else value  # TOML has no word for nothing
