"""One-line messages for settings that fail validation."""

from __future__ import annotations

from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from ..errors import InputError, one_line, unknown
from ..validation import UNKNOWN, wrong


def explained(error: ValidationError, checked: type[BaseModel], shown: str) -> InputError:
    """Turn the first validation error into one line; unknown keys come before other errors.

    Args:
        error: The error that pydantic raised.
        checked: The model of the settings; the line includes the field's description.
        shown: The name of the settings in the message.

    Returns:
        The error, for the caller to raise.
    """
    at, message = wrong(error)
    model: Any = checked
    field = None
    where: list[str] = []
    for key in at:
        if isinstance(key, int):
            where.append(f"[{key + 1}]")
            continue
        if model is None or key not in model.model_fields:
            if message == UNKNOWN:
                known = [*model.model_fields]
                place = "".join(where).removeprefix(".") or "the file"
                return unknown(f"key of {place} in {shown}:", key, known)
            where.append(f".{one_line(str(key), 60)}")
            break  # a key that users choose
        field = model.model_fields[key]
        model = _model_in(field.annotation)
        where.append(f".{key}")
    place = "".join(where).removeprefix(".")
    about = f" ({field.description})" if field is not None and field.description else ""
    return InputError(f"{shown}{f', {place}' if place else ''}: {message}{about}")


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """Return the model of a field that holds one, or a list of them."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if get_origin(annotation) in (list, Union, UnionType):
        return next(filter(None, map(_model_in, get_args(annotation))), None)
    return None
