"""Tokens are those of the files, for every family and however its tokenizer was saved."""

from __future__ import annotations

import importlib.util
import json
import shutil
from dataclasses import replace

import pytest
import torch
from tokenizers import Tokenizer
from transformers import AutoConfig, AutoTokenizer

from heuristic_core.errors import InputError
from heuristic_core.models.families import FAMILIES
from heuristic_core.models.loading import load_model
from heuristic_core.models.tokenizer import first_difference, load_tokenizer, saved_tokenizer
from heuristic_core.tasks.task import Examples
from real_tokenizers import published
from tiny import LABELS, save_tiny, some_pairs
from tiny_families import tiny_hf
from tokenizer_files import ODD, corpus

TEXTS = (
    *corpus()[:12],
    *ODD,
    "  Two  spaces,\ta tab and “quotes” – 3,000.5% off…",
    "naïve ﬁne x² 你好",
)
PAIRS = [(text, pair) for text in TEXTS for pair in (None, TEXTS[3])]
LAYOUTS = ("slow", "hub", "4", "4 fast", "generic", "5", "slow then 5")


def saved(family: str, folder, layout: str):
    """A folder with a family's tokenizer as it lies somewhere; whether that has tokenizer.json."""
    made = published(family)
    first = {"5": "hub", "slow then 5": "slow"}.get(layout, layout)
    made.save(folder, first)
    config = AutoConfig.for_model(family, vocab_size=made.fast.get_vocab_size())
    config.save_pretrained(folder)
    if first != layout:
        loaded = load_tokenizer(folder, str(folder), config)
        for file in folder.iterdir():
            file.unlink()
        loaded.save_pretrained(folder)
        config.save_pretrained(folder)
    return config


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("family", FAMILIES)
def test_tokens_are_those_of_the_files(tmp_path, family, layout):
    made = published(family)
    if layout.startswith("slow") and not made.slow:
        assert family in ("modernbert", "gpt_neox")  # which have tokenizer.json alone
        return
    config = saved(family, tmp_path, layout)
    loaded = load_tokenizer(tmp_path, str(tmp_path), config)
    for text, pair in PAIRS:
        found = loaded(text, pair)["input_ids"]
        if not layout.startswith("slow"):
            expected = made.fast.encode(text, pair) if pair else made.fast.encode(text)
            assert found == expected.ids
        # What the slow tokenizer gave, without transformers or tokenizers.
        assert found == made.ids(text, pair)
    special = set(made.tokens.values())
    assert {loaded.convert_tokens_to_ids(token) for token in special} == {
        made.fast.token_to_id(token) for token in special
    }


def test_llama_starts_texts_also_where_no_file_says_so(tmp_path):
    config = saved("llama", tmp_path, "slow")
    (tmp_path / "tokenizer_config.json").write_text('{"tokenizer_class": "LlamaTokenizer"}')
    loaded = load_tokenizer(tmp_path, str(tmp_path), config)
    assert loaded("the judge", "a tab")["input_ids"] == published("llama").ids("the judge", "a tab")


#: Families whose tokenizer.json another family's folder has: (its class there, the family).
FOREIGN = {
    "word pieces by RoBERTa's class, as CamemBERT 2": ("roberta", "RobertaTokenizer", "mpnet"),
    "XLM-R's pieces in a BERT, as multilingual MiniLM": ("bert", None, "xlm-roberta"),
    "XLM-R's pieces by RoBERTa's class": ("roberta", "RobertaTokenizer", "xlm-roberta"),
    "byte pairs by LLaMA's class, as distilled DeepSeek": ("llama", "LlamaTokenizerFast", "qwen2"),
    "byte pairs by BERT's class": ("bert", "BertTokenizer", "roberta"),
}


@pytest.mark.parametrize(("family", "cls", "own"), FOREIGN.values(), ids=FOREIGN)
def test_a_class_that_does_not_fit_the_file(tmp_path, family, cls, own):
    made = published(own)
    tokens = {"pad_token": made.tokens["eos_token" if own == "qwen2" else "pad_token"]}
    made.fast.save(str(tmp_path / "tokenizer.json"))
    settings = made.tokens | tokens | ({"tokenizer_class": cls} if cls else {})
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings))
    sizes = {
        "vocab_size": made.fast.get_vocab_size(),
        "pad_token_id": made.fast.token_to_id(tokens["pad_token"]),
    }
    tiny_hf(family, LABELS, 0, **sizes).save_pretrained(tmp_path)
    model = load_model(tmp_path)
    pairs = some_pairs(6)
    found = model.encode(pairs).columns["input_ids"]
    texts = zip(pairs.table["text"], pairs.table["text_pair"], strict=True)
    file = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    assert found == [file.encode(one, two).ids for one, two in texts]


