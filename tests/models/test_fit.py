"""What does not go together is refused in one line that says what to do."""

from __future__ import annotations

import json

import pytest
from tokenizers import processors

from heuristic_core.errors import InputError
from heuristic_core.models.classifier import Classifier
from heuristic_core.models.families import FAMILIES
from heuristic_core.models.fit import longest, takes_token_types
from heuristic_core.models.loading import load_model, new_classifier
from heuristic_core.models.sources import shape
from heuristic_core.tasks.task import Examples
from tiny import LABELS, save_tiny, some_pairs


def change_config(folder, **changes):
    file = folder / "config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def refused(load, message):
    with pytest.raises(InputError, match=message) as error:
        load()
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"problem_type": "regression"}, "gives a number, not a class"),
        ({"id2label": {"0": "score"}, "label2id": {"score": 0}}, "gives a number, not a class"),
        ({"problem_type": "multi_label_classification"}, "several labels at once"),
        ({"id2label": {"0": "a", "1": "a"}}, "the label 'a' names two classes; rename one"),
        ({"id2label": {"1": "a", "2": "b"}}, "must name the classes 0, 1 and so on"),
        (
            {"id2label": {"0": "a", "1": "b"}, "label2id": {"a": 1, "b": 0}},
            "id2label and label2id in config.json do not agree about 'a'",
        ),
        ({"id2label": {"0": "a", "1": "b", "2": "c"}, "label2id": {}}, "cannot load"),
    ],
)
@pytest.mark.parametrize("family", ["bert", "llama"])
def test_heads_that_are_no_single_label_classifiers(tmp_path, family, changes, message):
    folder = save_tiny(tmp_path, family=family)
    change_config(folder, **changes)
    refused(lambda: load_model(folder), message)


def test_a_fresh_head_may_replace_a_regressions(tmp_path):
    folder = save_tiny(tmp_path)
    change_config(folder, problem_type="regression")
    model = new_classifier(folder, ("a", "b"), seed=0)
    assert model.hf.config.problem_type is None


@pytest.mark.parametrize(
    ("labels", "message"), [(("a",), "two labels or more, not 1"), (("a", "b", "a"), "'a' names")]
)
def test_labels_of_a_fresh_head(tiny_folder, labels, message):
    refused(lambda: new_classifier(tiny_folder, labels, seed=0), message)


def test_a_tokenizer_larger_than_the_embedding(tmp_path):
    model = load_model(save_tiny(tmp_path, family="roberta"))
    n_known = model.hf.get_input_embeddings().num_embeddings
    model.tokenizer.add_tokens(["zebra"])
    pairs = some_pairs(4)
    assert len(model.encode(pairs)) == 4  # all that the texts hold is known
    texts = Examples.build(["the zebra"], ["the judge"], [LABELS[0]], "x", LABELS)
    refused(
        lambda: model.encode(texts), f"gives token {n_known}, but .* embeddings for {n_known} only"
    )


def test_a_decoder_without_a_padding_token(tmp_path):
    folder = save_tiny(tmp_path, family="gpt2")
    change_config(folder, pad_token_id=None)
    refused(lambda: load_model(folder), "has no padding token; set the tokenizer's pad_token")
    change_config(folder, pad_token_id=2)
    refused(lambda: load_model(folder), "padding token is 2 in config.json but 0 for the tokenizer")


def test_a_decoder_whose_texts_end_with_the_padding_token(tmp_path):
    model = load_model(save_tiny(tmp_path, family="llama"))
    pad = model.tokenizer.pad_token
    model.tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single=f"$A {pad}",
        pair=f"$A $B {pad}",
        special_tokens=[(pad, model.tokenizer.pad_token_id)],
    )
    refused(lambda: model.encode(some_pairs(4)), "a text's last token is the padding token")


@pytest.mark.parametrize("family", ["t5", "bart"])
def test_texts_without_an_end_or_with_several(tmp_path, family):
    model = load_model(save_tiny(tmp_path, family=family))
    texts = Examples.build(["the judge", "the </s> judge"], None, [LABELS[0]] * 2, "x", LABELS)
    end = model.hf.config.eos_token_id
    message = rf"end-of-text token {end}, and texts have \[1, 2\] of them"
    refused(lambda: model.encode(texts), message)
    model.tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="$A", pair="$A $B", special_tokens=[]
    )
    refused(lambda: model.encode(some_pairs(4)), r"and texts have \[0\] of them")


def test_modules_that_are_not_where_they_should_be(tiny):
    del tiny.hf.bert.encoder.layer[1].output.dropout
    refused(lambda: Classifier(tiny.hf, tiny.tokenizer), "not built like one")


def test_alberts_of_a_shape_that_was_never_released(tmp_path):
    save_tiny(tmp_path, family="albert", inner_group_num=2)
    refused(lambda: load_model(tmp_path), "inner_group_num 2 is not supported")
    save_tiny(tmp_path, family="albert", num_hidden_groups=2)
    refused(lambda: load_model(tmp_path), "3 layers in 2 groups is not supported")


def test_mlps_computed_in_chunks(tmp_path):
    folder = save_tiny(tmp_path, family="distilbert", chunk_size_feed_forward=4)
    refused(lambda: load_model(folder), "set chunk_size_feed_forward to 0")


def test_positions_and_token_types(tiny):
    config = tiny.hf.config
    assert longest(FAMILIES["bert"], config) == 64
    config.pad_token_id = 1
    assert longest(FAMILIES["roberta"], config) == 62
    assert takes_token_types(FAMILIES["bert"], config)
    assert not takes_token_types(FAMILIES["gpt2"], config)
    config.type_vocab_size = 1
    assert not takes_token_types(FAMILIES["bert"], config)


def test_a_size_that_is_not_written_down(tmp_path):
    folder = save_tiny(tmp_path, family="gpt2", n_inner=None)
    assert shape(folder)["intermediate_size"] == 4 * 32
    change_config(folder, n_layer=None)
    assert shape(folder) is None
