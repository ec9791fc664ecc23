"""What is wrong with settings, said in one line."""

from __future__ import annotations

import re
from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from ..errors import InputError, one_line, unknown


def explained(error: ValidationError, checked: type[BaseModel], shown: str) -> InputError:
    """Turn the first of a validation's errors into one line, unknown keys before all others.

    Args:
        error: What pydantic found.
        checked: The model that it checked; its fields' descriptions are part of the line.
        shown: What to call that which was checked.

    Returns:
        The error, to be raised by the caller.
    """
    errors = error.errors(include_url=False)
    first = next((e for e in errors if e["type"] == "extra_forbidden"), errors[0])
    model: Any = checked
    field = None
    where: list[str] = []
    for part in first["loc"]:
        if isinstance(part, int):
            where.append(f"[{part + 1}]")
            continue
        if model is None or part not in model.model_fields:
            if first["type"] == "extra_forbidden":
                known = [*model.model_fields]
                place = "".join(where).removeprefix(".") or "the file"
                return unknown(f"key of {place} in {shown}:", part, known)
            where.append(f".{one_line(str(part), 60)}")
            break  # inside a table that users fill
        field = model.model_fields[part]
        model = _model_in(field.annotation)
        where.append(f".{part}")
    message = re.sub(r"^Value error, ", "", first["msg"])
    if first["type"] == "missing":
        message = "is missing"
    place = "".join(where).removeprefix(".")
    about = f" ({field.description})" if field is not None and field.description else ""
    return InputError(f"{shown}{f', {place}' if place else ''}: {one_line(message)}{about}")


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """Find the model of a field that is one, or a list of it."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if get_origin(annotation) in (list, Union, UnionType):
        return next(filter(None, map(_model_in, get_args(annotation))), None)
    return None
