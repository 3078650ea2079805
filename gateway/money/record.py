"""A `CallRecord` as JSON and as a row. It holds no secret: deployments appear by name, callers by their key's name."""

from __future__ import annotations

from collections.abc import Mapping
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
    return read_record(orjson.dumps(record, default=_plain))


def read_record(stored: str | bytes) -> Json:
    """A stored record as JSON values, with the total saving, which is not stored: it is the sum of its causes."""
    values: Json = orjson.loads(stored)
    savings = values["savings"]
    causes = (savings["routing"], savings["context"], savings["cache"])
    savings["total"] = None if None in causes else sum(causes)
    return values


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
        orjson.dumps(record, default=_plain).decode(),  # a number that JSON cannot say (NaN, infinity) becomes null
    )


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, frozenset | set):
        return sorted(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")
