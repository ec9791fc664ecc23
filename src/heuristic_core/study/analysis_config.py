"""The settings of a study's analyses, including those that run the model."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator

from ..errors import InputError, one_line
from ..tables import GROUPS
from ..units import Unit, check_sparsity


class Settings(BaseModel):
    """A table of settings in a study file."""

    # Strict: true is not the number 1, nor 1.0 the whole number 1; no key means infinity.
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


def _distinct(values: list[Any]) -> list[Any]:
    twice = [value for i, value in enumerate(values) if value in values[:i]]
    if twice:
        raise ValueError(f"{twice[0]} is given twice")
    return values


def _sparsity(value: float) -> float:
    try:
        return check_sparsity(value)
    except InputError as error:
        raise ValueError(str(error)) from error


Distinct = AfterValidator(_distinct)
#: numpy's global generator, which the Trainer seeds, takes no larger seed.
Seed = Annotated[int, Field(ge=0, lt=2**32)]
Seeds = Annotated[list[Seed], Distinct]
#: The bounds are for the schema: the check itself has better words.
_Sparsity = Annotated[
    float,
    AfterValidator(_sparsity),
    Field(json_schema_extra={"minimum": 0, "exclusiveMaximum": 1}),
]
Sparsities = Annotated[list[_Sparsity], Distinct]
SeedsPerPass = Annotated[int, Field(ge=1)]
SEEDS_PER_PASS = (
    "So many seeds are searched in one pass, in the order given: faster on a GPU. For the methods "
    "'learned', and 'paper' without dropout."
)
Shares = Annotated[list[Annotated[float, Field(gt=0, le=1)]], Distinct]
Weightings = Annotated[list[Literal["attention", "value_norm"]], Distinct]
Paths = Annotated[list[Literal["direct", "total"]], Distinct]


class GridConfig(Settings):
    """Small searches at many checkpoints: effective size, and when a core emerges."""

    checkpoints: list[int] | Literal["trained", "all"] = Field(
        "trained", description="Steps; 'trained' means all that are kept except step 0."
    )
    sparsities: Sparsities = Field(
        [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8], description="All found in one run of it."
    )
    seeds: Seeds = Field([1, 2, 3], description="One run of the search for each.")
    seeds_per_pass: SeedsPerPass = Field(1, description=SEEDS_PER_PASS)
    options: dict[str, Any] | None = Field(
        None, description="The search's settings; those of [search.options] if unset."
    )

    @field_validator("sparsities", "seeds")
    @classmethod
    def _some(cls, value: list[Any]) -> list[Any]:
        if not value:
            raise ValueError("name at least one, or leave the grid out with grid = false")
        return value


class DisjointConfig(Settings):
    """Searches with some or all heads of a subnetwork forbidden."""

    sparsity: float | None = Field(
        None,
        ge=0,
        lt=1,
        description="Sparsity of the subnetworks; if unset, the lowest searched for and the "
        "highest at which their mean matches the model.",
    )
    seeds: int = Field(4, ge=1, description="Number of subnetworks: those of the first seeds.")
    forbidden: Shares = Field(
        [0.25, 0.5, 0.75, 1.0],
        min_length=1,
        description="Shares of their heads to forbid; one search for each.",
    )


class RemovalConfig(Settings):
    """Removing units from the full model."""

    controls: int = Field(20, ge=0, description="Random groups of other heads, for comparison.")
    pairs: int = Field(8, ge=0, description="Pairs are made of at most this many core heads.")
    probe: bool = Field(
        True, description="Also before fine-tuning (step 0), with a classifier on frozen features."
    )
    groups: dict[str, list[str]] = Field(
        {},
        description="Your own groups to remove, by name: lists of units such as ['L3H4', 'L2MLP'].",
    )

    @field_validator("groups")
    @classmethod
    def _groups(cls, value: dict[str, list[str]]) -> dict[str, list[str]]:
        for name, labels in value.items():
            shown = one_line(repr(name), 60)
            if not name.strip() or name in GROUPS:
                raise ValueError(f"{shown} cannot name a group; {', '.join(GROUPS)} are taken")
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


class AttentionConfig(Settings):
    """What heads attend to."""

    weightings: Weightings = Field(
        ["attention"], min_length=1, description="Attention alone, or times the value's norm."
    )
    maps: bool = Field(
        True,
        description="Keep every head's attention in one example of each case, with its tokens, "
        "which can be read from the run.",
    )


class DependencyConfig(Settings):
    """Whether added heads depend on what the core's heads write."""

    senders: int = Field(8, ge=1, description="Core heads, at most.")
    controls: int = Field(4, ge=1, description="Other heads of each of their layers, at most.")
    replace: Literal["mean", "counterfactual"] = Field(
        "mean", description="By their mean output, or by that on a matched friendly example."
    )
    receivers: int = Field(24, ge=1, description="Added heads, at most, the most frequent first.")
    per_case: int = Field(8, ge=1, description="Examples of each adversarial case.")
    margin_paths: Paths = Field(
        ["direct"], description="Paths whose effect on the logits is measured too."
    )


