"""The keys of a study file: complete, described, and the same in the page and in the schema."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import get_args

import pytest
from pydantic import BaseModel

from command import hcore, mistake
from heuristic_core.study.config import StudyConfig, check_study
from heuristic_core.study.keys import study_keys, study_schema
from real_data import REPOSITORY

STUDIES = [
    *(REPOSITORY / "studies").glob("*[!s].toml"),  # but the published findings
    *(REPOSITORY / "src/heuristic_core/study/builtin").glob("*.toml"),
]


def tables(kind: object) -> list[type[BaseModel]]:
    """The models of settings in a type, with those that are in them."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        fields = kind.model_fields.values()
        return [kind, *(inner for field in fields for inner in tables(field.annotation))]
    return [inner for part in get_args(kind) for inner in tables(part)]


def test_every_field_is_described_and_listed():
    listed = {key.name.rpartition(".")[2] for table in study_keys() for key in table.keys}
    kinds = tables(StudyConfig)
    assert {"ModelConfig", "FineTuned", "GridConfig"} <= {kind.__name__ for kind in kinds}
    for kind in kinds:
        for name, field in kind.model_fields.items():
            assert field.description, f"{kind.__name__}.{name}"
            assert name in listed or tables(field.annotation), name
    for table in study_keys():
        assert table.about
        assert all(key.meaning and key.values for key in table.keys), table.name


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_the_keys_of_real_studies_are_listed(path):
    keys = {(key.name, key.of) for table in study_keys() for key in table.keys}
    raw = tomllib.loads(path.read_text())
    method = raw["search"].get("method", "learned")
    if raw["task"]["name"].endswith(".toml"):
        raw["task"].pop("options", None)

    def check(table: dict, prefix: str) -> None:
        for name, value in table.items():
            of = {"search.options.": method, "task.options.": raw["task"]["name"]}.get(prefix, "")
            if (prefix + name, of) not in keys and value is not False:
                assert isinstance(value, dict), prefix + name
                check(value, f"{prefix}{name}.")

    check(raw, "")


def test_defaults_are_those_of_a_study_of_which_nothing_is_said():
    finetune = {"steps": 1, "checkpoints": [1]}
    raw = {"name": "x", "finetune": finetune, "analysis": {"faithful": {}, "validity": {}}}
    config = check_study(raw).model_dump(mode="json")
    for table in study_keys():
        for key in table.keys:
            if key.of or key.default == "required" or key.name == "model.source":
                continue
            value = config
            for part in key.name.split("."):
                value = value[part]
            shown = None if key.default == "none" else tomllib.loads(f"x = {key.default}")["x"]
            assert shown == value, key.name


def test_the_schema_takes_what_a_study_takes():
    schema = study_schema()
    assert json.loads(hcore("study-keys", "--json-schema", cwd=Path()).stdout) == schema
    try:
        import jsonschema
    except ImportError:
        jsonschema = None
    else:
        jsonschema.Draft202012Validator.check_schema(schema)
    good = [tomllib.loads(path.read_text()) for path in STUDIES]
    run = {"50": "run/checkpoint-50"}
    models = [{"checkpoints": run}, {"checkpoints": "run"}, {"seeds": {"1": {"checkpoints": run}}}]
    good += [{"name": "x", "model": model, "analysis": {"grid": False}} for model in models]
    good.append(check_study({"name": "x"}).model_dump(mode="json"))
    bad = [
        {},
        {"name": "x", "modle": {}},
        {"name": "x", "model": {"checkpoints": {"last": "run"}}},
        {"name": "x", "search": {"sparsities": [1.0]}},
        {"name": "x", "search": {"method": "learnt"}},
        {"name": "x", "task": {"name": "mnli"}},
        {"name": "x", "model": {"seeds": {"1": {"checkpoint": run}}}},
        {"name": "x", "analysis": {"grid": True}},
    ]
    for studies, expected in ((good, True), (bad, False)):
        for study in studies:
            if jsonschema is not None:
                assert jsonschema.Draft202012Validator(schema).is_valid(study) == expected, study
    assert schema["$defs"]["ModelConfig"]["properties"]["checkpoints"]["anyOf"][0] == {
        "type": "string"
    }
    assert {"const": False} in schema["$defs"]["AnalysisConfig"]["properties"]["grid"]["anyOf"]
    assert schema["additionalProperties"] is False


def test_a_part_of_the_keys_is_printed():
    shown = hcore("study-keys", "analysis.grid", cwd=Path()).stdout
    assert "[analysis.grid]" in shown
    assert "max_length" not in shown
    printed = hcore("study-keys", "search.options", "--json", cwd=Path()).stdout
    listed = json.loads(printed)["keys"]
    assert {"learned", "paper", "fisher"} <= {key["of"] for key in listed}
    assert {"name": "search.options.ramp_steps", "default": "140"}.items() <= next(
        key for key in listed if key["name"].endswith("ramp_steps")
    ).items()
    assert "did you mean 'search.seeds'?" in mistake("study-keys", "search.seed", cwd=Path())
    assert "give it alone" in mistake("study-keys", "search", "--json-schema", cwd=Path())
