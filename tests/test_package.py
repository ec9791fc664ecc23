"""The package as it would be published: built, checked, installed, and used from elsewhere."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGED = ("src", "pyproject.toml", "README.md", "LICENSE", "constraints.txt")
STUDY = """\
name = "local"

[model]
source = "{model}"

[task]
name = "hans-grammar"
options = {{ train_size = 32, search_size = 16, id_size = 10, per_case = 1 }}

[search]
sparsities = [0.5]
seeds = [1]
options = {{ ramp_steps = 2, hold_steps = 0, batch_size = 4 }}
"""


def call(*command: object, cwd: Path) -> str:
    """Run a program that knows nothing of this checkout."""
    hidden = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    words = [str(word) for word in command]
    done = subprocess.run(words, cwd=cwd, env=hidden, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The folder of a wheel and a source archive, built from a copy of what they are made of."""
    copy, dist = tmp_path_factory.mktemp("copy"), tmp_path_factory.mktemp("dist")
    for name in PACKAGED:
        if (ROOT / name).is_dir():
            ignored = shutil.ignore_patterns("*.egg-info", "__pycache__")
            shutil.copytree(ROOT / name, copy / name, ignore=ignored)
        else:
            shutil.copy(ROOT / name, copy / name)
    call(sys.executable, "-m", "build", "--no-isolation", "--outdir", dist, ".", cwd=copy)
    return dist


def test_twine_accepts_the_package(built, tmp_path):
    archives = sorted(built.iterdir())
    assert [path.suffix for path in archives] == [".whl", ".gz"]
    said = call(sys.executable, "-m", "twine", "check", "--strict", *archives, cwd=tmp_path)
    assert said.count("PASSED") == 2


def test_the_wheel_holds_every_file_of_the_package(built):
    (wheel,) = built.glob("*.whl")
    source = ROOT / "src" / "heuristic_core"
    files = (path for path in source.rglob("*") if path.is_file())
    wanted = {f"heuristic_core/{path.relative_to(source)}" for path in files}
    wanted = {name for name in wanted if "__pycache__" not in name}
    with zipfile.ZipFile(wheel) as archive:
        assert wanted - set(archive.namelist()) == set()


@pytest.fixture(scope="module")
def installed(built, tmp_path_factory):
    """The programs of an environment with the wheel, and what it needs from this environment."""
    place = tmp_path_factory.mktemp("installed") / "venv"
    call(sys.executable, "-m", "venv", "--without-pip", place, cwd=place.parent)
    (packages,) = place.glob("lib/python*/site-packages")
    # Its `.pth` files are not read, so this checkout stays unknown.
    (packages / "needed.pth").write_text(sysconfig.get_path("purelib"))
    python, (wheel,) = place / "bin" / "python", built.glob("*.whl")
    pip = (sys.executable, "-m", "pip", "--quiet", "--python", python)
    call(*pip, "install", "--no-index", "--no-deps", "--ignore-installed", wheel, cwd=place)
    found = call(python, "-c", "import heuristic_core; print(heuristic_core.__file__)", cwd=place)
    assert Path(found.strip()).is_relative_to(place)
    return place / "bin"


@pytest.mark.slow
def test_the_wheel_checks_and_studies_a_local_model(installed, tiny_folder, tmp_path):
    assert "failed" not in call(installed / "hcore", "check", tiny_folder, cwd=tmp_path)
    (tmp_path / "local.toml").write_text(STUDY.format(model=tiny_folder))
    call(installed / "hcore", "run", "local.toml", cwd=tmp_path)
    assert (tmp_path / "runs" / "local" / "report" / "report.html").is_file()


@pytest.mark.network
def test_the_wheel_works_in_an_empty_environment(built, tiny_folder, tmp_path):
    """Without extras on a local model, and with ``demo`` on the study ``smoke``."""
    place = tmp_path / "venv"
    call(sys.executable, "-m", "venv", place, cwd=tmp_path)
    pip, (wheel,) = (
        (place / "bin" / "python", "-m", "pip", "--quiet", "install"),
        built.glob("*.whl"),
    )
    pins = ("-c", ROOT / "constraints.txt")
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    torch = next(line for line in lines if line.startswith("torch=="))
    # First torch alone, so that nothing else picks another build of it.
    call(*pip, torch, *pins, cwd=tmp_path)
    call(*pip, wheel, *pins, cwd=tmp_path)
    hcore = place / "bin" / "hcore"
    assert "failed" not in call(hcore, "check", tiny_folder, cwd=tmp_path)
    (tmp_path / "local.toml").write_text(STUDY.format(model=tiny_folder))
    call(hcore, "run", "local.toml", cwd=tmp_path)
    call(*pip, f"{wheel}[demo]", *pins, cwd=tmp_path)
    call(hcore, "run", "smoke", cwd=tmp_path)
    assert (tmp_path / "runs" / "smoke" / "report" / "report.html").is_file()
