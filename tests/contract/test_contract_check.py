"""``hcore check`` finds every family's tiny model in order."""

from __future__ import annotations

from family_matrix import DECODERS, LAST_MAPS, folder_of, for_every_family, shared

from heuristic_core.check import CHECKS, open_subject, run_checks
from heuristic_core.check.editing import last_maps


@for_every_family()
def test_all_checks_pass(family):
    rows = run_checks(open_subject(folder_of(family)))
    assert len(rows) == len(CHECKS) + 1
    assert [row for row in rows if row.result == "failed"] == []
    skipped = {row.what for row in rows if row.result == "not for this model"}
    assert ("the padding side makes no difference" in skipped) == (family not in DECODERS)
    assert skipped <= {
        "the padding side makes no difference",
        "eager attention and SDPA agree",
    }


@for_every_family()
def test_the_last_maps_are_found(family):
    model = shared(family)
    for layer in model.layers:
        assert last_maps(model.family, layer) == LAST_MAPS[family]
