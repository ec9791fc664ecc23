"""The classifiers that users load: full ones, whose units can be gated, and compacted ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from typing import Any, NoReturn

import numpy as np
import torch

from ..errors import InputError, expect, one_line, remark
from ..subnetwork import Subnetwork
from ..units import UnitSpace
from ..versions import versions
from .ablation import AblationValues
from .anatomy import Anatomy
from .compaction import compacted
from .fingerprint import Fingerprint
from .gates import Gates, gated
from .hooks import is_hooked
from .sharing import separate_layers
from .steady import steady
from .text_classifier import TextClassifier


class Classifier(TextClassifier):
    """A full classifier, whose attention heads and MLP layers can be gated.

    Layers that are one module called repeatedly become modules that share their weights.

    Args:
        hf: The model; its weights are never changed.
        tokenizer: Its tokenizer.
        name: Its name in records, such as the path or hub id it came from.
        max_length: Longest input in tokens; longer ones are truncated.

    Attributes:
        anatomy: Its layers, heads and projections.
        fingerprint: The hashes of its weights.

    Raises:
        InputError: If the family is not supported, the tokenizer does not fit it, or the model
            is not built like its family.
    """

    def __init__(self, hf: Any, tokenizer: Any, name: str = "", max_length: int = 128) -> None:
        super().__init__(hf, tokenizer, name, max_length)
        try:
            separate_layers(hf)
            self.anatomy = Anatomy(hf)
            self.fingerprint = Fingerprint(hf)
        except AttributeError as error:
            raise InputError(
                f"{one_line(name)!r} is of the family {self.family.name!r} but not built like "
                f"one ({one_line(str(error), 120)}); only transformers' own classes are supported"
            ) from error

    @property
    def space(self) -> UnitSpace:
        """The units that can be gated."""
        return self.anatomy.space

    def gated(self, values: AblationValues) -> AbstractContextManager[Gates]:
        """Gate the units for the duration of a ``with`` block; see ``gates.gated``."""
        expect("the ablation values", values, AblationValues)
        return gated(self.anatomy, values)

    @contextmanager
    def running_as(self, subnetwork: Subnetwork, *, other_model: bool = False) -> Iterator[None]:
        """Run as a subnetwork for the duration of a ``with`` block; see ``values_of``."""
        with self.gated(self.values_of(subnetwork, other_model=other_model)) as gates:
            gates.z = torch.tensor(subnetwork.mask, dtype=torch.float32, device=self.device)
            yield

    @steady()
    def compact(self, subnetwork: Subnetwork, *, other_model: bool = False) -> CompactClassifier:
        """Build a smaller model that returns a subnetwork's logits; see ``compacted``.

        Raises:
            InputError: If the subnetwork does not fit the model, or a map to be cut is not a plain
                linear one.
        """
        values = self.values_of(subnetwork, other_model=other_model)
        small = compacted(self.anatomy, subnetwork, values)
        kept = replace(subnetwork, values={}, soft=None)
        return CompactClassifier(small, self.tokenizer, kept, self.name, self.max_length)

    @steady()
    def values_of(self, subnetwork: Subnetwork, *, other_model: bool = False) -> AblationValues:
        """Return what replaces a subnetwork's dropped units.

        Args:
            subnetwork: The subnetwork.
            other_model: Accept one that was found in other weights, with a ``Remark``.

        Raises:
            InputError: If the subnetwork is of a model with other units or of other weights, or
                has no such values.
        """
        expect("the subnetwork", subnetwork, Subnetwork)
        if subnetwork.space != self.space:
            raise InputError(
                f"the subnetwork has {subnetwork.space}, the model {self.space}"
                "; apply it to the model it was found in"
            )
        family = subnetwork.provenance.get("family", self.family.name)
        if family != self.family.name:
            raise InputError(
                f"the subnetwork is of a model of the family {one_line(str(family), 60)!r}, this "
                f"one is of {self.family.name!r}; apply it to the model it was found in"
            )
        found_in = one_line(str(subnetwork.provenance.get("model") or "unnamed"), 120)
        self.check_weights(
            f"the subnetwork was found in other weights ({found_in})",
            subnetwork.provenance,
            "use it on the model it was found in, or allow others with --other-model (in Python "
            "other_model=True)",
            other_model=other_model,
        )
        if subnetwork.ablation == "zero":
            return AblationValues.zeros(self.anatomy)
        return AblationValues.from_arrays(subnetwork.values, self.space.n_layers)

    def check_weights(
        self,
        what: str,
        record: Mapping[str, Any],
        remedy: str,
        *,
        other_model: bool = False,
    ) -> None:
        """Refuse what was made with other weights.

        Args:
            what: What is wrong if they are others, such as "the means are of other weights".
            record: Holds their hashes as ``weights``; records of earlier versions lack them, and
                then nothing is checked.
            remedy: What to do.
            other_model: Accept it with a ``Remark``.

        Raises:
            InputError: If the weights are others.
        """
        recorded = record.get("weights")
        if not isinstance(recorded, Mapping) or self.fingerprint.matches(recorded) is not False:
            return
        message = f"{what} than those of {one_line(self.name, 120) or 'this model'}"
        if not other_model:
            raise InputError(f"{message}; {remedy}")
        remark(message)

    def facts(self) -> dict[str, Any]:
        """Return what subnetworks record of their model: name, family, weights and versions."""
        return {
            "model": self.name,
            "family": self.family.name,
            "weights": self.fingerprint.digests(),
            "versions": versions(),
        }

    def __getstate__(self) -> dict[str, Any]:
        """Return what a copy or a pickle holds.

        Raises:
            InputError: If units are gated or removed right now: they would stay so in the copy.
        """
        if is_hooked(self.hf):
            raise InputError(
                "the model is within a with block that gates, removes or records units; copy or "
                "pickle it outside"
            )
        return self.__dict__.copy()

    def __repr__(self) -> str:
        name = one_line(repr(self.name), 120)
        return f"Classifier({name}, {self.family.name}, {self.space})"

    def _repr_html_(self) -> str:
        mask = np.ones(len(self.space), dtype=bool)
        return self.space.html(mask, f"{self!r}, labels {', '.join(self.labels)}")


class CompactClassifier(TextClassifier):
    """A model without the units that a subnetwork drops: it runs, but has nothing to gate.

    It must be loaded with ``heuristic_core.load_model``. Transformers' own loading does not
    know which units are gone, and refuses the weights or fills in random ones.

    Args:
        hf: The smaller model.
        tokenizer: Its tokenizer.
        subnetwork: The subnetwork it computes, without ablation values: they are in its weights.
        name: Its name in records.
        max_length: Longest input in tokens; longer ones are truncated.
    """

    def __init__(
        self,
        hf: Any,
        tokenizer: Any,
        subnetwork: Subnetwork,
        name: str = "",
        max_length: int = 128,
    ) -> None:
        super().__init__(hf, tokenizer, name, max_length)
        self.subnetwork = subnetwork

    def refuse(self, *given: object, **settings: object) -> NoReturn:
        """Refuse what needs units: some are gone, and the others have moved.

        Raises:
            InputError: Always.
        """
        raise InputError(
            f"{one_line(self.name)!r} is a compacted model, whose units cannot be searched, "
            "removed or averaged; use the full model it was made from"
        )

    running_as = compact = gated = values_of = refuse

    @property
    def space(self) -> NoReturn:
        """Refuse to name units.

        Raises:
            InputError: Always.
        """
        self.refuse()

    def __repr__(self) -> str:
        name = one_line(repr(self.name), 120)
        return f"CompactClassifier({name}, {self.family.name}, {self.subnetwork})"


def check_classifier(model: object) -> None:
    """Check that something is a loaded model with all its units.

    Raises:
        InputError: If it is not.
    """
    if isinstance(model, CompactClassifier):
        model.refuse()
    expect("the model", model, Classifier, hint="load it with load_model")


def check_runnable(model: object) -> None:
    """Check that something is a loaded model, full or compacted.

    Raises:
        InputError: If it is not.
    """
    if not isinstance(model, CompactClassifier):
        check_classifier(model)
