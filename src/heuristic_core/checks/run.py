"""All checks in order, each turned into a row."""

from __future__ import annotations

from collections.abc import Callable

from ..errors import one_line
from . import gating, inputs, looking, running, state
from .results import Failed, Measured, NotForThisModel, Result
from .subject import Subject

#: What is checked, in order: the row's name and the function.
CHECKS: dict[str, Callable[[Subject], Measured]] = {
    "loads": running.loads,
    "tokens are those that were saved": inputs.tokens_are_those_saved,
    "token types are those of training": inputs.token_types_are_those_of_training,
    "open gates change no bit": gating.open_gates_change_no_bit,
    "units at zero equal edited weights": gating.zeros_equal_edited_weights,
    "units at their means equal edited weights": gating.means_equal_edited_weights,
    "gradients of gates are exact": gating.gradients_are_exact,
    "eager attention and SDPA agree": running.attention_implementations_agree,
    "batches and their order make no difference": running.batches_make_no_difference,
    "the padding side makes no difference": running.padding_side_makes_no_difference,
    "saved and loaded, no bit changes": running.saved_and_loaded,
    "compaction equals gating": gating.compaction_equals_gating,
    "attention maps are those of the units": looking.attention_maps_are_the_heads,
    "path patching equals replaced modules": looking.paths_equal_replacement,
    "torch's default dtype makes no difference": running.default_dtype_makes_no_difference,
    "errors leave the model as it was": state.errors_leave_the_model_as_found,
}

#: The last row: it is about all the others.
LEFT = "the model is left as found"


def run_checks(
    subject: Subject, progress: Callable[[int, int], None] | None = None
) -> list[Result]:
    """Check that the whole program works on a model.

    Args:
        subject: The model and the texts.
        progress: Called with (checks done, checks in all) after each.

    Returns:
        One row a check, and a last one on whether the others left the model as it was.
    """
    before = state.state_of(subject.model, weights=True)
    rows = []
    for name, check in CHECKS.items():
        rows.append(_row(name, check, subject))
        if progress is not None:
            progress(len(rows), len(CHECKS) + 1)

    def left(subject: Subject) -> Measured:
        state.check_state(subject.model, before, "the checks")
        return Measured()

    rows.append(_row(LEFT, left, subject))
    if progress is not None:
        progress(len(rows), len(rows))
    return rows


def _row(name: str, check: Callable[[Subject], Measured], subject: Subject) -> Result:
    try:
        measured = check(subject)
    except NotForThisModel as reason:
        return Result(name, "not for this model", note=str(reason))
    except Failed as reason:
        return Result(name, "failed", note=one_line(str(reason)))
    except Exception as error:  # of any kind, in a model that is not built as expected
        return Result(name, "failed", note=one_line(f"{type(error).__name__}: {error}"))
    difference, tolerance = measured.difference, measured.tolerance
    if difference is None:
        return Result(name, "ok", note=measured.note)
    return Result(
        name, "ok" if difference <= tolerance else "failed", difference, tolerance, measured.note
    )
