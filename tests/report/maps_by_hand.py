"""Attention maps of a head of made-up examples, as a run keeps them."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd


def maps_by_hand(n_cases: int, n_tokens: int):
    draws = np.random.default_rng(0)
    rows, examples = [], []
    for case in range(n_cases):
        about = {"finetune_seed": 1, "suite": "hans", "case": f"case {case}", "n": n_tokens}
        for step in (0, 300):
            for head in range(2):
                weights = draws.integers(0, 256, n_tokens**2, dtype=np.uint8).tobytes()
                unit = {"unit": f"L0H{head}", "layer": 0, "head": head, "weights": weights}
                rows.append({**about, "checkpoint": step, **unit})
            tokens = json.dumps([f"t{i}<" for i in range(n_tokens)])
            said = {"label": "yes", "answer": "no", "length": n_tokens, "tokens": tokens}
            examples.append({**about, "checkpoint": step, **said})
    return pd.DataFrame(rows), pd.DataFrame(examples)
