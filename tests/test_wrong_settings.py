"""Wrong settings are refused in words of the program's own, whatever kind of value they are."""

from __future__ import annotations

import math

import pytest
from pydantic import ValidationError

from heuristic_core.search.methods import METHODS
from heuristic_core.study.config import StudyConfig
from heuristic_core.study.keys import study_keys
from heuristic_core.tasks import TASKS
from heuristic_core.tasks.task_file import TaskFile
from heuristic_core.validation import _MUST_BE, _SAYS, wrong

SOURCE = {"file": "x.csv"}
TASK = {
    "labels": ["a", "b"],
    "columns": {"text": "t", "label": "l"},
    "train": SOURCE,
    "search": SOURCE,
    "suites": [{"name": "id", "role": "id", **SOURCE}],
}
STUDY = {"name": "a"}
TUNED = {"steps": 1, "checkpoints": [1]}

#: For every kind of error: a model, settings, where they are wrong, and what is said of it.
SAID = {
    "int_type": (StudyConfig, STUDY | {"task": {"seed": 3.0}}, "task.seed",
        "must be a whole number, not 3.0"),
    "float_type": (StudyConfig, STUDY | {"analysis": {"margin_points": "3"}},
        "analysis.margin_points", "must be a number, not '3'"),
    "finite_number": (StudyConfig, STUDY | {"analysis": {"margin_points": math.inf}},
        "analysis.margin_points", "must be a finite number, not inf"),
    "bool_type": (StudyConfig, STUDY | {"finetune": TUNED | {"by_length": 1}},
        "finetune.by_length", "must be true or false, not 1"),
    "string_type": (StudyConfig, STUDY | {"model": {"source": True}}, "model.source",
        "must be a text, not true"),
    "list_type": (StudyConfig, STUDY | {"search": {"seeds": {}}}, "search.seeds",
        "must be a list, not a table"),
    "dict_type": (StudyConfig, STUDY | {"task": {"options": []}}, "task.options",
        "must be a table, not a list"),
    "model_type": (TaskFile, TASK | {"suites": ["x"]}, "suites.0", "must be a table, not 'x'"),
    "literal_error": (StudyConfig, STUDY | {"model": {"dtype": "float8"}}, "model.dtype",
        "must be 'float32' or 'bfloat16' or 'float16', not 'float8'"),
    "string_pattern_mismatch": (StudyConfig, {"name": "a/b"}, "name",
        "must be letters, digits, '.', '_' and '-', 80 at most, a letter or digit first, "
        "not 'a/b'"),
    "greater_than": (StudyConfig, STUDY | {"finetune": TUNED | {"learning_rate": 0.0}},
        "finetune.learning_rate", "must be above 0, not 0.0"),
    "greater_than_equal": (StudyConfig, STUDY | {"model": {"max_length": 3}}, "model.max_length",
        "must be at least 4, not 3"),
    "less_than": (StudyConfig, STUDY | {"search": {"seeds": [1, 2**32]}}, "search.seeds.1",
        "must be below 4294967296, not 4294967296"),
    "less_than_equal": (StudyConfig, STUDY | {"model": {"max_length": 10**9}}, "model.max_length",
        "must be at most 1000000, not 1000000000"),
    "missing": (StudyConfig, {}, "name", "is missing"),
    "extra_forbidden": (TaskFile, TASK | {"tests": 3}, "tests", "is unknown"),
    "value_error": (StudyConfig, STUDY | {"search": {"seeds": [1, 1]}}, "search.seeds",
        "1 is given twice"),
    "too_short": (StudyConfig, STUDY | {"finetune": TUNED | {"seeds": []}}, "finetune.seeds",
        "must not be empty"),
    "invalid_key": (TaskFile, TASK | {7: 1}, "7", "has a key that is no text"),
}  # fmt: skip

#: Values of several kinds: a list of whole numbers, 'last' or 'all'.
ONE_OF = {
    "neither": ("none", "search.checkpoints", "must be a list or 'last' or 'all', not 'none'"),
    "a wrong item": ([1, "x"], "search.checkpoints.1", "must be a whole number, not 'x'"),
}
VALUES = [
    3.5, "x", "", True, None, [], {}, -1, 10**12, math.nan, math.inf, [None], ["x"], [[1]], [-1],
    [True], {"a": None}, {"a": ["L0H0", 3]}, {1: 2}, {"checkpoints": 3},
]  # fmt: skip
#: What only pydantic says.
FOREIGN = ("Input should", "valid ", "Value error", "Field required", "should ", "[", "literal")


def said(model, settings, **how):
    with pytest.raises(ValidationError) as caught:
        model.model_validate(settings, **how)
    place, message = wrong(caught.value)
    return {one["type"] for one in caught.value.errors()}, ".".join(map(str, place)), message


@pytest.mark.parametrize("kind", SAID)
def test_every_kind_of_error_has_words(kind):
    model, settings, place, message = SAID[kind]
    kinds, *found = said(model, settings)
    assert kind in kinds
    assert found == [place, message]


@pytest.mark.parametrize("name", ONE_OF)
def test_a_value_of_one_of_several_kinds(name):
    value, place, message = ONE_OF[name]
    assert said(StudyConfig, STUDY | {"search": {"checkpoints": value}})[1:] == (place, message)


def test_the_table_holds_every_kind_of_error():
    assert {*_MUST_BE, *_SAYS} == set(SAID)


def wrong_settings():
    """Every key of every table with every value: the model, the settings, and how to check."""
    for table in study_keys():
        for key in table.keys:
            for value in VALUES if not key.of else ():
                settings = dict(STUDY)
                *tables, last = key.name.replace("SEED", "1").split(".")
                inner = settings
                for name in tables:
                    inner = inner.setdefault(name, dict(TUNED) if name == "finetune" else {})
                inner[last] = value
                yield StudyConfig, settings, {}
    for entries, how in ((METHODS, {"strict": True}), (TASKS, {})):
        for entry in entries.values():
            for name in entry.options.model_fields:
                for value in VALUES:
                    yield entry.options, {name: value}, how
    for name in TaskFile.model_fields:
        for value in VALUES:
            yield TaskFile, TASK | {name: value}, {}
            yield TaskFile, TASK | {"train": SOURCE | {name: value}}, {}
            yield TaskFile, TASK | {"suites": [TASK["suites"][0] | {name: value}]}, {}


def test_no_words_of_pydantic_are_left():
    kinds = set()
    for model, settings, how in wrong_settings():
        try:
            model.model_validate(settings, **how)
        except ValidationError as error:
            place, message = wrong(error)
            kinds |= {one["type"] for one in error.errors()}
            own = error.errors()[0]["type"] == "value_error"  # written here, whatever it says
            heard = [word for word in FOREIGN if word in f"{place} {message}" and not own]
            assert not heard, (place, message)
    assert kinds <= set(SAID)
    assert len(kinds) > 12
