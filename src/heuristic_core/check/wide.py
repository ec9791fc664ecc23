"""A model in float64, in which all is computed in float64."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from ..models.classifier import Classifier


class AllDouble(TorchFunctionMode):
    """Lets no operation fall back to float32, as norms and softmaxes of many families do."""

    def __torch_function__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        """Run an operation with float64 wherever it says float32."""

        def wide(x: Any) -> Any:
            return torch.float64 if x is torch.float32 else x

        if function is torch.Tensor.float:
            return args[0].double()
        kwargs = {name: wide(x) for name, x in (kwargs or {}).items()}
        return function(*map(wide, args), **kwargs)


def in_double(model: Classifier) -> Classifier:
    """Give a copy of a model with its weights in float64."""
    hf = copy.deepcopy(model.hf).double()
    return Classifier(hf, model.tokenizer, model.name, model.max_length)
