from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import BertTokenizer

from heuristic_core.errors import InputError
from heuristic_core.measure.attention import WEIGHTINGS, _wins, attention_patterns
from heuristic_core.measure.patterns import (
    NO_WORD,
    PADDING,
    PATTERNS,
    Relations,
    describe_tokens,
    pattern_scores,
    relate,
)
from heuristic_core.measure.patterns import (
    SPECIAL as NO_SENTENCE,
)
from heuristic_core.models.encoding import encode
from heuristic_core.models.loading import load_model
from heuristic_core.subnetwork import Subnetwork
from heuristic_core.tables import ATTENTION, MODEL_NAMES
from heuristic_core.tasks.task import Examples
from tiny import LABELS, SPECIAL, save_tiny

# [CLS] a b . [SEP] b c [SEP], then two of padding
SENTENCE = torch.tensor([[-1, 0, 0, 0, -1, 1, 1, -1, -2, -2]])
WORD = torch.tensor([[-1, 0, 1, -1, -1, 1, 2, -1, -1, -1]])
MARKS = torch.tensor([[0, 0, 0, 1, 0, 0, 0, 0, 0, 0]])


def pairs_of(*pairs: tuple[str, str | None]) -> Examples:
    text, other = zip(*pairs, strict=True)
    second = None if other[0] is None else list(other)
    return Examples.build(list(text), second, [LABELS[0]] * len(pairs), "case", LABELS)


def by_hand(causal: bool) -> Relations:
    return relate(SENTENCE, WORD, MARKS, causal=causal)


def links(relations: Relations, pattern: str) -> set[tuple[int, int]]:
    found = relations.targets[PATTERNS.index(pattern)][0].nonzero()
    return {(int(q), int(k)) for q, k in found}


def uniform(relations: Relations) -> torch.Tensor:
    allowed = relations.allowed.double()
    return (allowed / allowed.sum(-1, keepdim=True).clamp(min=1))[:, None]


# --- which tokens a pattern looks at ----------------------------------------------------------


def test_the_targets_of_a_bidirectional_model():
    relations = by_hand(causal=False)
    text = (1, 2, 3, 5, 6)
    assert links(relations, "repeated") == {(2, 5), (5, 2)}
    assert links(relations, "same") == {(2, 5), (5, 2)}
    # [CLS] and [SEP] are nobody's neighbours here: they have patterns of their own.
    assert links(relations, "previous") == {(2, 1), (3, 2), (6, 5)}
    assert links(relations, "next") == {(1, 2), (2, 3), (5, 6)}
    assert links(relations, "self") == {(q, q) for q in text}
    assert links(relations, "cls") == {(q, 0) for q in text}
    assert links(relations, "first") == set()
    assert links(relations, "sep") == {(q, k) for q in text for k in (4, 7)}
    assert links(relations, "punctuation") == {(q, 3) for q in text if q != 3}
    assert relations.allowed[0].sum(-1).tolist() == [0, 8, 8, 8, 0, 8, 8, 0, 0, 0]


def test_the_targets_of_a_causal_model_are_its_past():
    relations = by_hand(causal=True)
    both = by_hand(causal=False)
    for pattern in PATTERNS:
        past = {(q, k) for q, k in links(both, pattern) if k <= q}
        assert links(relations, pattern) == past
    assert links(relations, "next") == set()
    assert relations.allowed[0].sum(-1).tolist() == [0, 2, 3, 4, 0, 6, 7, 0, 0, 0]


def test_without_an_opening_token_the_first_word_is_first():
    sentence = torch.tensor([[-2, 0, 0, 1]])
    word = torch.tensor([[-1, 0, 0, 1]])
    relations = relate(sentence, word, torch.zeros_like(word), causal=False)
    assert links(relations, "first") == {(2, 1), (3, 1)}
    assert links(relations, "cls") == links(relations, "sep") == set()
    # Within a sentence a word is the same, but not repeated in the other one.
    assert links(relations, "same") == {(1, 2), (2, 1)}
    assert links(relations, "repeated") == set()


# --- scores -----------------------------------------------------------------------------------


