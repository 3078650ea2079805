"""JSON in and out, such that nothing a caller may validly send is refused or changed by our parser.

orjson is fast but narrower than JSON: it refuses lone surrogates (`"\\ud800"`, which tools do produce when they cut
text in the middle of an emoji), turns integers beyond 64 bits into floats without a word, and writes no deeper than
254 levels. Such bodies take the standard library's slower road, in both directions.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any, Never

import orjson

from gateway.api import BadRequest

MAX_DEPTH = 200
"""Deepest nesting of a body. No API has a use for it, and below orjson's 254 every later reader is safe."""

_LONG_DIGITS = b"0" * 19  # the shortest run of digits that may be more than 64 bits
_LONG_INTEGER = re.compile(rb"[\[:,\s]-?\d{19,}\s*[,\]}]")
_DIGITS_TO_ZERO = bytes(48 if 48 <= code <= 57 else code for code in range(256))


def loads(raw: bytes) -> Any:
    """The JSON value in `raw`. Raises `BadRequest` (400) that names the place of the fault."""
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError:
        value = _loads_widely(raw)
    else:
        # Long digits are common inside texts (times in nanoseconds); only a number by itself is looked at again.
        if _LONG_DIGITS in raw.translate(_DIGITS_TO_ZERO) and _LONG_INTEGER.search(raw):
            value = _loads_widely(raw)
    if _too_deep(value):
        raise BadRequest(f"The body is nested more than {MAX_DEPTH} levels deep.", code="invalid_json")
    return value


def dumps(value: Any) -> bytes:
    """Compact JSON of anything that `loads` returned, edited or not."""
    try:
        return orjson.dumps(value)
    except TypeError:  # a lone surrogate or an integer beyond 64 bits: only escapes and Python's integers can say it
        return json.dumps(value, ensure_ascii=True, separators=(",", ":")).encode("ascii")


def _loads_widely(raw: bytes) -> Any:
    try:
        return json.loads(raw.decode("utf-8-sig"), parse_constant=_refuse_constant, parse_float=_finite)
    except UnicodeDecodeError as error:
        raise BadRequest(f"The body is not valid UTF-8 (byte {error.start}).", code="invalid_json") from error
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno} (character {error.pos})"
        raise BadRequest(f"The body is not valid JSON: {error.msg} at {place}.", code="invalid_json") from error
    except RecursionError as error:
        raise BadRequest(f"The body is nested more than {MAX_DEPTH} levels deep.", code="invalid_json") from error
    except ValueError as error:  # Python's own limit on the digits of an integer
        raise BadRequest("The body holds a number too large to be read.", code="invalid_json") from error


def _refuse_constant(name: str) -> Never:
    raise BadRequest(f"The body is not valid JSON: {name} is no JSON value.", code="invalid_json")


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise BadRequest(f"The body holds a number too large to be read: {text[:40]}.", code="invalid_json")
    return number


def _too_deep(value: Any) -> bool:
    """Level by level rather than by recursion, and only through containers: a few thousand steps for a long chat."""
    level = [value] if isinstance(value, dict | list) else []
    for _ in range(MAX_DEPTH):
        level = [
            child
            for container in level
            for child in (container.values() if container.__class__ is dict else container)
            if child.__class__ is dict or child.__class__ is list
        ]
        if not level:
            return False
    return True


def length(text: str) -> int:
    """Bytes of a text in UTF-8. Vocabularies are made of bytes: Chinese has about three of them, and nearly a token, to
    a character."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
