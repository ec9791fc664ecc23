"""What identifies a model's weights, whatever file they came from and in which type they are."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import torch

from .steady import steady

#: The types that weights of a type can be rounded to, widest first.
_ROUNDED = {
    torch.float64: ("float32", "bfloat16", "float16"),
    torch.float32: ("float32", "bfloat16", "float16"),
    torch.bfloat16: ("bfloat16",),
    torch.float16: ("float16",),
}


class Fingerprint:
    """The hashes of a model's weights, each computed once and again when the weights change.

    A change made through ``parameter.data`` is not noticed: torch does not count these.

    Args:
        hf: The transformers model.
    """

    def __init__(self, hf: Any) -> None:
        self._hf = hf
        self._state: tuple[Any, ...] = ()
        self._digests: dict[str, str] = {}

    @property
    def types(self) -> tuple[str, ...]:
        """The types that all weights can be rounded to, widest first."""
        possible = [_ROUNDED.get(p.dtype, ()) for p in self._hf.parameters()]
        return tuple(t for t in _ROUNDED[torch.float32] if all(t in types for types in possible))

    def digest(self, dtype: str) -> str:
        """Compute the SHA-256 of all weights, rounded to one of ``types``."""
        state = tuple(
            (p.data_ptr(), 0 if p.is_inference() else p._version, p.dtype)
            for p in self._hf.parameters()
        )
        if state != self._state:
            self._state, self._digests = state, {}
        if dtype not in self._digests:
            self._digests[dtype] = _digest(self._hf, getattr(torch, dtype))
        return self._digests[dtype]

    def digests(self) -> dict[str, str]:
        """Return the hash for each of ``types``, which a subnetwork records."""
        return {dtype: self.digest(dtype) for dtype in self.types}

    def matches(self, recorded: Mapping[str, Any]) -> bool | None:
        """Compare the weights with recorded hashes, in the widest type that both have.

        Returns:
            Whether they are the same; ``None`` where no type is common to both, as of float16 and
            bfloat16.
        """
        for dtype in self.types:
            if dtype in recorded:
                return self.digest(dtype) == recorded[dtype]
        return None


@steady()
def _digest(hf: Any, dtype: torch.dtype) -> str:
    # Without names, which versions of transformers change.
    content = hashlib.sha256()
    for parameter in hf.parameters():
        values = parameter.detach().to("cpu", dtype).contiguous()
        content.update(repr(tuple(values.shape)).encode())
        content.update(values.reshape(-1).view(torch.uint8).numpy())
    return content.hexdigest()
