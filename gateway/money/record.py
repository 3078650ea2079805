"""A `CallRecord` as JSON and as a row. It holds no secret: deployments appear by name, callers by their key's name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

import orjson

from gateway.api import CallRecord, Json

Row = tuple[Any, ...]

COLUMNS = (
    "id", "started", "duration", "recorded", "outcome", "caller", "session", "client", "mode", "asked", "deployment",
    "model", "provider", "tier", "task_type", "score", "attempts", "stream", "budget",
    "input_tokens", "output_tokens", "cached_tokens", "cache_write_tokens", "reasoning_tokens", "estimated",
    "tokens_before", "tokens_after", "cost_usd", "price_source", "baseline_model", "baseline_usd",
    "saved_routing", "saved_context", "saved_cache", "record",
)  # fmt: skip


def record_json(record: CallRecord) -> Json:
    """The whole record as JSON values, the total saving included; what is unknown is null."""
    values: Json = orjson.loads(record_bytes(record))
    return values


def record_bytes(record: CallRecord) -> bytes:
    """The same as JSON text. A number that JSON cannot say (NaN, infinity) is null."""
    values = {field.name: getattr(record, field.name) for field in fields(record)}
    savings = record.savings
    values["savings"] = {
        "routing": savings.routing,
        "context": savings.context,
        "cache": savings.cache,
        "total": savings.total,
        "baseline_usd": savings.baseline_usd,
    }
    return orjson.dumps(values, default=_plain)


def record_row(record: CallRecord, recorded: float) -> Row:
    """The record's values in the order of `COLUMNS`."""
    usage, savings, complexity = record.usage, record.savings, record.complexity
    tokens: tuple[int | None, ...] = (None,) * 6
    if usage is not None:
        tokens = (usage.input, usage.output, usage.cached, usage.cache_write, usage.reasoning, int(usage.estimated))
    return (
        record.id,
        record.started,
        record.duration,
        recorded,
        record.outcome.kind,
        record.caller,
        record.session,
        record.client,
        record.mode,
        record.asked,
        record.deployment,
        record.model,
        record.provider,
        record.tier,
        complexity.task_type if complexity else None,
        complexity.score if complexity else None,
        len(record.attempts),
        int(record.stream),
        record.budget,
        *tokens,
        record.tokens_before,
        record.tokens_after,
        record.cost_usd,
        record.price_source,
        record.baseline_model,
        savings.baseline_usd,
        savings.routing,
        savings.context,
        savings.cache,
        record_bytes(record).decode(),
    )


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, frozenset | set):
        return sorted(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")
