"""The keys of a study file, with their defaults and meanings, read off the settings' own models."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from ..errors import unknown
from ..search.methods import METHODS
from ..tasks import TASKS
from .checkpoints import FineTuned
from .config import StudyConfig


@dataclass(frozen=True)
class Key:
    """One key of a study file.

    Args:
        name: Its full name, such as ``search.seeds``.
        values: Which values it takes, in words.
        default: What it is if left out, as TOML; ``required`` or ``none``.
        meaning: What it sets.
        of: The search method or task whose own setting it is; empty for all others.
    """

    name: str
    values: str
    default: str
    meaning: str
    of: str = ""


@dataclass(frozen=True)
class KeyTable:
    """The keys of one table of a study file.

    Args:
        name: Its name, such as ``search``; empty for the keys outside of any.
        about: What the table is about.
        keys: Its keys.
    """

    name: str
    about: str
    keys: tuple[Key, ...]


def study_schema() -> dict[str, Any]:
    """Build the JSON schema of study files, which editors check them by."""
    schema = StudyConfig.model_json_schema()
    definitions = schema["$defs"]
    definitions["SearchConfig"]["properties"]["method"]["enum"] = list(METHODS)
    names = [{"enum": list(TASKS)}, {"pattern": r"\.[tT][oO][mM][lL]$"}]
    definitions["TaskConfig"]["properties"]["name"]["anyOf"] = names
    for field in definitions["AnalysisConfig"]["properties"].values():
        if {"type": "null"} in field.get("anyOf", ()):
            field["anyOf"].append({"const": False})  # how a table is left out in TOML
    # Every table has the title of a class in the code, which says nothing to a user.
    for table in (schema, *definitions.values()):
        for entry in (table, *table.get("properties", {}).values()):
            entry.pop("title", None)
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Study file"}
    return head | schema


def study_keys(prefix: str = "") -> list[KeyTable]:
    """List the tables of a study file with their keys.

    Args:
        prefix: Only keys whose names start with it, such as ``search`` or ``model.seeds``.

    Raises:
        InputError: If no key does; the nearest is named.
    """
    every = list(_tables())
    wanted = prefix.strip("[]. ")

    def within(key: Key) -> bool:
        return not wanted or f"{key.name}.".startswith(f"{wanted}.")

    found = [
        KeyTable(table.name, table.about, keys)
        for table in every
        if (keys := tuple(filter(within, table.keys)))
    ]
    if not found:
        names = [name for table in every for name in (table.name, *(k.name for k in table.keys))]
        raise unknown("study key", prefix, dict.fromkeys(filter(None, names)))
    return found


def _tables() -> Iterator[KeyTable]:
    schema = study_schema()
    yield from _table(StudyConfig, schema, "", "Outside of any table.")
    for name, method in METHODS.items():
        about = f"The settings of the method {name}: {method.summary}."
        yield _options("search.options", method.options, about, name)
    for name, task in TASKS.items():
        about = f"The settings of the task {name}: {task.description}."
        yield _options("task.options", task.options, about, name)


def _table(
    model: type[BaseModel], schema: Mapping[str, Any], prefix: str, about: str
) -> Iterator[KeyTable]:
    """Yield a table's keys, then the tables in it."""
    definitions, properties = schema["$defs"], schema["properties"]
    keys, inner = [], []
    for name, field in model.model_fields.items():
        settings = _settings_in(field)
        if settings is None:
            keys.append(_key(model, name, prefix, properties[name], definitions))
        else:
            inner.append((name, field, settings))
    if keys:
        yield KeyTable(prefix.rstrip("."), about, tuple(keys))
    for name, field, settings in inner:
        path = f"{prefix}{name}" + (".SEED" if settings is FineTuned else "")
        own = {"$defs": definitions, "properties": definitions[settings.__name__]["properties"]}
        said = field.description or ""
        if prefix:
            said = f"{settings.__doc__ or ''} {said}"
        yield from _table(settings, own, f"{path}.", said.strip())


def _settings_in(field: FieldInfo) -> type[BaseModel] | None:
    """Return the model of a table of settings; ``None`` for a plain value."""
    waiting: list[Any] = [field.annotation]
    while waiting:
        kind = waiting.pop()
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            return kind
        waiting += get_args(kind)
    return None


def _options(table: str, model: type[BaseModel], about: str, of: str) -> KeyTable:
    schema = model.model_json_schema()
    definitions = schema.get("$defs", {})
    keys = [
        _key(model, name, f"{table}.", schema["properties"][name], definitions, of)
        for name in model.model_fields
    ]
    return KeyTable(table, about, tuple(keys))


def _key(
    model: type[BaseModel],
    name: str,
    prefix: str,
    schema: Mapping[str, Any],
    definitions: Mapping[str, Any],
    of: str = "",
) -> Key:
    field = model.model_fields[name]
    default = (
        "required" if field.is_required() else _toml(field.get_default(call_default_factory=True))
    )
    return Key(prefix + name, _values(schema, definitions), default, _meaning(model, name), of)


def _meaning(model: type[BaseModel], name: str) -> str:
    """Return a field's description; one that only changes a default has that of its base."""
    bases = [base for base in model.__mro__ if issubclass(base, BaseModel)]
    fields = [base.model_fields[name] for base in bases if name in base.model_fields]
    return next((field.description for field in fields if field.description), "")


def _toml(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, dict):
        inner = ", ".join(f"{json.dumps(key)} = {_toml(item)}" for key, item in value.items())
        return f"{{ {inner} }}" if inner else "{}"
    if isinstance(value, float):
        return f"{value:g}"
    return json.dumps(value)


def _values(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> str:
    """Say in words which values a schema accepts."""
    if "$ref" in schema:
        return _values(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    if "enum" in schema:
        return " or ".join(map(json.dumps, schema["enum"]))
    if "const" in schema:
        return json.dumps(schema["const"])
    kind = schema.get("type")
    if kind is None:
        words = [_values(choice, definitions) for choice in schema.get("anyOf", ())]
        return " or ".join(dict.fromkeys(word for word in words if word)) or "any value"
    if kind == "array":
        return f"list: {_values(schema.get('items', {}), definitions)}"
    if kind == "object":
        inner = schema.get("additionalProperties")
        return f"table: {_values(inner, definitions)}" if isinstance(inner, Mapping) else "table"
    words_of = {
        "integer": "whole number",
        "number": "number",
        "string": "text",
        "boolean": "true or false",
        "null": "",
    }
    bounds = [
        f"{word} {schema[key]:.10g}"
        for key, word in (
            ("minimum", "from"),
            ("exclusiveMinimum", "above"),
            ("maximum", "to"),
            ("exclusiveMaximum", "below"),
        )
        if key in schema
    ]
    return " ".join([words_of[kind], *bounds])
