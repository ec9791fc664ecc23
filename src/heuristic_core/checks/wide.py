"""Computing in float64 where modules would fall back to float32."""

from __future__ import annotations

from typing import Any

import torch
from torch.overrides import TorchFunctionMode


class AllDouble(TorchFunctionMode):
    """Keeps every operation in float64, against norms and softmaxes that ask for float32."""

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
