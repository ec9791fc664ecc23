"""Writing models into folders, and keeping transformers quiet."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import transformers

from ..hub import client


def save_model(hf: Any, tokenizer: Any, folder: str | os.PathLike[str]) -> None:
    """Write weights, configuration and tokenizer into a folder, made if needed."""
    with quiet():
        hf.save_pretrained(folder)
        tokenizer.save_pretrained(folder)


@contextmanager
def quiet() -> Iterator[None]:
    """Keep reports and progress bars of transformers and the hub's client off the screen."""
    level = transformers.logging.get_verbosity()
    bars = transformers.logging.is_progress_bar_enabled()
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    try:
        with client.quiet():
            yield
    finally:
        transformers.logging.set_verbosity(level)
        if bars:
            transformers.logging.enable_progress_bar()