def test_scores_equal_hand_counts_for_an_encoder():
    relations = by_hand(causal=False)
    maps = torch.zeros(1, 2, 10, 10)
    maps[0, 0, 2, 5], maps[0, 0, 5, 2] = 0.6, 0.5  # 1.1 over two queries of chance 1/8 each
    maps[0, 0, 1, 4], maps[0, 0, 6, 7] = 0.25, 0.75  # 1 over five queries of chance 2/8
    maps[0, 1, 3, 2] = 0.9  # over three queries of chance 1/8
    maps[0, :, 0] = maps[0, :, 9] = float("nan")  # special tokens and padding do not ask
    found = pattern_scores(maps, relations)

    def at(table, pattern, *head):
        return float(table[(0, *head, PATTERNS.index(pattern))])

    assert at(found.score, "repeated", 0) == pytest.approx(1.1 / (2 / 8), rel=1e-6)
    assert at(found.attention, "repeated", 0) == pytest.approx(0.55, rel=1e-6)
    assert at(found.chance, "repeated") == 1 / 8
    assert at(found.score, "sep", 0) == pytest.approx(1 / (5 * 2 / 8), rel=1e-6)
    assert at(found.attention, "sep", 0) == pytest.approx(1 / 5, rel=1e-6)
    assert at(found.score, "previous", 1) == pytest.approx(0.9 / (3 / 8), rel=1e-6)
    assert at(found.score, "repeated", 1) == 0
    assert np.isnan(at(found.score, "first", 0))
    assert np.isnan(at(found.chance, "first"))


def test_scores_equal_hand_counts_for_a_decoder():
    relations = by_hand(causal=True)
    maps = torch.zeros(1, 1, 10, 10)
    maps[0, 0, 5, 2] = 0.5  # of the two links only this one looks back; it may see six tokens
    maps[0, 0, 5, 4], maps[0, 0, 6, 4] = 0.5, 1.0  # [SEP] before them: chances 1/6 and 1/7
    found = pattern_scores(maps, relations)
    score = dict(zip(PATTERNS, found.score[0, 0].tolist(), strict=True))
    assert score["repeated"] == pytest.approx(0.5 / (1 / 6))
    assert score["sep"] == pytest.approx(1.5 / (1 / 6 + 1 / 7))
    assert score["previous"] == 0
    assert np.isnan(score["next"])


token = st.tuples(st.sampled_from([-1, 0, 1]), st.integers(0, 3), st.booleans())


@given(
    st.lists(token, min_size=1, max_size=12),
    st.integers(0, 3),
    st.booleans(),
    st.booleans(),
)
def test_uniform_attention_scores_one_for_every_pattern(tokens, padding, left, causal):
    rows = []
    for sentence, word, mark in tokens:
        text = sentence >= 0
        rows.append((sentence, word if text and not mark else NO_WORD, int(mark and text)))
    pads = [(PADDING, NO_WORD, 0)] * padding
    table = torch.tensor(pads + rows if left else rows + pads)
    relations = relate(table[None, :, 0], table[None, :, 1], table[None, :, 2], causal=causal)
    found = pattern_scores(uniform(relations), relations)
    has = relations.targets.any(-1).any(-1)[:, 0]
    assert torch.equal(has, ~found.score[0, 0].isnan())
    torch.testing.assert_close(found.score[0, 0][has], torch.ones(int(has.sum())).double())
    torch.testing.assert_close(found.attention[0, 0][has], found.chance[0][has])


# --- words ------------------------------------------------------------------------------------


def pieces_of(examples: Examples, lower: bool = True) -> tuple[list[str], dict[str, list[int]]]:
    vocabulary = [*SPECIAL, "the", "The", "un", "##fair", "##fairly", "fair", "##s", ".", "!", "s"]
    tokenizer = BertTokenizer(
        vocab={word: i for i, word in enumerate(vocabulary)}, do_lower_case=lower
    )
    encoded = encode(tokenizer, examples, 64)
    kinds = describe_tokens(tokenizer, examples, encoded, 64)
    columns = {name: column[0] for name, column in kinds.columns.items()}
    return tokenizer.convert_ids_to_tokens(columns["input_ids"]), columns


