"""Single texts, which have no second sentence, through everything that runs a model."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import heuristic_core as hc
from heuristic_core.measure.attention import attention_patterns
from heuristic_core.measure.patterns import PATTERNS, pattern_scores, relate
from heuristic_core.tasks.task import Examples, Suite, Task
from tiny import LABELS


@pytest.fixture
def task(pairs) -> Task:
    """The first sentences of pairs alone."""
    table = pairs.table
    cases = ["odd" if i % 2 else "even" for i in range(len(table))]
    texts = Examples.build(table["text"], None, table["label"], cases, LABELS)
    return Task(
        name="single",
        labels=LABELS,
        train=texts,
        search=texts.take(slice(0, 16)),
        suites=(
            Suite(name="id", role="id", examples=texts),
            Suite(
                name="ood",
                role="ood",
                examples=texts,
                kinds={"odd": "adversarial", "even": "friendly"},
            ),
        ),
    )


def test_a_model_sees_one_sentence(tiny, task):
    assert not task.train.is_pair
    assert not task.train.take(np.array([3])).is_pair
    encoded = tiny.encode(task.train)
    separators = [ids.count(tiny.tokenizer.sep_token_id) for ids in encoded.columns["input_ids"]]
    assert set(separators) == {1}
    assert all(set(row) == {0} for row in encoded.columns["token_type_ids"])


def test_masks_are_learned_and_evaluated(tiny, task):
    sub = hc.find_subnetwork(tiny, task, sparsity=0.5, seed=1, ramp_steps=2, hold_steps=0)
    table = hc.evaluate(tiny, task, subnetwork=sub)
    assert table["case"].tolist() == ["even", "odd"] * 2
    assert table["case_kind"].tolist() == ["id", "id", "friendly", "adversarial"]
    assert table["n"].sum() == 2 * len(task.train)
    assert (table["kl"] > 0).all()


def test_no_word_is_in_the_other_sentence(tiny, task):
    table = attention_patterns(tiny, task.train, suite="id", seed=0)
    assert set(table["pattern"]) < set(PATTERNS) - {"repeated"}
    assert {"same", "previous", "next", "self", "cls", "sep"} <= set(table["pattern"])
    assert np.isfinite(table[["attention", "chance", "score", "wins"]]).all(axis=None)
    shares = table.groupby("unit")["wins"].sum()
    np.testing.assert_allclose(shares, 1)


def test_repeated_has_no_target_and_so_no_score():
    # [CLS] a b a [SEP]: the word that occurs twice counts as the same one, not as a repeated one.
    sentence = torch.tensor([[-1, 0, 0, 0, -1]])
    word = torch.tensor([[-1, 0, 1, 0, -1]])
    relations = relate(sentence, word, torch.zeros_like(word), causal=False)
    repeated, same = (relations.targets[PATTERNS.index(name)] for name in ("repeated", "same"))
    assert not repeated.any()
    assert same[0].nonzero().tolist() == [[1, 3], [3, 1]]
    uniform = relations.allowed.double() / relations.allowed.sum(-1, keepdim=True).clamp(min=1)
    scores = pattern_scores(uniform[:, None], relations)
    score = dict(zip(PATTERNS, scores.score[0, 0].tolist(), strict=True))
    assert np.isnan(score["repeated"])
    assert score["same"] == pytest.approx(1)
