"""Every check finds what it is there to find: on models and programs broken on purpose."""

from __future__ import annotations

import copy
import json
from dataclasses import replace

import pytest
import torch
from tokenizers import normalizers
from torch.nn.functional import linear
from transformers.models.bert import modeling_bert
from transformers.models.gpt2 import modeling_gpt2

from command import hcore, mistake
from heuristic_core.checks import looking, open_subject, run_checks
from heuristic_core.checks.run import LEFT
from heuristic_core.models import families, gates, hooks, patching
from heuristic_core.models import smaller as smaller_modules
from heuristic_core.models.anatomy import Anatomy
from heuristic_core.models.trace import tracing
from tiny import save_tiny, some_pairs


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    made = {}
    for family in ("bert", "gpt2"):
        made[family] = save_tiny(tmp_path_factory.mktemp(family), family=family)
    return made


def failing(folder):
    return of_failed(run_checks(open_subject(folder)))


def of_failed(rows):
    return {row.what: row.note for row in rows if row.result == "failed"}


def test_maps_that_are_also_used_for_positions_are_changed_where_texts_are_read(tmp_path):
    folder = save_tiny(tmp_path, family="deberta-v2", share_att_key=True)
    assert failing(folder) == {}
    model = open_subject(folder).model
    assert not hasattr(model.anatomy.layers[0].attention.self, "pos_key_proj")
    tokens = model.encode(some_pairs(4)).batch(range(4), model.device)
    with tracing(model.anatomy) as trace:
        model(**tokens)
    assert {read.shape for read in trace.reads.values()} == {(*tokens["input_ids"].shape, 32)}


def of_family(**changes):
    def broken(monkeypatch):
        bert = families.FAMILIES["bert"]
        monkeypatch.setitem(families.FAMILIES, "bert", replace(bert, **changes))

    return broken


def forward(cls, function):
    """Let a class's modules run through a function that is given their own way of running."""

    def broken(monkeypatch):
        own = cls.forward
        monkeypatch.setattr(cls, "forward", lambda self, *a, **k: function(self, own, *a, **k))

    return broken


def past_hooks(self, own, x, residual):
    projected = linear(x, self.dense.weight, self.dense.bias)
    return self.LayerNorm(projected + residual)


def detached(self, own, x):
    return own(self, x.detach())


def about_the_batch(self, own, *args, **kwargs):
    found = own(self, *args, **kwargs)
    found.logits = found.logits - found.logits.mean(0)
    return found


def by_default_dtype(self, own, *args, **kwargs):
    found = own(self, *args, **kwargs)
    found.logits = found.logits * (1 + (torch.get_default_dtype() is torch.float64))
    return found


def positions_by_place(self, own, *args, position_ids=None, **kwargs):
    return own(self, *args, **kwargs)


def heads_count(monkeypatch):
    own = Anatomy.__init__

    def init(self, hf):
        hf.config.num_attention_heads = 2
        own(self, hf)

    monkeypatch.setattr(Anatomy, "__init__", init)


def eager_is_another(monkeypatch):
    own = modeling_bert.eager_attention_forward

    def twice(*args, **kwargs):
        out, weights = own(*args, **kwargs)
        return 2 * out, weights

    monkeypatch.setattr(modeling_bert, "eager_attention_forward", twice)


def hooks_stay(monkeypatch):
    monkeypatch.setattr(hooks.Handle, "remove", lambda self: None)


def inexact_gates(monkeypatch):
    monkeypatch.setattr(gates, "interpolate", lambda z, x, v: z * x * 1.0001 + (1 - z) * v)


def wrong_kind_reads(monkeypatch):
    own = patching.read_instead
    monkeypatch.setattr(
        patching, "read_instead", lambda x, layer, kind, read: own(x, layer, 2 - kind, read)
    )


def constants_lost(monkeypatch):
    own = smaller_modules.Constant.forward
    monkeypatch.setattr(smaller_modules.Constant, "forward", lambda self, x: 0 * own(self, x))


def unsaved_weights(monkeypatch):
    own = modeling_bert.BertForSequenceClassification.save_pretrained

    def lossy(self, *args, **kwargs):
        changed = copy.deepcopy(self)
        changed.classifier.weight.data += 1
        own(changed, *args, **kwargs)

    monkeypatch.setattr(modeling_bert.BertForSequenceClassification, "save_pretrained", lossy)


