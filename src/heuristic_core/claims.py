"""The claim of every question in a few words, each read after the question's key."""

from __future__ import annotations

#: With the key at most 27 characters, so that a verdict fits into a line of 80.
CLAIMS = {
    "spread": "out of domain",
    "discrimination": "differs",
    "ranks": "depend on the case",
    "faithfulness": "lower OOD",
    "sparser": "generalise worse",
    "smoothness": "of the fall",
    "core": "shared by all",
    "overlap": "above chance",
    "disjoint": "subnetworks match",
    "effective_size": "falls",
    "learning_order": "task first",
    "emergence": "of the core first",
    "attention_patterns": "shallow",
    "repeated_tokens": "early on",
    "single_removal": "hurts OOD",
    "additivity": "fails",
    "core_removal": "hurts most",
    "group_removal": "hurts OOD",
    "core_overlap": "is large",
    "helpful_removal": "exists",
    "label_bias": "in both ways",
    "dependency": "on the core",
    "generalisation_range": "wide",
    "coexistence": "of both kinds",
    "repulsion": "leaves a core",
    "necessity": "of the core",
    "core_of_models": "is one",
    "core_of_searches": "is one",
    "core_of_all": "is there",
    "core_elsewhere": "matters",
    "spread_of_pairs": "differs",
    "verdicts_of_runs": "agree",
}
