"""The schema in plain English: what each key takes, for messages and for the reference page."""

from __future__ import annotations

import types
from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from gateway.api import Path


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
    """An annotation in plain English; empty for one that has no short name."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return words(arguments[0], [*_flat(arguments[1:]), *metadata])
    if origin in (Union, types.UnionType):
        told = [one for one in arguments if one is not type(None)]
        return words(told[0], metadata) if len(told) == 1 else ""
    if origin is Literal:
        return listed(arguments, "or")
    if origin in (list, tuple, set, frozenset):
        items = _plural(words(arguments[0]))
        some = "at least one of " if _bound(list(_flat(metadata)), "min_length") else "a list of "
        return some + items if items else "a list"
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
        return listed([member.value for member in annotation], "or")
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return f"a mapping with {listed(list(annotation.model_fields))}"
    return "text" if annotation is str else ""


def _plural(single: str) -> str:
    if single == "text":
        return "texts"
    for start in ("mapping", "whole number", "number"):
        if single.startswith(f"a {start}"):
            return f"{start}s" + single.removeprefix(f"a {start}")
    return single


def _range(metadata: list[Any]) -> str:
    least, above = _bound(metadata, "ge"), _bound(metadata, "gt")
    most, below = _bound(metadata, "le"), _bound(metadata, "lt")
    if least is not None and most is not None:
        return f" from {least} to {most}"
    start = f" of {least} or more" if least is not None else f" above {above}" if above is not None else ""
    end = f" up to {most}" if most is not None else f" below {below}" if below is not None else ""
    return f"{start} and{end}" if start and end else start or end


def _bound(metadata: list[Any], name: str) -> Any:
    """`ge`, `gt`, `le`, `lt` or `min_length` out of a field's constraints."""
    return next((getattr(one, name) for one in metadata if getattr(one, name, None) is not None), None)


def _flat(metadata: Any) -> Iterator[Any]:
    """`Field(ge=1)` inside `Annotated` carries its bounds one level deeper."""
    for one in metadata:
        if isinstance(one, FieldInfo):
            yield from one.metadata
        else:
            yield one


def listed(items: Any, last: str = "and") -> str:
    """`a`, `b` and `c`."""
    quoted = [f"`{item}`" for item in items]
    return " ".join([", ".join(quoted[:-1]), last, quoted[-1]]) if len(quoted) > 1 else "".join(quoted)


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    if field.default is None:
        return "none"
    if isinstance(field.default, bool):
        return f"`{bare_text(field.default)}`"
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


def known_keys(schema: type[BaseModel], path: Path) -> list[str]:
    """The keys of the mapping at a path."""
    field = _field(schema, path)
    bare = _bare(field.annotation) if field else None
    return list(bare.model_fields) if isinstance(bare, type) and issubclass(bare, BaseModel) else []


def bare_text(value: Any) -> str:
    """A truth value or a number as the file writes it."""
    return str(value).lower() if isinstance(value, bool) else str(value)
