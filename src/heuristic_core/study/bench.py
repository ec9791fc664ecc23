"""What the cells that one program run computes share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar

import torch

from ..models.classifier import Classifier
from ..models.device import hardware
from ..models.encoding import Encoded
from ..tasks.task import Suite, Task
from ..versions import versions
from .config import StudyConfig
from .store import Store

Held = TypeVar("Held")


@dataclass(eq=False)
class Workbench:
    """The study, its run folder, and what cells need again: the last model, tokens, shared data.

    Args:
        config: The study.
        task: Its task.
        store: The run folder.
        device: Where models run.
        suites: What is evaluated on.
    """

    config: StudyConfig
    task: Task
    store: Store
    device: str
    suites: Sequence[Suite]
    _latest: dict[str, tuple[str, Any]] = field(default_factory=dict, init=False)
    _encoded: dict[str, tuple[Any, Encoded]] = field(default_factory=dict, init=False)

    @cached_property
    def machine(self) -> dict[str, Any]:
        """What is recorded of where cells are computed."""
        return {
            "versions": versions(),
            "device": self.device,
            "processor": hardware(self.device),
            "threads": torch.get_num_threads(),
        }

    def latest(self, name: str, key: str, make: Callable[[], Held]) -> Held:
        """Return what was made last under a name if its key is the same; otherwise make it.

        Args:
            name: What it is, such as the model; one object is held for each name.
            key: What determines it.
            make: Makes it.
        """
        if name not in self._latest or self._latest[name][0] != key:
            self._latest.pop(name, None)  # free the old one before the new one takes its memory
            self._latest[name] = (key, make())
        held: Held = self._latest[name][1]
        return held

    def encode(self, suite: Suite, model: Classifier) -> Encoded:
        """Tokenise a suite, once for each model that is loaded."""
        by, encoded = self._encoded.get(suite.name, (None, None))
        if encoded is None or by is not model.tokenizer:  # checkpoints may bring their own
            encoded = model.encode(suite.examples)
            self._encoded[suite.name] = (model.tokenizer, encoded)
        return encoded
