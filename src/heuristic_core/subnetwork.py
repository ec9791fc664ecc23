"""Subnetworks: what searches return, and what is run, measured and saved.

A *subnetwork* is the set of units kept of a model, with the values that replace the dropped ones
and a record of where it came from.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import KW_ONLY, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float

from .errors import InputError, expect, one_line, remark, unknown
from .hub import cards, client
from .hub.shared import Parcel, Shared
from .storage import as_path, json_text, plain, read_json, read_tensors, write_tensors, write_text
from .units import Unit, UnitSpace

if TYPE_CHECKING:
    from .faithful.card import Card

ABLATION_KINDS = ("mean", "zero")

_FORMAT = "heuristic-core/subnetwork/1"

#: The entries of a provenance that are about the ablation values, whatever units are kept.
_OF_VALUES = ("model", "family", "task", "weights", "data", "values", "versions")

Small = TypeVar("Small", covariant=True)


@runtime_checkable
class RunsSubnetworks(Protocol[Small]):
    """A model that subnetworks can be applied to."""

    def running_as(
        self, subnetwork: Subnetwork, *, other_model: bool = False
    ) -> AbstractContextManager[None]:
        """Run as a subnetwork within a ``with`` block."""

    def compact(self, subnetwork: Subnetwork, *, other_model: bool = False) -> Small:
        """Build a smaller model that computes a subnetwork."""


@dataclass(frozen=True, eq=False)
class Subnetwork(Shared):
    """The units kept of a model, what replaces the others, and where it came from.

    Two subnetworks are equal if they keep the same units of the same space with the same
    ablation, whatever their provenance and soft values.

    Args:
        space: The units it chooses from.
        kept: The units kept.
        ablation: What a dropped unit's output becomes: its mean, or zero.
        values: The means by name, ``L4.heads`` of shape (head, d_head) and ``L4.mlp`` of shape
            (d_model,); empty for ``zero``.
        soft: One value in [0, 1] per unit, higher for units to keep first; ``None`` where the
            method has none.
        provenance: Where it came from, as plain JSON values: model, checkpoint, task, method, seed
            and target; the SHA-256 of the weights (``weights``, by their type) and of the
            mask-learning examples (``data``); the ``versions``; and over which data the ablation
            values are means (``values``). Subnetworks of earlier versions lack the hashes.
    """

    space: UnitSpace
    kept: frozenset[Unit]
    _: KW_ONLY
    ablation: str = "mean"
    values: Mapping[str, Float[np.ndarray, "..."]] = field(default_factory=dict)
    soft: Float[np.ndarray, " unit"] | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        expect("the space of a subnetwork", self.space, UnitSpace)
        expect("the units kept", self.kept, Iterable)
        expect("the provenance", self.provenance, Mapping)
        expect("the ablation values", self.values, Mapping)
        for name, array in self.values.items():
            expect(f"the ablation value {name}", array, np.ndarray)
        if self.ablation not in ABLATION_KINDS:
            raise unknown("ablation kind", self.ablation, ABLATION_KINDS)
        units = self.space.units
        kept = frozenset(units[self.space.index(unit)] for unit in self.kept)
        object.__setattr__(self, "kept", kept)  # units, where labels were given
        if self.soft is not None and np.shape(self.soft) != (len(self.space),):
            raise InputError(
                f"soft values of shape {np.shape(self.soft)} do not fit {len(self.space)} units"
            )
        soft = np.zeros(0) if self.soft is None else np.asarray(self.soft)
        if soft.dtype.kind not in "fiub" or not np.isfinite(soft).all():
            raise InputError("soft values are not all finite numbers")

    # --- what it is ---------------------------------------------------------------------------

    @cached_property
    def mask(self) -> Bool[np.ndarray, " unit"]:
        """One bit a unit, in the space's order: kept or not."""
        return self.space.mask(self.kept)

    @property
    def heads(self) -> frozenset[Unit]:
        """The heads kept."""
        return frozenset(unit for unit in self.kept if unit.is_head)

    @property
    def mlps(self) -> frozenset[Unit]:
        """The MLP layers kept."""
        return self.kept - self.heads

    @property
    def sparsity(self) -> float:
        """Share of all units dropped."""
        return 1 - len(self.kept) / len(self.space)

    @property
    def head_sparsity(self) -> float:
        """Share of the heads dropped."""
        return 1 - len(self.heads) / self.space.n_heads

    @property
    def replacement(self) -> str:
        """What becomes of the dropped units' outputs, in words that name the data of means."""
        if self.ablation == "zero":
            return "zero"
        source, task = (self.provenance.get(key) for key in ("values", "task"))
        if isinstance(source, Mapping) and source.get("of"):
            return f"means over {one_line(str(source['of']), 200)}"
        if task:
            return f"means over the mask-learning examples of {one_line(str(task), 120)}"
        return "means over data that are not recorded"

    # --- sets ---------------------------------------------------------------------------------

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Subnetwork):
            return NotImplemented
        return (self.space, self.kept, self.ablation) == (other.space, other.kept, other.ablation)

    def __hash__(self) -> int:
        return hash((self.space, self.kept, self.ablation))

    def __and__(self, other: Subnetwork) -> Subnetwork:
        return self._combine(other, frozenset.__and__)

    def __or__(self, other: Subnetwork) -> Subnetwork:
        return self._combine(other, frozenset.__or__)

    def __sub__(self, other: Subnetwork) -> Subnetwork:
        return self._combine(other, frozenset.__sub__)

    def complement(self) -> Subnetwork:
        """Return the subnetwork that keeps exactly the units this one drops."""
        return self.keeping(frozenset(self.space) - self.kept)

    def __contains__(self, unit: object) -> bool:
        return (Unit.parse(unit) if isinstance(unit, str) else unit) in self.kept

    def __len__(self) -> int:
        return len(self.kept)

    def heads_jaccard(self, other: Subnetwork) -> float:
        """Return the Jaccard index of the heads kept: shared ones over those in either.

        MLPs, which are hardly ever dropped, do not raise it. It is 1.0 if both keep no head.
        """
        self._check_space(other)
        return _jaccard(self.heads, other.heads)

    def units_jaccard(self, other: Subnetwork) -> float:
        """Return the Jaccard index of all units kept, heads and MLPs; 1.0 if both are empty."""
        self._check_space(other)
        return _jaccard(self.kept, other.kept)

    def _combine(self, other: Subnetwork, operation: Callable[..., frozenset[Unit]]) -> Subnetwork:
        self._check_space(other)
        if self.ablation != other.ablation:
            raise InputError("subnetworks with different ablation kinds cannot be combined")
        return self.keeping(operation(self.kept, other.kept))

    def keeping(self, kept: frozenset[Unit]) -> Subnetwork:
        """Return the subnetwork of other units with the same values, and what is known of these.

        Args:
            kept: The units that it keeps.
        """
        facts = {key: self.provenance[key] for key in _OF_VALUES if key in self.provenance}
        return replace(self, kept=kept, soft=None, provenance=facts)

    def _check_space(self, other: Subnetwork) -> None:
        expect("the other subnetwork", other, Subnetwork)
        if self.space != other.space:
            raise InputError("these subnetworks are of models with different units")

    # --- use ----------------------------------------------------------------------------------

    def applied(
        self, model: RunsSubnetworks[Any], *, other_model: bool = False
    ) -> AbstractContextManager[None]:
        """Make a model run as this subnetwork within a ``with`` block, then leave it as found.

        Args:
            model: The model it was found in.
            other_model: Accept a model with the same units and other weights, with a
                ``Remark``.

        Raises:
            InputError: If the model has other units or other weights, or the ablation values do
                not fit it.
        """
        _check_model(model)
        return model.running_as(self, other_model=other_model)

    def compact(self, model: RunsSubnetworks[Small], *, other_model: bool = False) -> Small:
        """Build a smaller model that returns this subnetwork's logits without any gates.

        Args:
            model: The model it was found in, which stays as it is.
            other_model: As for ``applied``.

        Returns:
            A classifier without the dropped units, their ablation values folded into its biases.

        Raises:
            InputError: If the model has other units or other weights, the ablation values do not
                fit it, or its maps are not plain linear ones.
        """
        _check_model(model)
        return model.compact(self, other_model=other_model)

    def validate(self, model: Any, task: Any, **settings: Any) -> Card:
        """Test it as ``heuristic_core.validate`` does: is it enough, is it needed, unit by unit?

        Args:
            model: The full model that it was found in.
            task: The task.
            settings: Those of ``heuristic_core.validate``.

        Raises:
            InputError: If an argument does not fit.
        """
        # The one import of what stands above; pyproject.toml says so to the linter.
        from .faithful.validity import validate

        return validate(model, task, self, **settings)

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Write ``subnetwork.json`` and ``subnetwork.safetensors`` into a folder, made if needed.

        Returns:
            The folder.

        Raises:
            InputError: If the folder cannot be written.
        """
        path = as_path(folder)
        tensors = {f"value/{name}": np.asarray(v) for name, v in self.values.items()}
        if self.soft is not None:
            tensors["soft"] = np.asarray(self.soft)
        record = json_text(self.record())  # fails before anything is written
        write_tensors(path / "subnetwork.safetensors", tensors)
        write_text(path / "subnetwork.json", record)
        return path

    def record(self) -> dict[str, Any]:
        """Return everything but the ablation values and soft values, as JSON values."""
        return plain(
            {
                "format": _FORMAT,
                "heads_per_layer": self.space.heads,
                "kept": [str(unit) for unit in self.space if unit in self.kept],
                "ablation": self.ablation,
                "sparsity": self.sparsity,
                "head_sparsity": self.head_sparsity,
                "provenance": self.provenance,
            }
        )

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> Subnetwork:
        """Read a subnetwork from a folder that ``save`` wrote.

        One that does not say in which weights it was found, as earlier versions saved them, is
        read with a ``Remark``: nothing can tell whether it is run on others.

        Raises:
            InputError: If the folder holds none, or one that is damaged.
        """
        subnetwork = cls.read(folder)
        if "method" in subnetwork.provenance and "weights" not in subnetwork.provenance:
            remark(
                f"the subnetwork in {as_path(folder)} does not record the weights that it was "
                "found in, so it is not checked that it is run on them; find it again to record "
                "them"
            )
        return subnetwork

    @classmethod
    def read(cls, folder: str | os.PathLike[str]) -> Subnetwork:
        """Read a subnetwork as ``load`` does, without a remark.

        Raises:
            InputError: If the folder holds none, or one that is damaged.
        """
        path = as_path(folder)
        if not os.path.isfile(path / "subnetwork.json"):
            raise InputError(
                f"no subnetwork in {path}: it has no subnetwork.json; give a folder that `hcore "
                "prune` or Subnetwork.save wrote"
            )
        try:
            record = read_json(path / "subnetwork.json")
            tensors = read_tensors(path / "subnetwork.safetensors")
        except InputError as error:
            raise InputError(f"{error}; save or copy the subnetwork again") from error
        return cls.from_record(record, tensors, where=str(path / "subnetwork.json"))

    @classmethod
    def from_record(
        cls, record: Any, tensors: Mapping[str, np.ndarray] | None = None, *, where: str
    ) -> Subnetwork:
        """Rebuild a subnetwork from its ``record``.

        Args:
            record: The record, as read from JSON.
            tensors: The arrays that ``save`` writes beside it; none if not given.
            where: The name of its place in errors.

        Raises:
            InputError: If the record is damaged, or of another format.
        """
        if not isinstance(record, dict) or record.get("format") != _FORMAT:
            raise InputError(f"{where} is not in the format {_FORMAT}; give a saved subnetwork")
        tensors = tensors or {}
        try:
            heads, labels = (_listed(record, key) for key in ("heads_per_layer", "kept"))
            if not all(type(n) is int for n in heads):
                raise InputError("heads_per_layer holds something else than whole numbers")
            kept = [Unit.parse(label) for label in labels]
            if len(set(kept)) < len(kept):
                twice = next(unit for i, unit in enumerate(kept) if unit in kept[:i])
                raise InputError(f"the unit {twice} is listed twice")
            if not isinstance(record.get("provenance"), dict):
                raise InputError("it says nothing of its provenance")
            return cls(
                space=UnitSpace(tuple(heads)),
                kept=frozenset(kept),
                ablation=str(record.get("ablation")),
                values={k[6:]: v for k, v in tensors.items() if k.startswith("value/")},
                soft=tensors.get("soft"),
                provenance=record["provenance"],
            )
        except InputError as error:
            raise InputError(f"{where} is damaged: {error}; save the subnetwork again") from error

    # --- sharing ------------------------------------------------------------------------------

    def _parcel(self) -> Parcel:
        """Return what ``push_to_hub`` uploads."""

        def card(repo_id: str) -> str:
            return cards.subnetwork_card(self.record(), self.replacement, repo_id)

        return Parcel("subnetwork", "model", self.save, card)

    @classmethod
    def from_pretrained(
        cls,
        source: str | os.PathLike[str],
        *,
        revision: str | None = None,
        token: str | bool | None = None,
    ) -> Subnetwork:
        """Read a subnetwork from the hub, or from a folder as ``load`` does.

        Args:
            source: A repository, ``namespace/name``, or a folder.
            revision: A branch, tag or commit; the default branch if not given.
            token: A token, or as the hub's client finds one.

        Raises:
            InputError: If it cannot be had, or is none.
        """
        if isinstance(source, os.PathLike) or os.path.exists(source):
            return cls.load(source)
        files = ["subnetwork.json", "subnetwork.safetensors"]
        folder = client.pull(source, files, kind="model", revision=revision, token=token)
        return cls.load(folder)

    def __repr__(self) -> str:
        return (
            f"Subnetwork({len(self.heads)}/{self.space.n_heads} heads, "
            f"{len(self.mlps)}/{self.space.n_layers} MLPs, {self.ablation} ablation)"
        )

    def _repr_html_(self) -> str:
        return self.space.html(self.mask, f"{self!r}; filled: kept")


def _check_model(model: object) -> None:
    if not isinstance(model, RunsSubnetworks) or isinstance(model, type):
        raise InputError(
            f"the model must be of the type Classifier, not {type(model).__name__}; load it with "
            "load_model"
        )


def _listed(record: Mapping[str, Any], key: str) -> list[Any]:
    if not isinstance(record.get(key), list):
        raise InputError(f"it has no list {key!r}")
    return list(record[key])


def _jaccard(one: frozenset[Unit], other: frozenset[Unit]) -> float:
    either = one | other
    return len(one & other) / len(either) if either else 1.0
