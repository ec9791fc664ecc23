"""No result depends on what a program has set around the call; and nothing set is changed."""

from __future__ import annotations

import contextlib
import json
import os
import random
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

import heuristic_core as hc
from heuristic_core.errors import Remark
from tiny_studies import study

OPTIONS = {"ramp_steps": 2, "hold_steps": 1, "exchange_rounds": 1, "batch_size": 8}


@contextlib.contextmanager
def switched(switch, on, off):
    switch(on)
    try:
        yield
    finally:
        switch(off)


@contextlib.contextmanager
def seeded_elsewhere():
    """Other states of all global generators."""
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    random.seed(7), np.random.seed(7), torch.manual_seed(7)
    try:
        yield
    finally:
        random.setstate(states[0]), np.random.set_state(states[1]), torch.set_rng_state(states[2])


SETTINGS = {
    "nothing": contextlib.nullcontext,
    "float64 by default": lambda: switched(torch.set_default_dtype, torch.float64, torch.float32),
    "bfloat16 by default": lambda: switched(torch.set_default_dtype, torch.bfloat16, torch.float32),
    "the device meta by default": lambda: switched(torch.set_default_device, "meta", None),
    "no_grad": torch.no_grad,
    "inference_mode": torch.inference_mode,
    "enable_grad": torch.enable_grad,
    "set_grad_enabled": lambda: torch.set_grad_enabled(False),
    "autocast to bfloat16": lambda: torch.autocast("cpu", torch.bfloat16),
    "autocast to float16": lambda: torch.autocast("cpu", torch.float16),
    "deterministic algorithms": lambda: switched(torch.use_deterministic_algorithms, True, False),
    "coarse matrix products": lambda: switched(
        torch.set_float32_matmul_precision, "medium", "highest"
    ),
    "NumPy's errors raised": lambda: np.errstate(all="raise"),
    "other random numbers": seeded_elsewhere,
}
#: Those that can hold at once; each alone is slow.
TOGETHER = [
    ("nothing", "enable_grad"),
    ("float64 by default", "no_grad", "coarse matrix products", "other random numbers"),
    ("bfloat16 by default", "autocast to bfloat16", "NumPy's errors raised"),
    ("the device meta by default", "autocast to float16", "deterministic algorithms"),
    ("inference_mode", "set_grad_enabled"),
]


def set_now() -> tuple:
    """All that the settings above set."""
    return (
        torch.get_default_dtype(),
        torch.get_default_device(),
        torch.is_grad_enabled(),
        torch.is_inference_mode_enabled(),
        torch.is_autocast_enabled("cpu"),
        torch.get_autocast_dtype("cpu"),
        torch.are_deterministic_algorithms_enabled(),
        torch.get_float32_matmul_precision(),
        np.geterr(),
        # Not Python's own generator, from which the checks of types in these tests draw.
        np.random.get_state()[2],
        torch.get_rng_state().sum().item(),
    )


