from __future__ import annotations

import numpy as np
import pytest
import torch

from heuristic_core.errors import InputError
from heuristic_core.models.encoding import Encoded, encode
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


def test_batches_by_tokens_hold_every_example_once_and_no_more_than_the_tokens(tiny, pairs):
    encoded = tiny.encode(pairs)
    longest = int(encoded.lengths.max())
    for n_tokens in (1, longest, 3 * longest + 1, 10_000):
        batches = list(encoded.by_tokens(n_tokens))
        assert sorted(np.concatenate(batches)) == list(range(len(encoded)))
        lengths = np.concatenate([encoded.lengths[rows] for rows in batches])
        assert (np.diff(lengths) <= 0).all()
        for rows, following in zip(batches, [*batches[1:], None], strict=True):
            size = int(encoded.lengths[rows].max())
            assert len(rows) == 1 or len(rows) * size <= n_tokens
            # One more would not have fitted.
            assert following is None or (len(rows) + 1) * size > n_tokens


def test_joined_sets_are_the_examples_of_all_in_order(tiny, pairs):
    encoded = tiny.encode(pairs)
    parts = [encoded.take(np.arange(*ends)) for ends in ((0, 3), (3, 3), (3, len(encoded)))]
    for order in (parts, [parts[1], parts[0], parts[2]]):
        joined = Encoded.joined(order)
        assert joined.columns == encoded.columns
        assert joined.n_tokens == 3 * encoded.n_tokens
    empty = tiny.encode(pairs.take([]))
    assert Encoded.joined([empty, encoded]).columns == encoded.columns
    assert len(Encoded.joined([empty])) == 0
