"""The tables that measurements fill, the columns that name a subject, and the table of verdicts.

All tables are long: one row says one thing. A *system* is what was run: the full model at a
checkpoint, or one subnetwork of it. The columns in ``SYSTEM`` name it in every table.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Literal, get_args

import numpy as np

from .card_tables import CARD, CASES, UNITS
from .columns import Column, Table

#: What data say of a claim.
Decision = Literal["supported", "contradicted", "not decided by these data"]
SUPPORTED: Decision = "supported"
CONTRADICTED: Decision = "contradicted"
UNDECIDED: Decision = "not decided by these data"

#: Search methods of which nothing is random: from the same examples every seed finds the same.
DETERMINISTIC = frozenset({"fisher", "gim", "gradient", "greedy", "integrated", "magnitude"})

_BELOW_1 = float(np.nextafter(1.0, 0.0))


def _error(name: str, of: str) -> Column:
    return Column(name, f"standard error of {of} over examples", low=0, optional=True)


#: What names a model.
MODEL = (
    Column("finetune_seed", "seed of the fine-tuning", "int", low=-math.inf, key=True),
    Column("checkpoint", "optimiser step of the model, from 0", "int", low=0, key=True),
)
SYSTEM = (
    *MODEL,
    Column(
        "kind", "the full model or a subnetwork", "str", choices=("full", "subnetwork"), key=True
    ),
    Column("method", "how the subnetwork was found; empty for the full model", "str", key=True),
    Column("sparsity", "sparsity asked for; 0 for the full model", low=0, high=_BELOW_1, key=True),
    Column("seed", "seed of the search; -1 for the full model", "int", low=-1, key=True),
)
#: The same where only subnetworks have rows.
_SUBNETWORK = (*MODEL, replace(SYSTEM[2], choices=("subnetwork",)), *SYSTEM[3:])
MODEL_NAMES, SYSTEM_NAMES = ([c.name for c in columns] for columns in (MODEL, SYSTEM))

_SUITE = Column("suite", "the suite of examples", "str", key=True)
_ROLE = Column("role", "in-domain or out-of-domain", "str", choices=("id", "ood"))
_CASE = Column("case", "the case of the suite", "str", key=True)
_KIND = Column(
    "case_kind",
    "in-domain, adversarial (a shallow heuristic answers it wrongly), friendly (rightly) or shift "
    "(out of domain, and no heuristic is tested)",
    "str",
    choices=("id", "adversarial", "friendly", "shift"),
)
_N = Column("n", "examples", "int", low=1)
_CORRECT = Column("correct", "examples whose most probable label is the right one", "int", low=0)
_KL = Column("kl", "mean KL(full model || system) over the examples, nats")
_MARGIN = Column("margin", "mean log-odds of the right label against all others, nats")
#: The examples of one right label in a case are a group (Sagawa et al. 2020, section 2).
_WORST = (
    Column(
        "worst_label",
        "the right label of the group of the case that is answered worst; a group is the examples "
        "of one case and label",
        "str",
        optional=True,
        later=True,
    ),
    Column("worst_n", "examples of that group", "int", low=1, optional=True, later=True),
    Column("worst_correct", "those answered rightly", "int", optional=True, later=True),
)
_SCORED = (_SUITE, _ROLE, _CASE, _KIND, _N, _CORRECT, _KL, _MARGIN)

EVALUATIONS = Table(
    "evaluations",
    "What a system answers in one case.",
    *SYSTEM,
    *_SCORED,
    replace(_error("kl_se", "the divergence"), later=True),
    *_WORST,
)
GRID = Table(
    "grid",
    "The same for the searches at many checkpoints and sparsities, on a smaller sample.",
    *EVALUATIONS.columns,
)

_CASE_GROUP = Column(
    "case_group",
    "what the case shares with its counterparts, such as the heuristic",
    "str",
    formerly="group",
)
_ANSWERS = "which examples are answered correctly, eight in a byte, the first in its highest bit"
PREDICTIONS = Table(
    "predictions",
    "What a system answers to every example of one case, in the suite's order.",
    *SYSTEM,
    _SUITE,
    _CASE,
    Column(
        "label",
        "the label that scores are the log-odds of: an adversarial case's own, for a friendly case "
        "that of its adversarial counterparts; empty without scores",
        "str",
        key=True,
    ),
    _CASE_GROUP,
    _N,
    Column("correct", _ANSWERS, "bytes"),
    Column(
        "scores",
        "log-odds of the label against all others, nats, as little-endian float16; not numbers for "
        "friendly examples that have that label, which are not compared",
        "bytes",
        optional=True,
    ),
)
GRID_PREDICTIONS = Table(
    "grid_predictions",
    "The same for the searches at many checkpoints and sparsities.",
    *PREDICTIONS.columns,
)

_UNIT = (
    Column("unit", "the unit, such as L4H0 or L4MLP", "str", key=True),
    Column("layer", "its layer, from 0", "int"),
    Column("head", "its head within the layer, from 0; -1 for an MLP", "int", low=-1),
)
SUBNETWORKS = Table(
    "subnetworks",
    "Whether a subnetwork keeps a unit.",
    *_SUBNETWORK,
    *_UNIT,
    Column("kept", "whether it is kept", "bool"),
    Column("soft", "soft gate value in [0, 1]; missing if the method has none", optional=True),
)
GRID_SUBNETWORKS = Table(
    "grid_subnetworks",
    "The same for the searches at many checkpoints and sparsities.",
    *SUBNETWORKS.columns,
)

_N_FRIENDLY = Column("n_friendly", "examples of all friendly cases of the group", "int", low=1)
_AUROC = Column(
    "auc",
    "AUROC: probability that an adversarial example scores higher than a friendly one, ties half",
    low=0,
    high=1,
)
_SEPARATION = (
    Column("d_prime", "difference of the mean scores over the root of their mean variance"),
    Column("bias", "label bias: mean score of both kinds, nats; above 0 to the adversarial label"),
)
#: A system that is biased to one label is right more often in one kind of case and less often in
#: the other; only one that separates them has an AUROC away from 0.5.
DISCRIMINATION = Table(
    "discrimination",
    "How well a system separates an adversarial case from its friendly counterparts.",
    *SYSTEM,
    _SUITE,
    _CASE,
    _CASE_GROUP,
    _N,
    _N_FRIENDLY,
    _AUROC,
    _error("auc_se", "the AUROC"),
    *_SEPARATION,
)

READOUTS = ("model", "probe")
READOUT = Column(
    "readout",
    "what reads the encoder: the model's own classifier, or a probe trained on frozen features",
    "str",
    choices=READOUTS,
    key=True,
    formerly="head",
)
#: The groups of units that every table of removals may have; all others are a study's own.
GROUPS = ("none", "single", "pair", "core", "control")
REMOVED = (
    *MODEL,
    READOUT,
    Column(
        "group",
        "the group of units: none, single, pair, core, control (matched to the core), or the name "
        "of a group of the study's own",
        "str",
        key=True,
    ),
    Column("draw", "number of the control's draw; -1 for all others", "int", low=-1, key=True),
    Column(
        "removed", "the units, joined by +, in the model's order; empty for none", "str", key=True
    ),
)
REMOVED_NAMES = [column.name for column in REMOVED]
REMOVAL = Table(
    "removal",
    "What removing a group of units from the full model does in one case.",
    *REMOVED,
    _SUITE,
    _ROLE,
    _CASE,
    _KIND,
    Column("label", "the right label of all its examples; empty if they have several", "str"),
    _N,
    _CORRECT,
    _KL,
    _MARGIN,
    replace(_error("margin_se", "the margin"), later=True),
    Column("margin_change", "mean change of the margin to the full model's, nats"),
    _error("margin_change_se", "the change"),
    Column(
        "interaction",
        "change minus the sum of the single removals'; missing for fewer than two units",
        optional=True,
    ),
    _error("interaction_se", "the interaction"),
    Column(
        "pooled_change",
        "mean of |change of what the classifier reads| / |what it reads|",
        optional=True,
    ),
)
AUROC_CHANGES = (
    Column("auc_change", "change of the AUROC to the full model's"),
    _error("auc_change_se", "the change (adversarial side)"),
    _error("auc_change_common_se", "the change (friendly side, which a group's cases share)"),
    Column(
        "auc_interaction",
        "change minus the sum of the single removals'; missing for fewer than two units",
        optional=True,
    ),
    _error("auc_interaction_se", "the interaction (adversarial side)"),
    _error("auc_interaction_common_se", "the interaction (friendly side)"),
)
_LOG_ODDS = "log-odds of the case’s label on {}, in order, nats, as little-endian float16"
#: From them follows how AUROCs vary together over examples.
KEPT_SCORES = (
    Column("scores", _LOG_ODDS.format("its examples"), "bytes", optional=True, later=True),
    Column(
        "friendly_scores",
        _LOG_ODDS.format("its friendly counterparts"),
        "bytes",
        optional=True,
        later=True,
    ),
)
REMOVAL_DISCRIMINATION = Table(
    "removal_discrimination",
    "What removing a group of units does to the separation of one adversarial case.",
    *REMOVED,
    _SUITE,
    _CASE,
    replace(_CASE_GROUP, formerly=""),
    _N,
    _N_FRIENDLY,
    _AUROC,
    *_SEPARATION,
    *AUROC_CHANGES,
    *KEPT_SCORES,
)

ATTENTION = Table(
    "attention",
    "How much a head attends to one kind of token.",
    *MODEL,
    _SUITE,
    *_UNIT,
    Column("pattern", "the kind of token, such as repeated or previous", "str", key=True),
    Column(
        "weighting",
        "attention alone, or times the norm of the value read",
        "str",
        choices=("attention", "value_norm"),
        key=True,
    ),
    Column("n", "examples in which the pattern has a target", "int", low=0),
    Column("attention", "mean attention to the targets", optional=True),
    Column("chance", "the same if attention were uniform", optional=True),
    Column("score", "mean over examples of attention / chance; 1 is chance", optional=True),
    _error("score_se", "the score"),
    Column(
        "wins",
        "share of bootstrap draws of examples in which this pattern scores highest",
        low=0,
        high=1,
        optional=True,
    ),
)

_OF_MAP = (
    *MODEL,
    _SUITE,
    _CASE,
    Column("n", "tokens of the map, special ones too; at most 48", "int", low=1),
)
ATTENTION_MAPS = Table(
    "attention_maps",
    "What a head attends to in one example of a case.",
    *_OF_MAP,
    *_UNIT,
    Column(
        "weights",
        "attention from each token to each token, row by row: a byte each, in 255ths",
        "bytes",
    ),
)
ATTENTION_EXAMPLES = Table(
    "attention_examples",
    "The example of a case that the attention maps are of: among those with at most 48 tokens the "
    "first of median length; else the first of the shortest, which is cut.",
    *_OF_MAP,
    Column("label", "its right label", "str"),
    Column("answer", "the label that the model finds most probable", "str"),
    Column("length", "its tokens; those after the first n are not in the maps", "int", low=1),
    Column("tokens", "the n tokens as text, a JSON list", "str"),
)

DEPENDENCY = Table(
    "dependency",
    "What a receiving head gives when only what a sending head wrote is changed.",
    *MODEL,
    Column("sender", "the head whose output is replaced", "str", key=True),
    Column("receiver", "the head that reads it", "str", key=True),
    Column(
        "sender_group",
        "core, or control: a head of a core head's layer that is not in the core",
        "str",
        choices=("core", "control"),
    ),
    Column(
        "receiver_group",
        "core: kept by all subnetworks; added: kept by at least half of those at the lowest "
        "sparsity and not in the core",
        "str",
        choices=("core", "added"),
    ),
    Column(
        "reads", "the projection that reads the change", "str", choices=("q", "k", "v"), key=True
    ),
    Column(
        "path",
        "direct: units between write what they did; total: they are computed again",
        "str",
        choices=("direct", "total"),
        key=True,
    ),
    Column("n", "adversarial examples", "int", low=1),
    Column("change", "mean of |change of the receiver's z| / |z minus its mean|", optional=True),
    _error("change_se", "the change"),
    Column("excess", "change minus the controls' mean in the sender's layer", optional=True),
    _error("excess_se", "the excess"),
    Column(
        "margin_change",
        "mean change of the right label's log-odds by the new z; missing: not run",
        optional=True,
    ),
    _error("margin_change_se", "the change of the margin"),
    Column("margin_excess", "mean size of that minus the controls' mean", optional=True),
    _error("margin_excess_se", "the excess of the margin"),
)

DISJOINT = Table(
    "disjoint",
    "What a subnetwork answers in one case that was not allowed heads of another one.",
    *_SUBNETWORK,
    *_SCORED,
    Column("forbidden", "share of the other's heads that were forbidden", low=0, high=1, key=True),
    Column("other_heads", "heads of the other subnetwork", "int", low=0),
    Column("heads", "heads of this one", "int", low=0),
    Column("shared_heads", "heads in both", "int", low=0),
    Column("units", "units kept, MLPs included", "int", low=0),
    Column("answers", _ANSWERS, "bytes", optional=True, later=True),
)

_OF_SPARSITY = (*MODEL, *SYSTEM[3:5])
_AIM = Column(
    "aim",
    "what the search aimed at beside agreeing with the model: nothing, to generalise well, badly, "
    "or well without any head of the subnetwork of its seed that generalises badly",
    "str",
    choices=("none", "well", "badly", "apart"),
    key=True,
)
_DIVERGENCE = Column(
    "divergence", "mean KL(full model || subnetwork) on mask-learning examples, nats", low=0
)
_BOUND = Column(
    "bound", "the highest divergence of a subnetwork that counts as faithful, nats", low=0
)
_AIMED = Column("aimed", "whether searches aimed at the case, or at these cases", "bool")
TARGETED = Table(
    "targeted",
    "What a subnetwork that was searched for with an aim answers in one case, on examples that no "
    "search saw.",
    *_SUBNETWORK,
    _AIM,
    *_SCORED,
    replace(_AUROC, optional=True),
    _AIMED,
    _DIVERGENCE,
    _BOUND,
)
TARGETED_CONTRASTS = Table(
    "targeted_contrasts",
    "How the mean AUROCs of subnetworks with two aims differ on examples that no search saw, and "
    "the mean of each aim.",
    *_OF_SPARSITY,
    _AIM,
    replace(
        _AIM,
        name="other_aim",
        meaning="the aim of the subnetworks that are subtracted; empty where none are",
        choices=("none", "well", "badly", "apart", ""),
    ),
    replace(_AIMED, key=True),
    Column(
        "auc_difference",
        "difference of means over cases and seeds, or the mean of the one aim",
        low=-1,
        high=1,
    ),
    _error("se", "the difference"),
)
REPELLED = Table(
    "repelled",
    "Whether a subnetwork keeps a unit that paid for sharing units with the others of its pass.",
    *_SUBNETWORK,
    Column("repel", "what it paid for sharing all units with all others, nats", low=0, key=True),
    *_UNIT,
    Column("kept", "whether it is kept", "bool"),
    _DIVERGENCE,
    _BOUND,
)
NECESSITY = Table(
    "necessity",
    "What the best subnetwork loses without a unit.",
    *_OF_SPARSITY,
    *_UNIT,
    Column("times", "subnetworks of the study's own searches that keep it", "int", low=0),
    Column("n_searches", "these searches", "int", low=1),
    Column("kept", "whether the best subnetwork keeps it", "bool"),
    Column(
        "divergence", "mean KL of the best one without it, on the judging examples, nats", low=0
    ),
    _error("divergence_se", "this divergence"),
    Column("necessity", "this minus the divergence of the best subnetwork, nats"),
    _error("se", "the necessity"),
    Column("p", "p-value of no necessity, corrected for all units kept", low=0, high=1),
    Column(
        "shared", "share of the best one's other units that the one without keeps", low=0, high=1
    ),
    _BOUND,
)

VALIDITY = Table("validity", CARD.about, *_SUBNETWORK, *CARD.columns)
VALIDITY_UNITS = Table("validity_units", UNITS.about, *_SUBNETWORK, *UNITS.columns)
VALIDITY_CASES = Table(
    "validity_cases", CASES.about, *_SUBNETWORK, *CASES.without(["task", "role"]).columns
)

FINETUNING = Table(
    "finetuning",
    "One logged step of a fine-tuning.",
    MODEL[0],
    Column("step", "optimiser step", "int", key=True),
    Column("loss", "mean training loss since the last row, nats"),
    Column("learning_rate", "the learning rate"),
)

#: What every study measures.
ALWAYS = (EVALUATIONS, SUBNETWORKS, FINETUNING)
#: What is measured beside the subnetworks' accuracy.
MEASURED = (
    DISCRIMINATION,
    PREDICTIONS,
    GRID,
    GRID_SUBNETWORKS,
    GRID_PREDICTIONS,
    DISJOINT,
    REMOVAL,
    REMOVAL_DISCRIMINATION,
    ATTENTION,
    ATTENTION_MAPS,
    ATTENTION_EXAMPLES,
    DEPENDENCY,
    TARGETED,
    TARGETED_CONTRASTS,
    REPELLED,
    NECESSITY,
    VALIDITY,
    VALIDITY_UNITS,
    VALIDITY_CASES,
)
TABLES = {table.name: table for table in (*ALWAYS, *MEASURED)}


def _subject(name: str, meaning: str, type: str, title: str = "", **more: object) -> Column:
    return Column(name, meaning, type, title, optional=True, brief=True, key=True, **more)  # type: ignore[arg-type]


#: What a verdict may be about. Every question uses some of these; the others are missing.
SUBJECT = (
    _subject("run", "the run, where several are compared", "str", "run"),
    _subject("finetune_seed", "seed of the fine-tuning", "int", "fine-tuning"),
    _subject("checkpoint", "optimiser step of the model", "int", "step"),
    _subject("method", "how subnetworks were found", "str", "method"),
    _subject("sparsity", "sparsity asked for; missing: all together", "float", "sparsity"),
    _subject("other_run", "the run compared with", "str", "beside run"),
    _subject("other_finetune_seed", "the fine-tuning compared with", "int", "beside fine-tuning"),
    _subject("other_checkpoint", "the checkpoint compared with", "int", "beside step"),
    _subject("other_method", "the search method compared with", "str", "beside method"),
    _subject("other_sparsity", "the sparsity compared with", "float", "beside sparsity"),
    _subject("readout", READOUT.meaning, "str", "readout"),
    _subject("suite", _SUITE.meaning, "str", "suite"),
    _subject("weighting", "how attention is weighted", "str", "weighting"),
    _subject(
        "data",
        "kind of examples: in-domain, adversarial, balanced, by accuracy or by AUROC, mixed, or "
        "shift",
        "str",
        "data",
    ),
    _subject("group", "the study's own group of units", "str", "group"),
)

VERDICTS = Table(
    "verdicts",
    "What the data say of one claim about one subject.",
    Column("question", "the question's key", "str", key=True),
    *SUBJECT,
    Column("claim", "the claim", "str"),
    Column(
        "decision",
        "what the data say of it",
        "str",
        choices=get_args(Decision),
    ),
    Column("measure", "what the effect is measured in; empty without one", "str"),
    Column("effect", "the effect that decides", interval=True, optional=True),
    Column(
        "p",
        "p-value of the effect, corrected where several are tested",
        form="probability",
        optional=True,
    ),
    Column("reason", "the numbers behind the decision", "str"),
    Column(
        "power",
        "what data would find the effect that the claim asks for; empty where it is decided or "
        "more data would not help",
        "str",
    ),
    Column("caveat", "what these data leave open; may be empty", "str"),
)
