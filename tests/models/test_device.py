from __future__ import annotations

import platform

import pytest
import torch

from heuristic_core.errors import InputError
from heuristic_core.models.device import check_device, check_float64, hardware, widest_float

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
    assert hardware("mps", tmp_path / "none") == "arm64, mps"


def test_mps_is_taken_where_it_is_there_and_never_by_itself(monkeypatch):
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert check_device("mps") == torch.device("mps")
    assert check_device("auto") == torch.device("cpu")
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(InputError, match="no mps device that torch can use; say cpu as device"):
        check_device("mps")


def test_what_needs_float64_says_so_on_mps():
    assert widest_float(torch.device("cpu")) is torch.float64
    assert widest_float(torch.device("mps")) is torch.float32
    check_float64(torch.device("cpu"), "a probe")
    with pytest.raises(InputError, match=r"^a probe needs float64, which mps has not; say cpu"):
        check_float64(torch.device("mps"), "a probe")
