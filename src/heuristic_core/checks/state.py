"""What must be as it was after the program has used a model, and the check that errors keep it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from torch import Tensor

from ..measure.removal import without
from ..models.ablation import AblationValues
from ..models.classifier import Classifier
from .results import Failed, Measured
from .subject import Subject, logits_of


def state_of(model: Classifier, *, weights: bool = False) -> dict[str, Any]:
    """Return a model's hooks, modes, settings and attributes, by name.

    Args:
        model: The model.
        weights: Add the sum of each parameter, which shows whether it was changed.
    """
    modules = list(model.hf.modules())
    state = {
        "hooks": sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in modules),
        "training modes": [(name, m.training) for name, m in model.hf.named_modules()],
        "requires_grad": [(name, p.requires_grad) for name, p in model.hf.named_parameters()],
        "configuration": model.hf.config.to_json_string(use_diff=False),
        "attention implementation": model.hf.config._attn_implementation,
        "attributes of modules": [sorted(vars(m)) for m in modules],
    }
    if weights:
        # As text, in which one NaN equals another.
        sums = [str(p.detach().double().sum().item()) for p in model.hf.parameters()]
        state["weights"] = sums
    return state


def check_state(model: Classifier, before: dict[str, Any], what: str) -> None:
    """Check that a model is as it was.

    Args:
        model: The model.
        before: What ``state_of`` returned before.
        what: What was done in between.

    Raises:
        Failed: If it is not.
    """
    after = state_of(model, weights="weights" in before)
    changed = [name for name in before if before[name] != after[name]]
    if changed:
        raise Failed(f"{what} left other {', '.join(changed)}")


def check_blocks_that_fail(
    model: Classifier, values: AblationValues, batch: dict[str, Tensor]
) -> None:
    """Check that ``with`` blocks leave nothing behind in a model when an error ends them.

    Args:
        model: The model, in any mode.
        values: What replaces units.
        batch: Examples to run it on.

    Raises:
        Failed: If the model is not as it was.
    """
    before = state_of(model)
    blocks: dict[str, Callable[[], AbstractContextManager[Any]]] = {
        "gates": lambda: model.gated(values),
        "a removal": lambda: without(model, "L0H0", means=values),
        "freezing": model.frozen,
        "inference": model.inference,
    }
    for name, block in blocks.items():
        try:
            with block():
                logits_of(model, batch)
                raise InterruptedError
        except InterruptedError:
            pass
        check_state(model, before, f"{name} ended by an error")


def errors_leave_the_model_as_found(subject: Subject) -> Measured:
    """Check that blocks that end with an error leave nothing behind."""
    check_blocks_that_fail(subject.model, subject.values, subject.batch)
    return Measured()
