"""What must be as it was after the program has used a model."""

from __future__ import annotations

from typing import Any

from ..models.classifier import Classifier


def state_of(model: Classifier) -> dict[str, Any]:
    """Give what can be told of a model's hooks, modes, settings and attributes, by name."""
    modules = list(model.hf.modules())
    return {
        "hooks": sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in modules),
        "training modes": [(name, m.training) for name, m in model.hf.named_modules()],
        "requires_grad": [(name, p.requires_grad) for name, p in model.hf.named_parameters()],
        "configuration": model.hf.config.to_json_string(use_diff=False),
        "attention implementation": model.hf.config._attn_implementation,
        "attributes of modules": [sorted(vars(m)) for m in modules],
    }


def sums_of(model: Classifier) -> list[float]:
    """Give the sum of each of a model's parameters, to see whether any was changed."""
    return [float(p.detach().double().sum()) for p in model.hf.parameters()]
