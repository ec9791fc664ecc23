"""The columns of the tables that measurements fill and analyses read.

All tables are long: one row says one thing. A *system* is what was run: the full model at a
checkpoint, or one subnetwork of it. The columns in ``SYSTEM`` name it in every table.
"""

from __future__ import annotations

import pandas as pd

from .errors import InputError

SYSTEM: dict[str, str] = {
    "finetune_seed": "int64",  # seed of the fine-tuning
    "checkpoint": "int64",  # optimiser step of the fine-tuned model, from 0
    "kind": "str",  # "full" or "subnetwork"
    "method": "str",  # how the subnetwork was found; "" for the full model
    "sparsity": "float64",  # the sparsity asked for; 0 for the full model
    "seed": "int64",  # the search's seed; -1 for the full model
}

#: One row per system and case: what a model got right.
EVALUATION: dict[str, str] = SYSTEM | {
    "suite": "str",
    "role": "str",  # "id" or "ood"
    "case": "str",
    "case_kind": "str",  # "id", "adversarial" or "friendly"
    "n": "int64",  # examples
    "correct": "int64",  # examples whose most probable label is the right one
    "kl": "float64",  # mean KL(full model || system) over the examples, nats; 0 for the full model
    "margin": "float64",  # mean log-odds of the right label against the others
}

#: One row per subnetwork and unit: what was kept.
SUBNETWORKS: dict[str, str] = SYSTEM | {
    "unit": "str",  # "L4H0", "L4MLP"
    "layer": "int64",
    "head": "int64",  # -1 for an MLP
    "kept": "bool",
    "soft": "float64",  # soft gate value in [0, 1]; NaN where the method has none
}

#: One row per logged step of a fine-tuning.
FINETUNING: dict[str, str] = {
    "finetune_seed": "int64",
    "step": "int64",
    "loss": "float64",  # mean training loss since the last row, nats
    "learning_rate": "float64",
}


def conform(table: pd.DataFrame, columns: dict[str, str]) -> pd.DataFrame:
    """Give a table exactly these columns, in this order, with these types.

    Raises:
        InputError: If a column is missing.
    """
    missing = [name for name in columns if name not in table.columns]
    if missing:
        raise InputError(f"a results table lacks the columns {missing}; was it written by hand?")
    return table[list(columns)].astype(columns).reset_index(drop=True)
