"""The columns of the tables that measurements fill and analyses read.

All tables are long: one row says one thing. A *system* is what was run: the full model at a
checkpoint, or one subnetwork of it. The columns in ``SYSTEM`` name it in every table.
"""

from __future__ import annotations

import pandas as pd

from .errors import InputError, one_line

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

#: One row per system and adversarial case: can it tell the case from the friendly ones that match?
#: A model that leans to one label is right more often on one side and less on the other; only one
#: that tells the sides apart has an area under the curve away from 0.5.
DISCRIMINATION: dict[str, str] = SYSTEM | {
    "suite": "str",
    "case": "str",  # the adversarial case
    "group": "str",  # what it shares with its friendly counterparts, such as the heuristic
    "n": "int64",  # examples of the adversarial case
    "n_friendly": "int64",  # examples of all friendly cases of the group
    "auc": "float64",  # P(an adversarial example scores higher than a friendly one), ties half
    "auc_se": "float64",  # its standard error over examples of both sides; NaN for one of a side
    "d_prime": "float64",  # difference of mean scores over the root of their mean variance
    "bias": "float64",  # mean score over both sides, each counting half: > 0 leans adversarial
}

#: One row per removal and case: what removing units from a full model does.
MODEL: dict[str, str] = {
    "finetune_seed": "int64",  # seed of the fine-tuning
    "checkpoint": "int64",  # optimiser step of the model, from 0
}
REMOVED: dict[str, str] = MODEL | {
    "head": "str",  # who answers: "model", its own head; "probe", one trained on frozen features
    # "none", "single", "pair", "core", "control" (matched to the core), or the name of a group of
    # the study's own
    "group": "str",
    "draw": "int64",  # number of the control's draw; -1 for all others
    "removed": "str",  # the units, joined by "+", in the model's order; "" for none
}
REMOVAL: dict[str, str] = REMOVED | {
    "suite": "str",
    "role": "str",  # "id" or "ood"
    "case": "str",
    "case_kind": "str",  # "id", "adversarial" or "friendly"
    "label": "str",  # the right label of all the case's examples; "" where they have several
    "n": "int64",  # examples
    "correct": "int64",
    "kl": "float64",  # mean KL(full model || without the units), nats
    "margin": "float64",  # mean log-odds of the right label
    "margin_change": "float64",  # mean change of that to the full model
    "margin_change_se": "float64",  # its standard error over examples
    "interaction": "float64",  # change less the sum of the single removals'; NaN for < 2 units
    "interaction_se": "float64",  # its standard error over examples
    "pooled_change": "float64",  # mean of |change of what the classifier reads| / |what it reads|
}
#: How a removal changes the area under the curve.
AUC_CHANGES: dict[str, str] = {
    "auc_change": "float64",  # change of the area to the full model's
    "auc_change_se": "float64",  # its standard error over examples of the adversarial case
    "auc_change_common_se": "float64",  # over friendly ones, which the group's cases share
    "auc_interaction": "float64",  # change less the sum of the single removals'; NaN for < 2 units
    "auc_interaction_se": "float64",
    "auc_interaction_common_se": "float64",
}
#: One row per removal and adversarial case. "group" is that of the removal here.
REMOVAL_DISCRIMINATION: dict[str, str] = (
    REMOVED
    | {
        "case_group" if name == "group" else name: kind
        for name, kind in DISCRIMINATION.items()
        if name not in (*SYSTEM, "auc_se")
    }
    | AUC_CHANGES
)

#: One row per head, pattern and suite: how much a head attends to a kind of token.
ATTENTION: dict[str, str] = MODEL | {
    "suite": "str",
    "unit": "str",
    "layer": "int64",
    "head": "int64",
    "pattern": "str",  # such as "repeated" or "previous"
    "weighting": "str",  # "attention", or "value_norm": times the norm of what is read
    "n": "int64",  # examples in which the pattern has a target
    "attention": "float64",  # mean attention to the targets
    "chance": "float64",  # the same if attention were uniform over the tokens it may see
    "score": "float64",  # mean over examples of attention / chance; 1 is chance
    "score_se": "float64",  # its standard error over examples
    "wins": "float64",  # share of bootstrap draws of examples in which this pattern scores highest
}

#: One row per pair of heads: what a receiver gives when only what a sender wrote is changed.
DEPENDENCY: dict[str, str] = MODEL | {
    "sender": "str",
    "receiver": "str",
    "sender_group": "str",  # "core", or "control": a head of a core head's layer, not of the core
    # "core": in all subnetworks; "added": in at least half of those at the lowest sparsity, and
    # not in the core, whether or not these subnetworks generalise
    "receiver_group": "str",
    "reads": "str",  # which of the receiver's projections reads the change: "q", "k" or "v"
    "path": "str",  # "direct": units between write what they did; "total": they are computed anew
    "n": "int64",  # adversarial examples
    "change": "float64",  # mean of |change of the receiver's z| / |its z less its mean|
    "change_se": "float64",  # standard error over examples
    "excess": "float64",  # change less the mean over the controls of the sender's layer
    "excess_se": "float64",
    # mean change of the right label's log-odds by the receiver's new z in a clean run; NaN: not run
    "margin_change": "float64",
    "margin_change_se": "float64",
    # mean of |change of the log-odds| less its mean over the controls of the sender's layer
    "margin_excess": "float64",
    "margin_excess_se": "float64",
}

#: One row per case of a subnetwork that was forbidden heads of another one.
DISJOINT: dict[str, str] = EVALUATION | {
    "forbidden": "float64",  # share of the other's heads that were forbidden
    "other_heads": "int64",  # heads of the other subnetwork
    "heads": "int64",  # heads of this one
    "shared_heads": "int64",  # heads in both
    "units": "int64",  # units kept, MLPs included
}

#: One row per logged step of a fine-tuning.
FINETUNING: dict[str, str] = {
    "finetune_seed": "int64",
    "step": "int64",
    "loss": "float64",  # mean training loss since the last row, nats
    "learning_rate": "float64",
}


#: What is measured beside the subnetworks themselves, by the name of its table.
MEASURED: dict[str, dict[str, str]] = {
    "discrimination": DISCRIMINATION,
    "grid": EVALUATION,
    "grid_subnetworks": SUBNETWORKS,
    "disjoint": DISJOINT,
    "removal": REMOVAL,
    "removal_discrimination": REMOVAL_DISCRIMINATION,
    "attention": ATTENTION,
    "dependency": DEPENDENCY,
}


def empty(columns: dict[str, str]) -> pd.DataFrame:
    """Give a table of these columns without rows."""
    return conform(pd.DataFrame(columns=list(columns)), columns)


def conform(table: pd.DataFrame, columns: dict[str, str]) -> pd.DataFrame:
    """Give a table exactly these columns, in this order, with these types.

    Raises:
        InputError: If a column is missing, or holds values of another type.
    """
    missing = [name for name in columns if name not in table.columns]
    if missing:
        raise InputError(f"a results table lacks the columns {missing}; was it written by hand?")
    try:
        return table[list(columns)].astype(columns).reset_index(drop=True)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"a results table holds other values than it should ({one_line(str(error), 120)})"
        ) from error
