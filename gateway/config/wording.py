"""The schema, and what pydantic has to say about a file, in the words of the file.

`expectation` says what a key takes (`a whole number from 1 to 65535`); the same words stand in the reference page.
"""

from __future__ import annotations

import types
from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt, MinLen
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails, PydanticUndefined

from gateway.api import Path
from gateway.config.problems import Problem, did_you_mean
from gateway.config.source import Source

SECRETS = frozenset({"api_key", "key", "master_key"})  # never repeated, whatever stands there
VARIABLE = "`${NAME}`, the name of an environment variable"


def problems(error: ValidationError, source: Source, schema: type[BaseModel], under: Path = ()) -> list[Problem]:
    """Every error of a validation as a problem at its place; `under` is where in the file the validated part stands."""
    return [_problem(detail, source, schema, under) for detail in error.errors(include_url=False)]


def _problem(detail: ErrorDetails, source: Source, schema: type[BaseModel], under: Path) -> Problem:
    inner = tuple(step for step in detail["loc"] if step != "[key]")
    path = (*under, *inner)
    dotted = name_of(path)
    if detail["type"] == "extra_forbidden":
        known = _known_keys(schema, inner[:-1])
        message = f"unknown key `{path[-1]}`{did_you_mean(str(path[-1]), known)}"
        return source.problem(path, message, f"one of {_listed(sorted(known))}", key=True)
    if detail["type"] == "missing":
        message = f"`{path[-1]}` has no value" if path in source.places else f"`{path[-1]}` is missing"
        return source.problem(path, message, expectation(schema, inner), key=True)
    if detail["type"] in {"value_error", "assertion_error"} or not _known(schema, inner):
        return source.problem(path, f"`{dotted}`: {detail['msg']}")
    expected = expectation(schema, inner)
    if path and path[-1] in SECRETS:
        return source.problem(path, f"`{dotted}` is not {expected}", VARIABLE)
    if detail["type"] == "string_type" and isinstance(detail["input"], bool | int | float):
        expected = f'text: write it in quotes, "{_bare_text(detail["input"])}"'
    return source.problem(path, f"`{dotted}` is {_shown(detail['input'])}", expected)


def name_of(path: Path) -> str:
    """A path as people write it: `tiers.weak.models[0].name`."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text or "the file"


def expectation(schema: type[BaseModel], path: Path) -> str:
    """What the schema takes at a path inside it."""
    field = _field(schema, path)
    return words(field.annotation, field.metadata) if field is not None else ""


def keys(schema: type[BaseModel], under: str = "") -> Iterator[tuple[str, str, str]]:
    """Every key that holds a value, as `(dotted name, what it takes, default)`; `[]` and `<name>` stand for the items
    of a list and of a mapping."""
    for name, field in schema.model_fields.items():
        dotted = f"{under}.{name}" if under else name
        inner, suffix = _inner(field.annotation)
        if inner is None:
            yield dotted, words(field.annotation, field.metadata), _default(field)
        else:
            yield from keys(inner, dotted + suffix)


def words(annotation: Any, metadata: Any = ()) -> str:
    """An annotation in plain English."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return words(arguments[0], [*_flat(arguments[1:]), *metadata])
    if origin in (Union, types.UnionType):
        return words(next(one for one in arguments if one is not type(None)), metadata)
    if origin is Literal:
        return _listed(arguments, "or")
    if origin is list:
        least = "a list of at least one: " if any(isinstance(one, MinLen) for one in _flat(metadata)) else "a list of "
        return least + _plural(arguments[0]) if arguments != (Any,) else "a list"
    if origin is dict or annotation is dict:
        return "a mapping of names"
    return _simple(annotation, list(_flat(metadata)))


def _simple(annotation: Any, metadata: list[Any]) -> str:
    if annotation is bool:
        return "`true` or `false`"
    if annotation is int:
        return f"a whole number{_range(metadata)}"
    if annotation is float:
        return f"a number{_range(metadata)}"
    if isinstance(annotation, type) and issubclass(annotation, StrEnum):
        return _listed([member.value for member in annotation], "or")
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return f"a mapping with {_listed(list(annotation.model_fields))}"
    return "text" if annotation is str else ""