def paths_back(monkeypatch):
    monkeypatch.setattr(looking, "with_head", lambda model, z, head, value: z)
    own = looking.plain_run

    def run(model, batch, given=None):
        seen = own(model, batch, given)
        if given is not None:
            seen.maps[0][0] = seen.maps[0][0] + 1
        return seen

    monkeypatch.setattr(looking, "plain_run", run)


GRADIENTS, PADDING = "gradients of gates are exact", "the padding side makes no difference"
MAPS, PATHS = "attention maps are those of the units", "path patching equals replaced modules"
ZERO, MEAN = "units at zero equal edited weights", "units at their means equal edited weights"
BERT = modeling_bert.BertForSequenceClassification


@pytest.mark.parametrize(
    ("family", "broken", "found"),
    [
        ("bert", of_family(attention_out="intermediate.dense"), [MAPS]),
        ("bert", of_family(mlp_out="output"), [ZERO, MEAN]),
        ("bert", heads_count, [MAPS]),
        ("bert", forward(modeling_bert.BertSelfOutput, past_hooks), [ZERO, MEAN, MAPS]),
        ("bert", forward(modeling_bert.BertIntermediate, detached), [GRADIENTS]),
        ("bert", inexact_gates, ["open gates change no bit"]),
        ("bert", forward(BERT, about_the_batch), ["batches and their order make no difference"]),
        ("gpt2", forward(modeling_gpt2.GPT2Model, positions_by_place), [PADDING]),
        ("bert", unsaved_weights, ["saved and loaded, no bit changes"]),
        ("bert", constants_lost, ["compaction equals gating"]),
        ("bert", wrong_kind_reads, [PATHS]),
        ("gpt2", wrong_kind_reads, [PATHS]),
        ("bert", paths_back, [PATHS]),
        ("bert", forward(BERT, by_default_dtype), ["torch's default dtype makes no difference"]),
        ("bert", hooks_stay, ["errors leave the model as it was", LEFT]),
    ],
)  # fmt: skip
def test_what_is_broken_is_found(folders, monkeypatch, family, broken, found):
    broken(monkeypatch)
    assert set(found) <= set(failing(folders[family]))


TOKENS, TYPES = "tokens are those that were saved", "token types are those of training"


def by_name(rows):
    return {row.what: row for row in rows}


def test_tokens_that_are_not_the_saved_ones_are_found(folders):
    subject = open_subject(folders["bert"])
    row = by_name(run_checks(subject))[TOKENS]
    assert row.result == "ok"
    n = sum(map(len, subject.encoded.columns["input_ids"])) - 3 * len(subject.encoded)
    assert row.note == f"by BertTokenizer; 0 of {n} tokens of the texts are unknown"
    backend = subject.model.tokenizer.backend_tokenizer
    backend.normalizer = normalizers.BertNormalizer(lowercase=False)
    row = by_name(run_checks(subject))[TOKENS]
    assert row.result == "failed"
    assert row.note.startswith("\"The judges near Zoë's")


def test_what_token_types_change_is_shown(tmp_path):
    save_tiny(tmp_path, family="albert")
    settings = tmp_path / "tokenizer_config.json"
    given = json.loads(settings.read_text()) | {"model_input_names": ["input_ids"]}
    settings.write_text(json.dumps(given))
    examples = some_pairs(40)
    subject = open_subject(tmp_path, examples=examples)
    with torch.no_grad():
        subject.model.hf.albert.embeddings.token_type_embeddings.weight[1] += 1
    row = by_name(run_checks(subject))[TYPES]
    # In a second way: pairs one by one, by transformers.
    answers, model, tokenizer = {}, subject.model.hf, subject.model.tokenizer
    for types in (True, False):
        answers[types] = []
        for one, two in zip(examples.table["text"], examples.table["text_pair"], strict=True):
            inputs = tokenizer(one, two, return_token_type_ids=types, return_tensors="pt")
            with torch.no_grad():
                answers[types].append(int(model(**inputs).logits.argmax()))
    labels = examples.label_ids
    right = {t: sum(a == b for a, b in zip(found, labels, strict=True)) / 40
             for t, found in answers.items()}  # fmt: skip
    texts = list(examples.table["text"] + examples.table["text_pair"])
    few = map(texts.index, subject.examples.table["text"] + subject.examples.table["text_pair"])
    differ = sum(answers[True][i] != answers[False][i] for i in few)
    assert row.result == "ok"
    assert row.note == (
        "not given, as model_input_names in tokenizer_config.json says; with them "
        f"{differ} of 8 answers differ; on 40 in-domain examples {right[True]:.1%} right with "
        f"them, {right[False]:.1%} without"
    )
    subject.model.tokenizer.model_input_names.append("token_type_ids")
    del subject.encoded
    row = by_name(run_checks(subject))[TYPES]
    assert row.result == "failed"
    assert row.note == "types of tokens are given, but should not be"


