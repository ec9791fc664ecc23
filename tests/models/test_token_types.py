"""A model is given token types if it was trained with them, by what its files say."""

from __future__ import annotations

import json

import pytest
import torch
from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer

from heuristic_core.models.loading import load_model, new_classifier
from heuristic_core.models.token_types import TYPES, token_types
from heuristic_core.models.tokenizer import saved_tokenizer
from real_tokenizers import published
from tiny import LABELS, save_tiny, some_pairs
from tiny_families import tiny_hf

TYPED = ("bert", "electra", "albert")


def folder_of(folder, family: str, version: str | None, **settings) -> None:
    """A model whose answers depend on token types, of a version, with further settings."""
    published(family).save(folder, "4")
    model = tiny_hf(family, LABELS, 0)
    with torch.no_grad():
        model.base_model.embeddings.token_type_embeddings.weight *= 5
    model.save_pretrained(folder)
    change(folder / "config.json", transformers_version=version)
    change(folder / "tokenizer_config.json", **settings)


def change(file, **changes) -> None:
    content = json.loads(file.read_text()) | changes
    file.write_text(json.dumps({key: x for key, x in content.items() if x is not None}))


def by_transformers(folder, given: bool) -> torch.Tensor:
    """The logits of some pairs, one at a time, by transformers and tokenizer.json alone."""
    file = saved_tokenizer(str(folder))
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    table, found = some_pairs(8).table, []
    for one, two in zip(table["text"], table["text_pair"], strict=True):
        encoded = file.encode(one, two)
        inputs = {"input_ids": torch.tensor([encoded.ids])}
        if given:
            inputs[TYPES] = torch.tensor([encoded.type_ids])
        with torch.no_grad():
            found.append(model(**inputs).logits[0])
    return torch.stack(found)


EVIDENCE = {
    "by version 4": ("4.44.2", {}, True),
    "before versions were written": (None, {}, True),
    "by version 5, with a tokenizer of before": ("5.3.0", {}, True),
    "by version 4, and its tokenizer saved by 5": ("4.44.2", {"backend": "tokenizers"}, True),
    "by a generic class of version 4": (
        "4.44.2",
        {"tokenizer_class": "PreTrainedTokenizerFast"},
        True,
    ),
    "by RoBERTa's class": ("4.44.2", {"tokenizer_class": "RobertaTokenizerFast"}, False),
    "by name": ("4.44.2", {"model_input_names": ["input_ids", "attention_mask"]}, False),
    "by other names": ("5.3.0", {"backend": "tokenizers", "model_input_names": [TYPES]}, True),
    "by a generic class of version 5": (
        "5.3.0",
        {"backend": "tokenizers", "tokenizer_class": "TokenizersBackend"},
        "albert",
    ),
}


@pytest.mark.parametrize(("version", "settings", "given"), EVIDENCE.values(), ids=EVIDENCE)
@pytest.mark.parametrize("family", TYPED)
def test_what_the_files_say_decides(tmp_path, family, version, settings, given):
    if given == "albert":  # whose own class gives none in version 5, as those of others do
        given = family != "albert"
    folder_of(tmp_path, family, version, **settings)
    expected, otherwise = (by_transformers(tmp_path, g) for g in (given, not given))
    assert not torch.allclose(expected, otherwise, atol=1e-2)
    model = load_model(tmp_path)
    encoded = model.encode(some_pairs(8))
    assert (TYPES in encoded.columns) == given
    torch.testing.assert_close(model.logits(encoded), expected, atol=1e-5, rtol=1e-4)
    # Copies say so themselves, whatever their version.
    model.hf.save_pretrained(tmp_path / "copy")
    model.tokenizer.save_pretrained(tmp_path / "copy")
    copy = load_model(tmp_path / "copy")
    assert (TYPES in copy.encode(some_pairs(8)).columns) == given


@pytest.mark.parametrize("given", [True, False])
@pytest.mark.parametrize("family", TYPED)
def test_a_model_trained_by_version_5(tmp_path, family, given):
    """Train with and without types by plain transformers, and read what it saved."""
    published(family).save(tmp_path, "4")
    model = tiny_hf(family, LABELS, 0)
    model.save_pretrained(tmp_path)
    names = ["input_ids", "attention_mask"] + [TYPES] * given
    tokenizer = AutoTokenizer.from_pretrained(tmp_path, model_input_names=names)
    table = some_pairs(8).table
    inputs = tokenizer(
        list(table["text"]), list(table["text_pair"]), padding=True, return_tensors="pt"
    )
    assert (TYPES in inputs) == given
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    for _ in range(3):
        loss = model(**inputs, labels=torch.tensor([0, 1] * 4)).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    with torch.no_grad():
        expected = model(**inputs).logits
    loaded = load_model(tmp_path)
    found = loaded.logits(loaded.encode(some_pairs(8)))
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)


def test_a_new_head_on_an_albert_gets_types(tmp_path):
    save_tiny(tmp_path, family="albert", classifier=False)
    change(tmp_path / "config.json", transformers_version="4.44.2")
    model = new_classifier(tmp_path, LABELS, seed=0)
    assert TYPES in model.encode(some_pairs(4)).columns


def test_families_that_never_had_types():
    config = AutoConfig.for_model("roberta", type_vocab_size=2, transformers_version="4.44.2")
    assert token_types(config, {}, None) == (False, "as its tokenizer before transformers 5")
    config = AutoConfig.for_model("roberta", type_vocab_size=1)
    assert token_types(config, {}, None) == (False, "the model has none")
    assert token_types(AutoConfig.for_model("gpt2"), {}, None) == (False, "the model has none")
    config = AutoConfig.for_model("bert", transformers_version="5.1.0")
    given, reason = token_types(config, {}, None)
    assert given
    assert reason.endswith("although config.json is of 5.1.0")
