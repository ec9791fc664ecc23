"""Computing the same whatever a program has set in torch around the call."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import torch

#: What decides how precisely float32 matrices are multiplied, on the processor and on CUDA.
_MATMULS: tuple[Any, ...] = (
    torch.backends.mkldnn.matmul,  # type: ignore[attr-defined]
    torch.backends.cuda.matmul,
)


@contextmanager
def steady() -> Iterator[None]:
    """Run with torch's own settings within a ``with`` block; those of the caller are restored.

    The default type and device, gradient and inference mode, autocast and the precision of
    matrix products are those of a new process, and so are NumPy's warnings. Deterministic
    algorithms, anomaly detection and the number of threads stay as they are: they change no
    result beyond rounding. It also decorates functions.
    """
    with ExitStack() as stack:
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.enable_grad())
        for kind in ("cpu", "cuda", "mps"):
            if torch.is_autocast_enabled(kind):
                stack.enter_context(torch.autocast(kind, enabled=False))
        if torch.get_default_device().type != "cpu":
            stack.enter_context(torch.device("cpu"))
        if (dtype := torch.get_default_dtype()) is not torch.float32:
            stack.callback(torch.set_default_dtype, dtype)
            torch.set_default_dtype(torch.float32)
        for matmul in _MATMULS:
            if (precision := matmul.fp32_precision) not in ("ieee", "none"):
                stack.callback(setattr, matmul, "fp32_precision", precision)
                matmul.fp32_precision = "ieee"
        stack.enter_context(np.errstate(divide="warn", over="warn", under="ignore", invalid="warn"))
        yield
