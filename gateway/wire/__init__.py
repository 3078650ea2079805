"""Dialects, server-sent events, error objects and headers: bytes to values and back. Pure, no I/O."""

from gateway.wire.answer import AnswerParts, answer_parts, collect, read_answer, stream_error
from gateway.wire.caching import with_cache_key, with_cache_marks
from gateway.wire.chat import parse, parts_of, wants_usage
from gateway.wire.codec import dumps, length, loads
from gateway.wire.demands import CacheMarks, cache_marks, choices, has_media, media_count, needs, service_tier
from gateway.wire.edits import apply, by_transform, edited, shares
from gateway.wire.errors import FAULT_CODES, error_body, error_object, upstream_code
from gateway.wire.headers import decision_headers, money_headers, record_headers
from gateway.wire.hints import conversation_key, session_key
from gateway.wire.meter import StreamMeter
from gateway.wire.sse import DONE, SseSplitter, cut_off, data_of, error_event, with_data
from gateway.wire.validity import Validity

__all__ = [
    "CacheMarks",
    "AnswerParts",
    "DONE",
    "FAULT_CODES",
    "SseSplitter",
    "Validity",
    "StreamMeter",
    "answer_parts",
    "apply",
    "by_transform",
    "cache_marks",
    "conversation_key",
    "choices",
    "collect",
    "cut_off",
    "data_of",
    "decision_headers",
    "dumps",
    "edited",
    "error_body",
    "error_event",
    "error_object",
    "has_media",
    "media_count",
    "length",
    "loads",
    "money_headers",
    "needs",
    "parse",
    "parts_of",
    "read_answer",
    "record_headers",
    "service_tier",
    "session_key",
    "shares",
    "stream_error",
    "upstream_code",
    "wants_usage",
    "with_cache_key",
    "with_cache_marks",
    "with_data",
]
