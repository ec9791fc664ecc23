from __future__ import annotations

import numpy as np
import pytest
import torch

from heuristic_core.errors import InputError
from heuristic_core.models.encoding import encode
from heuristic_core.tasks.task import Examples


def test_batches_equal_the_tokenizers_own_padding(tiny, pairs):
    encoded = tiny.encode(pairs)
    rows = [3, 0, 17]
    expected = tiny.tokenizer(
        [pairs.table["text"][r] for r in rows],
        [pairs.table["text_pair"][r] for r in rows],
        padding=True,
        return_tensors="pt",
    )
    batch = encoded.batch(rows, torch.device("cpu"))
    assert set(batch) == set(expected)
    assert all(torch.equal(batch[name], expected[name]) for name in batch)


def test_left_padding_follows_the_tokenizer(tiny, pairs):
    tiny.tokenizer.padding_side = "left"
    batch = tiny.encode(pairs).batch([0, 1, 2], torch.device("cpu"))
    assert batch["attention_mask"][:, -1].all()
    assert not batch["attention_mask"].all()


def test_long_examples_are_cut_and_counted(tiny, pairs):
    lengths = tiny.encode(pairs).lengths
    limit = int(np.median(lengths))
    cut = encode(tiny.tokenizer, pairs, limit)
    assert cut.n_truncated == (lengths > limit).sum() > 0
    assert (cut.lengths == np.minimum(lengths, limit)).all()
    assert tiny.encode(pairs).n_truncated == 0


def test_by_length_gives_every_example_once_longest_first(tiny, pairs):
    encoded = tiny.encode(pairs)
    batches = list(encoded.by_length(5))
    assert sorted(np.concatenate(batches)) == list(range(len(encoded)))
    lengths = encoded.lengths[np.concatenate(batches)]
    assert (np.diff(lengths) <= 0).all()


def test_shuffled_passes_over_the_data_evenly_and_repeats_with_the_seed(tiny, pairs):
    encoded = tiny.encode(pairs)
    first = list(encoded.shuffled(8, 12, np.random.default_rng(1)))
    again = list(encoded.shuffled(8, 12, np.random.default_rng(1)))
    other = list(encoded.shuffled(8, 12, np.random.default_rng(2)))
    assert len(first) == 12
    assert all((a == b).all() for a, b in zip(first, again, strict=True))
    assert any((a != b).any() for a, b in zip(first, other, strict=True))
    counts = np.bincount(np.concatenate(first), minlength=len(encoded))
    assert set(counts) == {3}  # 12 batches of 8 are three epochs of 32


def test_single_texts_and_nothing_at_all(tiny):
    labels = ("entailment", "non-entailment")
    single = Examples.build(["The actor danced."], None, ["entailment"], "x", labels)
    assert tiny.encode(single).columns["token_type_ids"] == [[0] * 6]
    empty = Examples.build([], [], [], "x", labels)
    assert len(tiny.encode(empty)) == 0


def test_a_tokenizer_without_padding_is_refused(tiny, pairs):
    tiny.tokenizer.pad_token = None
    with pytest.raises(InputError, match="no padding token"):
        tiny.encode(pairs)


def test_logits_come_in_the_examples_order(tiny, pairs):
    encoded = tiny.encode(pairs)
    together = tiny.logits(encoded, batch_size=7)
    for row in (0, 9, 31):
        alone = tiny.logits(tiny.encode(pairs.take(slice(row, row + 1))))
        assert torch.allclose(together[row], alone[0], atol=1e-6)
