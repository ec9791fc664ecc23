"""``hcore check`` finds every family's tiny model in order."""

from __future__ import annotations

from family_matrix import DECODERS, LAST_MAPS, for_every_family

from heuristic_core.checks import CHECKS, open_subject, run_checks
from heuristic_core.checks.editing import last_maps
from heuristic_core.checks.run import LEFT


@for_every_family()
def test_all_checks_pass(subject):
    rows = run_checks(open_subject(subject.folder))
    assert [row.what for row in rows] == [*CHECKS, LEFT]
    assert {row.result for row in rows} <= {"ok", "not for this model"}
    loads, space = rows[0].note, subject.model.space
    layers = f"{space.n_layers} layers x 4 heads ({len(space)} units); width 32;"
    assert loads.startswith(f"{subject.family}; {layers}")
    assert "labels entailment, non-entailment; texts up to" in loads
    assert "tokens; cpu; float32" in loads
    skipped = {row.what for row in rows if row.result == "not for this model"}
    padding = "the padding side makes no difference"
    assert (padding in skipped) == (subject.family not in DECODERS)
    types = "token types are those of training"
    assert (types in skipped) == (subject.family not in ("bert", "electra", "albert"))
    assert skipped <= {padding, types, "eager attention and SDPA agree"}


@for_every_family()
def test_the_last_maps_are_found(subject):
    model = subject.model
    for layer in model.anatomy.layers:
        assert last_maps(model.family, layer) == LAST_MAPS[subject.family]