def test_a_piece_is_alike_only_in_the_same_place_of_the_same_word():
    tokens, kinds = pieces_of(pairs_of(("The unfair fairs.", "the unfairs unfair!")))
    assert " ".join(tokens) == (
        "[CLS] the un ##fair fair ##s . [SEP] the un ##fair ##s un ##fair ! [SEP]"
    )
    assert kinds["sentence"] == [NO_SENTENCE, *[0] * 6, NO_SENTENCE, *[1] * 7, NO_SENTENCE]
    assert [i for i, mark in enumerate(kinds["punctuation"]) if mark] == [6, 14]
    word = kinds["word"]
    assert word[1] == word[8]  # the tokenizer puts everything in lower case
    assert word[2:4] == word[12:14]
    # "unfairs" and "fairs" share pieces with other words, but are none of them.
    assert len({*word[2:6], *word[9:12]}) == 7
    assert {word[i] for i in (0, 6, 7, 14, 15)} == {NO_WORD}


def test_case_is_as_the_tokenizer_sees_it():
    tokens, kinds = pieces_of(pairs_of(("The fair", "the fair")), lower=False)
    assert tokens[1:3] == ["The", "fair"]
    word = kinds["word"]
    assert word[1] != word[4]
    assert word[2] == word[5]


def test_a_tokenizer_without_words_is_refused(tiny, pairs):
    class Slow:
        is_fast = False

    with pytest.raises(InputError, match="fast tokenizer"):
        describe_tokens(Slow(), pairs, tiny.encode(pairs), 64)


def test_tokens_other_than_the_models_are_refused(tiny, pairs):
    encoded = tiny.encode(pairs)
    with pytest.raises(InputError, match="different tokens"):
        describe_tokens(tiny.tokenizer, pairs, encoded, 8)


# --- running a model --------------------------------------------------------------------------


def blind(model) -> None:
    """Make all queries zero, so that attention is uniform."""
    with torch.no_grad():
        for layer in range(model.space.n_layers):
            query = model.anatomy.projections[layer][0]
            query.weight.zero_()
            query.bias.zero_()


@pytest.fixture(scope="module")
def decoder_folder(tmp_path_factory):
    """The tiny model with a causal mask."""
    import json

    folder = save_tiny(tmp_path_factory.mktemp("tiny-decoder"))
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"is_decoder": True}))
    return folder


@pytest.fixture
def decoder(decoder_folder):
    return load_model(decoder_folder)


@pytest.mark.parametrize("name", ["tiny", "decoder"])
def test_a_model_that_attends_uniformly_scores_one(name, pairs, request):
    model = request.getfixturevalue(name)
    blind(model)
    table = attention_patterns(model, pairs, suite="grammar", batch_size=7)
    np.testing.assert_allclose(table["score"], 1, rtol=0, atol=1e-6)
    np.testing.assert_allclose(table["attention"], table["chance"], rtol=1e-6)
    causal = name == "decoder"
    # A causal model has no next token, and no model here lacks an opening one.
    expected = {*PATTERNS} - {"first"} - ({"next"} if causal else set())
    assert set(table["pattern"]) == expected
    assert len(table) == 8 * len(expected)
    assert list(table.columns) == ATTENTION.without(MODEL_NAMES).names
    assert set(table["suite"]) == {"grammar"}


def test_a_planted_head_is_found(tiny, pairs):
    """A head whose queries and keys are the words themselves attends to repeated words."""
    with torch.no_grad():
        embeddings = tiny.hf.bert.embeddings
        embeddings.position_embeddings.weight.zero_()
        embeddings.token_type_embeddings.weight.zero_()
        attention = tiny.anatomy.layers[0].attention.self
        for part in (attention.query, attention.key):
            part.weight[8:16] = 1.5 * torch.eye(32)[:8]
            part.bias[8:16] = 0
    table = attention_patterns(tiny, pairs)
    head = table[table["unit"] == "L0H1"].set_index("pattern")["score"]
    assert head["repeated"] > 3
    assert head["self"] > 3
    assert head.drop(["repeated", "same", "self"]).max() < 1


@pytest.mark.parametrize("weighting", WEIGHTINGS)
def test_batches_and_the_side_of_padding_change_nothing(tiny, pairs, weighting):
    with torch.no_grad():  # positions count from the left, padding included
        tiny.hf.bert.embeddings.position_embeddings.weight.zero_()
    expected = attention_patterns(tiny, pairs, weighting=weighting, batch_size=1)
    got = attention_patterns(tiny, pairs, weighting=weighting, batch_size=9)
    tiny.tokenizer.padding_side = "left"
    left = attention_patterns(tiny, pairs, weighting=weighting, batch_size=9)
    numbers = ["attention", "chance", "score", "score_se"]
    for other in (got, left):
        np.testing.assert_allclose(other[numbers], expected[numbers], rtol=1e-4)
        assert (other["n"] == expected["n"]).all()