def everything(folder: Path, place: Path) -> dict[str, object]:
    """What every public function returns, as numbers and texts."""
    task = hc.load_task("hans-grammar", train_size=16, search_size=16, id_size=10, per_case=1)
    suite = hc.load_suite("hans-grammar", per_case=1)
    model = hc.load_model(folder)
    encoded = model.encode(task.search)
    logits = hc.predict(model, encoded)
    values = hc.means(model, task)
    data = hc.prepare(model, task)
    (learned,) = hc.find_subnetworks(model, task, [0.5], seed=3, **OPTIONS)
    pair = hc.find_subnetworks_together(model, data, [0.5], seeds=[3, 4], **OPTIONS)
    gradient = hc.find_subnetwork(model, data, 0.5, method="gradient")
    with learned.applied(model):
        gated = model.logits(encoded)
    with hc.without(model, "L0H1", task=task):
        removed = model.logits(encoded)
    small = learned.compact(model)
    learned.save(place)
    again = hc.Subnetwork.load(place)
    table = hc.evaluate(model, [*task.suites, suite], subnetwork=again)
    patched = hc.path_patching(
        model, task, senders=["L0H0"], receivers=["L1H2"], means=values, paths=["direct"]
    )
    tuned = hc.finetune(folder, task, place / "tuned", steps=2, batch_size=4)
    found = hc.generalisation_range(model, task, 0.5, seeds=[1], data=data, **OPTIONS)
    apart = hc.repelling_subnetworks(model, data, 0.5, n=2, weights=[0.3], **OPTIONS)
    needed = hc.necessity(model, task, learned, data=data, rounds=1, examples=8)
    aim = hc.aim_at(model, task.suites[-1], towards="well", bound=0.1)
    mended = hc.mend(model, task.suites[-1], data, how="scale", units=["L0H1"], steps=2)
    card = hc.validate(model, task, learned, draws=20, examples=4, unit_examples=8)
    curves = hc.faithfulness_curves(model, task, {"learned": [learned]}, orders=5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Remark)  # chains are short
        sample = hc.sample_subnetworks(
            model, data, 0.5, bound=10.0, n=60, chains=2, steps=1, warm_up=1, examples=4, **OPTIONS
        )
    effects = hc.presence_effects(sample, task)
    ways = hc.ways_to_mend(model, task, ["L0H1"], data=data, n_random=1, steps=1)
    every = hc.enumerate_subnetworks(model, data, 0.7, examples=4)
    return {
        "enumerated": every.kl.tobytes(),
        "sampled": (sample.choices.tobytes(), sample.inclusion.to_csv()),
        "effects": effects.to_csv(),
        "range": found.cases.to_csv(index=False) + found.contrasts.to_csv(index=False),
        "repelled": apart.table.to_csv(index=False),
        "necessity": needed.table.to_csv(index=False),
        "aim": aim.weights.numpy().tobytes(),
        "mended": mended.scales,
        "ways": ways.table.to_csv(index=False),
        "card": json.dumps(card.record(), default=str),
        "curves": curves.matrix("cmd").to_csv(),
        "task": task.digests,
        "suite": suite.examples.digest,
        "tokens": encoded.columns,
        "logits": logits.tobytes(),
        "means": {name: array.tobytes() for name, array in values.arrays().items()},
        "reference": data.reference.numpy().tobytes(),
        "learned": (sorted(map(str, learned.kept)), learned.soft.tobytes()),
        "together": [one.soft.tobytes() for (one,) in pair.values()],
        "gradient": (sorted(map(str, gradient.kept)), gradient.provenance["scores"]),
        "weights": learned.provenance["weights"],
        "gated": gated.numpy().tobytes(),
        "removed": removed.numpy().tobytes(),
        "small": small.logits(encoded).numpy().tobytes(),
        "saved": again == learned,
        "unit": str(hc.Unit.parse("L0H1")),
        "space": hc.UnitSpace((4, 4)) == model.space,
        "table": table.to_csv(index=False),
        "removal": sorted(map(str, hc.removal(model, "L0H1", task=task).kept)),
        "attention": hc.attention(model, "L1H0", "The doctor slept.").weights.to_csv(),
        "patched": patched.to_csv(index=False),
        "tuned": load_file(tuned[2] / "model.safetensors")["classifier.weight"].tobytes(),
    }


@pytest.fixture(scope="module")
def expected(tiny_folder, tmp_path_factory):
    return everything(tiny_folder, tmp_path_factory.mktemp("expected"))


def check(settings, expected, folder, place):
    """Call everything with some settings, and compare."""
    with contextlib.ExitStack() as stack:
        for setting in settings:
            stack.enter_context(SETTINGS[setting]())
        before = set_now()
        found = everything(folder, place)
        assert set_now() == before
    for name, value in expected.items():
        assert found[name] == value, f"{name} differs with {settings}"