def test_capitals_that_no_setting_keeps(tmp_path):
    save_tiny(tmp_path)
    file = tmp_path / "tokenizer.json"
    content = json.loads(file.read_text())
    content["normalizer"]["lowercase"] = False
    file.write_text(json.dumps(content))
    settings = tmp_path / "tokenizer_config.json"
    given = json.loads(settings.read_text())
    with pytest.raises(InputError, match=r"do_lower_case is true in tokenizer_config.json, but"):
        load_model(tmp_path)
    del given["do_lower_case"]
    settings.write_text(json.dumps(given))
    tokenizer = load_model(tmp_path).tokenizer
    # Transformers alone lowers the word, which is then another token.
    unknown = tokenizer.unk_token_id
    assert tokenizer("The judge")["input_ids"][1] == unknown
    assert AutoTokenizer.from_pretrained(tmp_path)("The judge")["input_ids"][1] != unknown


@pytest.mark.parametrize(
    ("family", "layout", "key", "value"),
    [
        ("roberta", "hub", "add_prefix_space", True),
        ("llama", "4", "add_bos_token", False),
        ("llama", "4", "add_eos_token", True),
    ],
)
def test_settings_that_the_file_contradicts(tmp_path, family, layout, key, value):
    made = replace(published(family), tokens={"pad_token": "<unk>"} | published(family).tokens)
    made.save(tmp_path, layout)
    tiny_hf(family, LABELS, 0, pad_token_id=0 if family == "llama" else 1).save_pretrained(tmp_path)
    settings = tmp_path / "tokenizer_config.json"
    given = json.loads(settings.read_text())
    settings.write_text(json.dumps(given | {key: not value}))
    load_model(tmp_path)
    settings.write_text(json.dumps(given | {key: value}))
    said = f"{key} is {str(value).lower()} in tokenizer_config.json, but tokenizer.json says"
    with pytest.raises(InputError, match=said):
        load_model(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[]", r"tokenizer_config.json is no JSON object; save"),
        ('{"model_max_length": "512"}', "model_max_length .* is '512', but must be a number"),
    ],
)
def test_settings_that_cannot_be_read(tmp_path, content, message):
    save_tiny(tmp_path)
    (tmp_path / "tokenizer_config.json").write_text(content)
    with pytest.raises(InputError, match=message):
        load_model(tmp_path)


def test_a_vocabulary_with_capitals_is_not_lowered_unasked(tmp_path):
    published("bert").save(tmp_path, "slow")
    words = (tmp_path / "vocab.txt").read_text().split("\n")
    words[-40:] = [word.capitalize() for word in words[200:240]]
    (tmp_path / "vocab.txt").write_text("\n".join(words))
    tiny_hf("bert", LABELS, 0).save_pretrained(tmp_path)
    settings = tmp_path / "tokenizer_config.json"
    settings.write_text("{}")
    with pytest.raises(InputError, match=r'have capitals, such as .* add "do_lower_case": false'):
        load_model(tmp_path)
    word = next(word for word in words[-40:] if word.isalpha() and len(word) > 2)
    for lowers in (False, True):
        settings.write_text(json.dumps({"do_lower_case": lowers}))
        split = load_model(tmp_path).tokenizer.tokenize
        assert (split(word) == [word]) is not lowers
        assert (split(word) == split(word.lower())) is lowers


def test_the_difference_that_is_found_is_named(tmp_path):
    save_tiny(tmp_path)
    tokenizer = load_model(tmp_path).tokenizer
    file = saved_tokenizer(str(tmp_path))
    assert first_difference(tokenizer, file, typed=True) is None
    file.normalizer = None
    texts = [("the judge", None), ("The judge", None)]
    assert first_difference(tokenizer, file, texts, typed=True) == "The judge"


@pytest.mark.parametrize("missing", ["sentencepiece", "google.protobuf"])
def test_packages_for_sentencepiece_are_named(tmp_path, monkeypatch, missing):
    save_tiny(tmp_path, family="deberta-v2")
    for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
        (tmp_path / name).unlink()
    load_model(tmp_path)
    own = importlib.util.find_spec

    def find_spec(name, *args):
        if name == missing:
            raise ModuleNotFoundError(name)
        return own(name, *args)

    monkeypatch.setattr(importlib.util, "find_spec", find_spec)
    package = {"google.protobuf": "protobuf"}.get(missing, missing)
    expected = rf"in spm.model alone, .* needs {package}; pip install 'heuristic-core\[sentencep"
    with pytest.raises(InputError, match=expected):
        load_model(tmp_path)


def test_a_file_that_is_no_sentencepiece_model(tmp_path):
    save_tiny(tmp_path, family="t5")
    for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
        (tmp_path / name).unlink()
    (tmp_path / "spiece.model").write_bytes(b"<html>")
    with pytest.raises(InputError, match=r"cannot load .*; save or fetch") as caught:
        load_model(tmp_path)
    assert "\n" not in str(caught.value)


# Words that the vocabulary does not have


def with_vocabulary(folder, words):
    """Let a tiny BERT have a vocabulary of other words in the places of its own."""
    save_tiny(folder)
    n = load_model(folder).hf.config.vocab_size
    (folder / "tokenizer.json").unlink()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    words = [*special, *words][:n]
    (folder / "vocab.txt").write_text(
        "\n".join([*words, *(f"x{i}" for i in range(n - len(words)))])
    )
    return folder