def test_norms_of_what_is_read_equal_their_definition(tiny):
    """Recomputed head by head and token by token from the weights."""
    examples = pairs_of(("the priests saw the farmer .", "the farmer admired the priests ."))
    layer, head = 1, 2
    values: list[torch.Tensor] = []
    handle = tiny.anatomy.projections[layer][2].register_forward_hook(
        lambda module, args, output: values.append(output[0])
    )
    batch = tiny.encode(examples).batch([0], tiny.device)
    tiny.hf.set_attn_implementation("eager")
    with tiny.inference():
        attention = tiny(**batch, output_attentions=True).attentions[layer][0, head]
    tiny.hf.set_attn_implementation("sdpa")
    handle.remove()
    part = slice(8 * head, 8 * head + 8)
    with torch.inference_mode():
        written = values[0][:, part] @ tiny.anatomy.attention_out[layer].weight[:, part].T
        weighted = attention * written.norm(dim=-1)
        weighted /= weighted.sum(-1, keepdim=True)
    n = len(attention)
    second = [i for i, kind in enumerate(batch["token_type_ids"][0]) if kind]
    text = [*range(1, second[0] - 1), *second[:-1]]
    expected = sum(float(weighted[q, 0]) for q in text) / (len(text) / n)
    table = attention_patterns(tiny, examples, weighting="value_norm")
    found = table[(table["unit"] == "L1H2") & (table["pattern"] == "cls")]
    assert found["score"].item() == pytest.approx(expected, rel=1e-4)
    plain = attention_patterns(tiny, examples)
    plain = plain[(plain["unit"] == "L1H2") & (plain["pattern"] == "cls")]
    assert plain["score"].item() != pytest.approx(expected, rel=1e-2)


def test_a_head_that_reads_nothing_scores_nothing_by_norm(tiny, pairs):
    with torch.no_grad():
        value = tiny.anatomy.projections[0][2]
        value.weight[:8] = 0
        value.bias[:8] = 0
    table = attention_patterns(tiny, pairs, weighting="value_norm")
    assert (table.loc[table["unit"] == "L0H0", "score"] == 0).all()
    assert (table.loc[table["unit"] == "L0H1", "score"] > 0).all()


def test_a_table_says_what_examples_say(tiny, pairs):
    """Means and standard errors over examples, each measured alone."""
    table = attention_patterns(tiny, pairs)
    alone = [attention_patterns(tiny, pairs.take(slice(i, i + 1))) for i in range(len(pairs))]
    for unit, pattern in (("L0H0", "repeated"), ("L1H3", "same"), ("L1H0", "sep")):
        scores = [
            float(one.loc[(one["unit"] == unit) & (one["pattern"] == pattern), "score"].iloc[0])
            for one in alone
            if pattern in set(one["pattern"])
        ]
        row = table[(table["unit"] == unit) & (table["pattern"] == pattern)].iloc[0]
        assert row["n"] == len(scores)
        assert row["score"] == pytest.approx(np.mean(scores), rel=1e-5)
        assert row["score_se"] == pytest.approx(
            np.std(scores, ddof=1) / len(scores) ** 0.5, rel=1e-4
        )
    assert alone[0]["score_se"].isna().all()
    assert table.groupby("unit")["wins"].sum().to_numpy() == pytest.approx(1)


def test_an_example_without_a_target_does_not_count(tiny):
    examples = pairs_of(
        ("the farmer saw a doctor .", "the farmer saw a doctor ."), ("priests saw", "farmer .")
    )
    n = attention_patterns(tiny, examples).groupby("pattern")["n"].first()
    assert n["repeated"] == n["same"] == 1
    assert n["self"] == n["next"] == n["punctuation"] == 2


def test_single_texts_have_no_other_sentence(tiny):
    table = attention_patterns(tiny, pairs_of(("the farmer saw the doctor .", None)))
    assert "repeated" not in set(table["pattern"])
    assert "same" in set(table["pattern"])