def test_other_weights_beside_are_said(tmp_path):
    save_tiny(tmp_path)
    (tmp_path / "pytorch_model.bin").write_bytes(b"x")
    (tmp_path / "training_args.bin").write_bytes(b"x")
    loads = run_checks(open_subject(tmp_path))[0].note
    assert loads.endswith("; pytorch_model.bin beside is not read")


def test_weights_that_are_no_numbers_are_named(folders):
    subject = open_subject(folders["bert"])
    subject.model.hf.bert.encoder.layer[1].output.dense.weight.data[0, 0] = torch.nan
    rows = {row.what: row for row in run_checks(subject)}
    assert rows["loads"].result == "failed"
    expected = "1 weights hold NaN or infinity, such as bert.encoder.layer.1.output.dense.weight"
    assert rows["loads"].note == expected
    assert rows[LEFT].result == "ok"


def test_a_defect_of_one_kind_fails_one_check(folders, monkeypatch):
    eager_is_another(monkeypatch)
    assert set(failing(folders["bert"])) == {
        "eager attention and SDPA agree",
        MAPS,
    }


def test_units_that_do_nothing_are_no_evidence(folders, monkeypatch):
    subject = open_subject(folders["bert"])
    subject.model.hf.classifier.weight.data.zero_()
    notes = of_failed(run_checks(subject))
    assert "changes no answer" in notes[ZERO]
    assert "changes no answer" in notes[MEAN]
    assert notes[GRADIENTS] == "no gate changes any answer"


def test_half_precision_is_checked_too(folders):
    rows = run_checks(open_subject(folders["bert"], dtype="bfloat16"))
    assert [row for row in rows if row.result == "failed"] == []
    assert rows[0].note.endswith("bfloat16")


def test_a_fresh_head_is_said(tmp_path):
    save_tiny(tmp_path, classifier=False)
    said = json.loads(hcore("check", tmp_path, "--json", cwd=tmp_path).stdout)
    assert said["ok"]
    assert said["checks"][0]["note"].endswith("no classification head: a fresh one is checked")


def test_the_command_prints_a_table_and_ends_with_0_1_or_2(folders, monkeypatch, tmp_path):
    done = hcore("check", folders["bert"], "--device", "cpu", cwd=tmp_path)
    assert "All checks passed." in done.stdout
    assert "open gates change no bit" in done.stdout
    on_task = hcore("check", folders["bert"], "--task", "hans-grammar", "--json", cwd=tmp_path)
    assert json.loads(on_task.stdout)["ok"]
    assert "config.json" in mistake("check", tmp_path, cwd=tmp_path)
    assert "dtype" in mistake("check", folders["bert"], "--dtype", "int4", cwd=tmp_path)
    inexact_gates(monkeypatch)
    done = hcore("check", folders["bert"], "--json", cwd=tmp_path, code=1)
    said = json.loads(done.stdout)
    assert not said["ok"]
    (row,) = (row for row in said["checks"] if row["what"] == "open gates change no bit")
    assert row["result"] == "failed"
    assert row["difference"] > row["tolerance"] == 0


def test_compacted_models_are_refused(folders, tmp_path):
    subject = open_subject(folders["bert"])
    subject.subnetwork(0, "zero").compact(subject.model).save(tmp_path / "small")
    assert "compacted model" in mistake("check", tmp_path / "small", cwd=tmp_path)