@pytest.mark.parametrize("settings", TOGETHER, ids=", ".join)
def test_every_public_function_gives_the_same(settings, expected, tiny_folder, tmp_path):
    check(settings, expected, tiny_folder, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("setting", SETTINGS)
def test_no_setting_alone_changes_anything(setting, expected, tiny_folder, tmp_path):
    check([setting], expected, tiny_folder, tmp_path)


def test_all_settings_are_tried():
    assert set().union(*TOGETHER) == set(SETTINGS)


def test_every_public_name_is_called():
    called = Path(__file__).read_text(encoding="utf-8")
    types = {"Classifier", "InputError", "LoadedRun", "Suite", "Task"}
    without_model = {"compare", "load_run"}
    for name in set(hc.__all__) - types - without_model:
        assert f"hc.{name}" in called


@pytest.mark.slow
@pytest.mark.parametrize("setting", ["float64 by default", "inference_mode"])
def test_studies_and_checks_give_the_same(setting, tiny_folder, tmp_path):
    config = study(
        tiny_folder,
        finetune={"steps": 2, "checkpoints": [0, 2], "batch_size": 8},
        search={"sparsities": [0.5], "seeds": [1], "options": OPTIONS},
    )
    plain = hc.run(config, out=tmp_path / "plain", quiet=True)
    checked = hc.check(tiny_folder)
    with SETTINGS[setting]():
        found = hc.run(config, out=tmp_path / "set", quiet=True)
        again = hc.check(tiny_folder)
    for name in ("evaluations", "subnetworks"):
        assert found.tables[name].to_csv() == plain.tables[name].to_csv()
    assert again["result"].tolist() == checked["result"].tolist()


def test_a_model_loaded_in_inference_mode_can_be_searched_outside(tiny_folder, expected):
    with torch.inference_mode():
        model = hc.load_model(tiny_folder)
        data = hc.prepare(
            model, hc.load_task("hans-grammar", search_size=16, train_size=16, id_size=10)
        )
    found = hc.find_subnetwork(model, data, 0.5, seed=3, **OPTIONS)
    assert sorted(map(str, found.kept)) == expected["learned"][0]


def test_threads_change_nothing_but_rounding(tiny_folder, expected, tmp_path):
    with switched(torch.set_num_threads, 3, 1):
        found = everything(tiny_folder, tmp_path)
    for name in ("logits", "gated", "small"):
        one, other = (np.frombuffer(some[name], np.float32) for some in (found, expected))
        assert np.allclose(one, other, rtol=0, atol=1e-5)
    assert found["learned"][0] == expected["learned"][0]


# --- the locale and the encoding, which a process starts with -------------------------------------

SCRIPT = """
import json, locale, sys
from pathlib import Path
try:
    locale.setlocale(locale.LC_ALL, "")
except locale.Error:
    pass
import heuristic_core as hc
folder, place = map(Path, sys.argv[1:])
toml = 'labels = ["gut", "schlecht-ä"]\\n[columns]\\ntext = "text"\\nlabel = "label"\\n'
toml += '[train]\\nfile = "train.csv"\\n[[suites]]\\n'
toml += 'name = "test"\\nrole = "id"\\nfile = "test.csv"\\n'
(place / "t.toml").write_text(toml, encoding="utf-8")
for name, words in (("train", "aäbcdefgh"), ("test", "ijkß")):
    lines = [f'"{w}, 1,5 {w}",{("gut", "schlecht-ä")[i % 2]}' for i, w in enumerate(words)]
    (place / f"{name}.csv").write_text("text,label\\n" + "\\n".join(lines), encoding="utf-8")
task = hc.load_task(place / "t.toml")
pairs = hc.load_task("hans-grammar", train_size=16, search_size=16, id_size=10, per_case=1)
model = hc.load_model(folder)
sub = hc.find_subnetwork(model, pairs, 0.5, method="magnitude", provenance={"by": "ä"})
sub.save(place / "sub")
table = hc.evaluate(model, pairs, subnetwork=hc.Subnetwork.load(place / "sub"))
found = [task.digests, sorted(map(str, sub.kept)), table.to_csv(index=False)]
print(json.dumps([found, (place / "sub/subnetwork.json").read_bytes().decode("utf-8")]))
"""


def german(folder: Path) -> dict[str, str]:
    """The settings of a locale with decimal commas; it is made where the system can."""
    made = subprocess.run(
        ["localedef", "-i", "de_DE", "-f", "UTF-8", str(folder / "de_DE.UTF-8")],
        capture_output=True,
        check=False,
    )
    place = {"LOCPATH": str(folder)} if made.returncode == 0 else {}
    return place | {"LC_ALL": "de_DE.UTF-8", "LC_NUMERIC": "de_DE.UTF-8"}


PLAIN_C = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


@pytest.mark.slow
def test_no_locale_and_no_encoding_matter(tiny_folder, tmp_path):
    own = ("LC_", "LANG", "PYTHONUTF8")
    without = {key: value for key, value in os.environ.items() if not key.startswith(own)}
    script = tmp_path / "script.py"
    script.write_text(SCRIPT, encoding="utf-8")
    locales = {"c": PLAIN_C, "german": german(tmp_path)}
    printed = {}
    for name, settings in locales.items():
        place = tmp_path / name
        place.mkdir()
        done = subprocess.run(
            [sys.executable, str(script), str(tiny_folder), str(place)],
            env=without | settings,
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr.decode(errors="replace")[-800:]
        printed[name] = json.loads(done.stdout)
    assert printed["c"] == printed["german"]
    found, saved = printed["c"]
    task = hc.load_task(tmp_path / "c" / "t.toml")
    assert found[0] == task.digests
    assert set(task.train.table["label"]) == {"gut", "schlecht-ä"}
    assert json.loads(saved)["provenance"]["by"] == "ä"
    assert found[1] == sorted(map(str, hc.Subnetwork.load(tmp_path / "german" / "sub").kept))


def test_the_command_line_prints_to_a_stream_of_any_encoding(tiny_folder, tmp_path):
    lines = ["text,label", *(f"wort {i},{('gut', 'schlecht-ä')[i % 2]}" for i in range(12))]
    for name in ("train", "test"):
        (tmp_path / f"{name}.csv").write_text("\n".join(lines), encoding="utf-8")
    (tmp_path / "t.toml").write_text(
        'labels = ["gut", "schlecht-ä"]\noverlap = "keep"\n'
        '[columns]\ntext = "text"\nlabel = "label"\n[train]\nfile = "train.csv"\n'
        '[[suites]]\nname = "test"\nrole = "id"\nfile = "test.csv"\n',
        encoding="utf-8",
    )
    done = subprocess.run(
        [sys.executable, "-m", "heuristic_core.cli", "tasks", "t.toml"],
        cwd=tmp_path,
        env=os.environ | PLAIN_C,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert b"schlecht-\\xe4" in done.stdout
    assert b"Traceback" not in done.stderr
