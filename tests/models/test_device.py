from __future__ import annotations

import platform

from heuristic_core.models.device import hardware

CORE = """\
processor\t: {number}
model name\t: Intel(R) Xeon(R) Processor
flags\t\t: fpu vme sse4_2 avx2 avx512f avx512vl amx_bf16 amx_tile
vmx flags\t: vnmi invvpid
"""


def test_a_processor_is_named_with_what_multiplies_matrices(tmp_path):
    info = tmp_path / "cpuinfo"
    info.write_text("\n".join(CORE.format(number=number) for number in range(2)))
    assert hardware("cpu", info) == "Intel Xeon, avx2, avx512f, amx_bf16"


def test_where_the_system_says_nothing_of_its_processor(tmp_path, monkeypatch):
    monkeypatch.setattr(platform, "processor", lambda: "")
    monkeypatch.setattr(platform, "machine", lambda: "arm64")
    assert hardware("cpu", tmp_path / "none") == "arm64"