class _OfOneSparsity(Settings):
    """An analysis of the subnetworks of one sparsity."""

    sparsity: float | None = Field(
        None,
        ge=0,
        lt=1,
        description="Sparsity of the subnetworks; if unset, the highest searched for at which "
        "their mean matches the model, else the lowest.",
    )


class FaithfulConfig(_OfOneSparsity):
    """The set of faithful subnetworks: its extremes, its least overlap, and what it needs."""

    seeds: int = Field(
        4, ge=2, description="Searches with each aim: those of the first seeds of the study."
    )
    repelled: int = Field(5, ge=2, description="Subnetworks that repel each other.")
    weights: list[Annotated[float, Field(ge=0)]] = Field(
        [0.0, 0.1, 0.3, 1.0],
        min_length=1,
        description="What one pays for sharing all of its units with all others, in nats.",
    )
    rounds: int = Field(6, ge=0, description="Rounds of exchanges of each search.")
    examples: int = Field(
        1000, ge=1, description="Mask-learning examples on which divergences are compared."
    )


class ValidityConfig(_OfOneSparsity):
    """Tests of the subnetworks found: are they enough, are they needed, are units idle?"""

    seeds: int = Field(
        4, ge=1, description="Subnetworks that are tested: those of the first seeds of the study."
    )
    draws: int = Field(
        199,
        ge=20,
        description="Random sets of each kind. Below 80 no test can be passed, with a core below "
        "120, with searches too below 160.",
    )
    examples: int = Field(
        60, ge=1, description="In-domain examples that sets are compared on, at most."
    )
    unit_examples: int = Field(
        200, ge=2, description="In-domain examples for what each unit is needed for, at most."
    )
    searches: int = Field(
        0, ge=0, description="How often each search is repeated on resampled examples."
    )


_TABLE = "A table of its own; false leaves it out."
_UNLESS_NAMED = f"{_TABLE} It is left out unless the study has it."


class AnalysisConfig(Settings):
    """How results are judged, and what is measured for that beside accuracy."""

    margin_points: float = Field(
        3.0, gt=0, lt=100, description="Points of ID accuracy within which a subnetwork matches."
    )
    seed: int = Field(0, ge=0, description="Seed of bootstrap, Monte-Carlo and example draws.")
    in_run: bool = Field(
        False, description="Let `hcore run` measure all of this too; else `hcore analyze` does."
    )
    id_size: int = Field(200, ge=1, description="In-domain examples of analyses that run models.")
    per_case: int = Field(20, ge=1, description="Examples of each OOD case in them.")
    grid: GridConfig | None = Field(GridConfig(), description=_TABLE)
    disjoint: DisjointConfig | None = Field(DisjointConfig(), description=_TABLE)
    removal: RemovalConfig | None = Field(RemovalConfig(), description=_TABLE)
    attention: AttentionConfig | None = Field(AttentionConfig(), description=_TABLE)
    dependency: DependencyConfig | None = Field(DependencyConfig(), description=_TABLE)
    faithful: FaithfulConfig | None = Field(None, description=_UNLESS_NAMED)
    validity: ValidityConfig | None = Field(None, description=_UNLESS_NAMED)

    @field_validator(
        *("grid", "disjoint", "removal", "attention", "dependency", "faithful", "validity"),
        mode="before",
    )
    @classmethod
    def _left_out(cls, value: Any) -> Any:
        return None if value is False else value  # TOML has no null