def texts(*words: str) -> Examples:
    return Examples.build(list(words), None, [LABELS[0]] * len(words), "x", LABELS)


def test_unknown_tokens_are_counted_and_told(tmp_path):
    model = load_model(with_vocabulary(tmp_path, ["the", "judge", "slept", "."]))
    encoded = model.encode(texts("The judge slept.", "The Anna slept ."))
    assert (encoded.n_unknown, encoded.n_tokens) == (1, 8)
    told = ["1 of 8 tokens of texts are unknown to the tokenizer's vocabulary"]
    assert encoded.remarks("texts") == told
    assert encoded.take([0]).remarks("texts") == told
    assert model.encode(texts("The judge slept.")).remarks("texts") == []
    half = model.encode(texts("the anna"))
    assert (half.n_unknown, half.n_tokens) == (1, 2)


def test_texts_that_are_mostly_unknown_are_refused(tmp_path):
    model = load_model(with_vocabulary(tmp_path, ["the"]))
    with pytest.raises(InputError, match=r"2 of 3 tokens are unknown .*'The Anna slept'; give"):
        model.encode(texts("The Anna slept"))


def test_bytes_are_never_unknown(tmp_path):
    model = load_model(save_tiny(tmp_path, family="gpt2"))
    assert model.tokenizer.unk_token_id == model.tokenizer.eos_token_id
    assert model.encode(texts("<|endoftext|> 你好 <|endoftext|> x")).n_unknown == 0


def test_truncated_texts_are_told_too(tiny, pairs):
    short = load_model(tiny.name, max_length=8).encode(pairs)
    n = len(pairs)
    told = f"{n} of {n} texts were cut to 8 tokens; --max-length sets another length"
    assert short.remarks("texts") == [told]


# Padding tokens that were added to the tokenizer alone


@pytest.mark.parametrize("said", [None, "beyond", -1])
@pytest.mark.parametrize("family", ["gpt2", "llama", "qwen2"])
def test_a_decoders_padding_token_without_an_embedding(tmp_path, family, said):
    save_tiny(tmp_path, family=family)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    tokenizer.add_special_tokens({"pad_token": "<|new|>"})
    (tmp_path / "special_tokens_map.json").unlink()
    tokenizer.save_pretrained(tmp_path)
    file = tmp_path / "config.json"
    config = json.loads(file.read_text())
    number = tokenizer.pad_token_id if said == "beyond" else said
    file.write_text(json.dumps(config | {"pad_token_id": number}))
    model = load_model(tmp_path)
    assert model.tokenizer.pad_token_id == model.hf.config.pad_token_id < config["vocab_size"]
    pairs = some_pairs(8)
    encoded = model.encode(pairs)
    found = model.logits(encoded)
    # One by one there is no padding, and transformers classifies at the last token.
    model.hf.config.pad_token_id = None
    for row in range(len(pairs)):
        ids = torch.tensor([encoded.columns["input_ids"][row]])
        with torch.no_grad():
            expected = model.hf(input_ids=ids).logits[0]
        torch.testing.assert_close(found[row], expected, atol=1e-5, rtol=1e-4)


def test_an_encoders_padding_token_without_an_embedding(tmp_path):
    plain = load_model(save_tiny(tmp_path))
    encoded = plain.encode(some_pairs(8))
    expected = plain.logits(encoded, batch_size=1)
    n_known = plain.hf.config.vocab_size
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    tokenizer.add_special_tokens({"pad_token": "<|new|>"})
    tokenizer.save_pretrained(tmp_path)
    file = tmp_path / "config.json"
    config = json.loads(file.read_text())
    for number in (0, n_known):
        file.write_text(json.dumps(config | {"pad_token_id": number}))
        model = load_model(tmp_path)
        assert model.tokenizer.pad_token_id < n_known
        found = model.logits(model.encode(some_pairs(8)), batch_size=8)
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("family", ["roberta", "t5", "bart"])
def test_a_padding_token_that_others_depend_on(tmp_path, family):
    save_tiny(tmp_path, family=family)
    file = tmp_path / "config.json"
    config = json.loads(file.read_text())
    n_known = config["vocab_size"]
    file.write_text(json.dumps(config | {"pad_token_id": n_known + 5}))
    with pytest.raises(InputError, match=rf"padding token {n_known + 5} has no embedding \(the"):
        load_model(tmp_path)


def test_copies_are_loaded_as_they_were(tmp_path):
    (tmp_path / "m").mkdir()
    save_tiny(tmp_path / "m", family="deberta-v2")
    model = load_model(tmp_path / "m")
    shutil.copytree(tmp_path / "m", tmp_path / "n")
    model.tokenizer.save_pretrained(tmp_path / "n")
    pairs = some_pairs(6)
    assert load_model(tmp_path / "n").encode(pairs).columns == model.encode(pairs).columns
