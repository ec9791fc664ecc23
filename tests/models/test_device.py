from __future__ import annotations

import platform

import pytest

from heuristic_core.models.device import hardware

CORE = """\
processor\t: {number}
model name\t: {model}
flags\t\t: fpu vme sse4_2 avx2 avx512f avx512vl amx_bf16 amx_tile
vmx flags\t: vnmi invvpid
"""


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("Intel(R) Xeon(R) Processor", "Intel Xeon"),
        ("AMD EPYC 7763 64-Core Processor", "AMD EPYC"),
        ("11th Gen Intel(R) Core(TM) i7-1165G7 @ 2.80GHz", "Intel Core"),
    ],
)
def test_a_processor_is_named_with_what_multiplies_matrices(tmp_path, model, name):
    info = tmp_path / "cpuinfo"
    info.write_text("\n".join(CORE.format(number=number, model=model) for number in range(2)))
    assert hardware("cpu", info) == f"{name}, avx2, avx512f, amx_bf16"


def test_where_the_system_says_nothing_of_its_processor(tmp_path, monkeypatch):
    monkeypatch.setattr(platform, "processor", lambda: "")
    monkeypatch.setattr(platform, "machine", lambda: "arm64")
    assert hardware("cpu", tmp_path / "none") == "arm64"