def _plural(annotation: Any) -> str:
    single = words(annotation)
    return (
        "texts"
        if single == "text"
        else "mappings" + single.removeprefix("a mapping")
        if "mapping" in single
        else single
    )


def _range(metadata: list[Any]) -> str:
    least = next((one.ge for one in metadata if isinstance(one, Ge)), None)
    above = next((one.gt for one in metadata if isinstance(one, Gt)), None)
    most = next((one.le for one in metadata if isinstance(one, Le)), None)
    below = next((one.lt for one in metadata if isinstance(one, Lt)), None)
    if least is not None and most is not None:
        return f" from {least} to {most}"
    if above is not None and most is not None:
        return f" above {above} and up to {most}"
    start = f" of {least} or more" if least is not None else f" above {above}" if above is not None else ""
    end = f" of {most} or less" if most is not None else f" below {below}" if below is not None else ""
    return f"{start} and{end}" if start and end else start or end


def _flat(metadata: Any) -> Iterator[Any]:
    """`Field(ge=1)` inside `Annotated` carries its bounds one level deeper."""
    for one in metadata:
        if isinstance(one, FieldInfo):
            yield from one.metadata
        else:
            yield one


def _listed(items: Any, last: str = "and") -> str:
    quoted = [f"`{item}`" for item in items]
    return " ".join([", ".join(quoted[:-1]), last, quoted[-1]]) if len(quoted) > 1 else "".join(quoted)


def _shown(value: Any) -> str:
    """A value as it may be repeated to people: what kind of thing it is, or the start of its text."""
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list" if value else "an empty list"
    if value is None:
        return "empty"
    if value == "":
        return "empty"
    text = _bare_text(value)
    return f"`{text[:40]}...`" if len(text) > 40 else f"`{text}`"


def _bare_text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    if field.default is None or field.default is PydanticUndefined:
        return "none"
    if isinstance(field.default, bool):
        return f"`{_bare_text(field.default)}`"
    if isinstance(field.default, float) and field.default.is_integer():
        return f"`{int(field.default)}`"
    return f"`{field.default}`" if field.default not in ([], {}) else "empty"


def _field(schema: type[BaseModel], path: Path) -> FieldInfo | None:
    """The field a path leads to; an item of a list or of a mapping is made a field of its own."""
    found: FieldInfo | None = FieldInfo(annotation=schema)
    for step in path:
        if found is None:
            return None
        found = _child(_bare(found.annotation), step)
    return found


def _child(annotation: Any, step: str | int) -> FieldInfo | None:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is list and isinstance(step, int):
        return FieldInfo.from_annotation(arguments[0])
    if origin is dict:
        return FieldInfo.from_annotation(arguments[1])
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation.model_fields.get(str(step))
    return None


def _bare(annotation: Any) -> Any:
    """The annotation without `Annotated` and without `| None`."""
    if get_origin(annotation) is Annotated:
        return _bare(get_args(annotation)[0])
    if get_origin(annotation) in (Union, types.UnionType):
        return _bare(next(one for one in get_args(annotation) if one is not type(None)))
    return annotation


def _inner(annotation: Any) -> tuple[type[BaseModel] | None, str]:
    bare = _bare(annotation)
    arguments = get_args(bare)
    if get_origin(bare) is list:
        bare, suffix = _bare(arguments[0]), "[]"
    elif get_origin(bare) is dict:
        bare, suffix = _bare(arguments[1]), ".<name>"
    else:
        suffix = ""
    return (bare, suffix) if isinstance(bare, type) and issubclass(bare, BaseModel) else (None, "")


def _known_keys(schema: type[BaseModel], path: Path) -> list[str]:
    field = _field(schema, path)
    bare = _bare(field.annotation) if field else None
    return list(bare.model_fields) if isinstance(bare, type) and issubclass(bare, BaseModel) else []


def _known(schema: type[BaseModel], path: Path) -> bool:
    return bool(expectation(schema, path))