def test_no_examples_give_no_rows(tiny, pairs):
    table = attention_patterns(tiny, pairs.take(slice(0)))
    assert len(table) == 0
    assert list(table.columns) == ATTENTION.without(MODEL_NAMES).names


def test_wins_are_shares_of_draws():
    score = np.zeros((30, 2, len(PATTERNS)))
    score[:, 0, 2] = 3  # always highest
    score[:15, 1, 3], score[15:, 1, 4] = 2, 2.0  # a toss-up
    has = np.ones((30, len(PATTERNS)), bool)
    wins = _wins(score, has, seed=0)
    assert wins[0, 2] == 1
    assert 0.4 < wins[1, 3] < 0.7
    assert wins[1, 3] + wins[1, 4] == pytest.approx(1)
    has[:, 2] = False
    assert _wins(score, has, seed=0)[0, 2] == 0
    # A quarter of the draws of these two examples has nothing to say of any pattern.
    has = np.zeros((2, len(PATTERNS)), bool)
    has[0, 3] = True
    wins = _wins(np.zeros((2, 1, len(PATTERNS))), has, seed=0)
    assert wins[0, 0] == 0
    assert wins[0, 3] == pytest.approx(0.75, abs=0.05)


def test_the_same_seed_gives_the_same_table(tiny, pairs):
    one, other = (attention_patterns(tiny, pairs, seed=3) for _ in range(2))
    assert one.equals(other)
    assert not attention_patterns(tiny, pairs, seed=4)["wins"].equals(one["wins"])


def test_progress_counts_examples(tiny, pairs):
    seen: list[tuple[int, int]] = []
    attention_patterns(tiny, pairs, batch_size=20, progress=lambda *step: seen.append(step))
    assert seen == [(20, 32), (32, 32)]


def test_subnetworks_can_be_looked_at_too(tiny, pairs):
    # Without any unit below, the second layer sees other things.
    kept = tiny.space.from_mask(np.arange(len(tiny.space)) >= 5)
    with Subnetwork(tiny.space, kept, ablation="zero").applied(tiny):
        table = attention_patterns(tiny, pairs, weighting="value_norm")
    full = attention_patterns(tiny, pairs, weighting="value_norm")
    upper = table["layer"] == 1
    assert np.allclose(table.loc[~upper, "score"], full.loc[~upper, "score"])
    assert not np.allclose(table.loc[upper, "score"], full.loc[upper, "score"])


# --- leaving the model alone ------------------------------------------------------------------


@pytest.mark.parametrize("before", ["sdpa", "eager"])
@pytest.mark.parametrize("fails", [False, True])
def test_the_model_is_left_as_found(tiny, pairs, before, fails):
    tiny.hf.set_attn_implementation(before)
    tiny.hf.train()
    attributes = [set(vars(module)) for module in tiny.hf.modules()]
    weights = {name: value.clone() for name, value in tiny.hf.state_dict().items()}

    def stop(done: int, of: int) -> None:
        if fails:
            raise RuntimeError("stopped")

    if fails:
        with pytest.raises(RuntimeError, match="stopped"):
            attention_patterns(tiny, pairs, weighting="value_norm", progress=stop)
    else:
        attention_patterns(tiny, pairs, weighting="value_norm", progress=stop)
    assert tiny.hf.config._attn_implementation == before
    assert tiny.hf.training
    assert not any(
        module._forward_hooks or module._forward_pre_hooks for module in tiny.hf.modules()
    )
    assert attributes == [set(vars(module)) for module in tiny.hf.modules()]
    assert all(torch.equal(value, weights[name]) for name, value in tiny.hf.state_dict().items())
    assert tiny.hf.config.output_attentions is False


def test_attention_that_is_no_number_is_refused(tiny, pairs):
    with torch.no_grad():
        tiny.anatomy.projections[1][0].weight[0, 0] = float("nan")
    with pytest.raises(InputError, match="not a finite number"):
        attention_patterns(tiny, pairs)


def test_an_unknown_weighting_is_refused(tiny, pairs):
    with pytest.raises(InputError, match="did you mean 'value_norm'"):
        attention_patterns(tiny, pairs, weighting="valuenorm")
