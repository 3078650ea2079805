"""What a provider's own wire makes of OpenAI's fields, found out once per deployment by asking litellm's class.

A class answers by code (`map_openai_params`, `transform_request`) that costs up to a millisecond a call and rebuilds
the conversation. So each field and each trait of a message is put to it once, alone, and what came of it is kept as
data; a request is then a copy with few changes. `tests/upstream/test_relay_contract.py` compares the outcome with what
`litellm.acompletion` sends.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.api import Json

# Values to ask about. Where several are given, the answer may depend on the value; `_OPEN` fields take any number, so
# what holds for the first value holds for all that were not asked about.
_FIELDS: Mapping[str, tuple[Any, ...]] = {
    "temperature": (0.5, 1),
    "top_p": (0.5, 1),
    "max_tokens": (100,),
    "max_completion_tokens": (100,),
    "n": (2,),
    "stop": (["x"],),
    "seed": (7,),
    "frequency_penalty": (0.5, 0),
    "presence_penalty": (0.5, 0),
    "logit_bias": ({"1": 1},),
    "logprobs": (True,),
    "top_logprobs": (3,),
    "modalities": (["text"],),
    "prediction": ({"type": "content", "content": "x"},),
    "audio": ({"voice": "x", "format": "wav"},),
    "web_search_options": ({"search_context_size": "low"},),
    "service_tier": ("auto",),
    "safety_identifier": ("x",),
    "prompt_cache_key": ("x",),
    "prompt_cache_retention": ("24h",),
    "store": (True,),
    "user": ("x",),
    "verbosity": ("low",),
    "stream_options": ({"include_usage": True},),
    "parallel_tool_calls": (True, False),
    "tool_choice": ("auto", "none", "required"),
    "reasoning_effort": ("none", "minimal", "low", "medium", "high", "xhigh", "max"),
}
_ENUMERATED = frozenset({"tool_choice", "reasoning_effort", "parallel_tool_calls"})
_TOOL_FIELDS = frozenset({"tool_choice", "parallel_tool_calls"})

# What clients replay in old messages although only some providers know it.
_MESSAGE_FIELDS = (
    "name",
    "cache_control",
    "refusal",
    "annotations",
    "audio",
    "reasoning",
    "reasoning_content",
    "reasoning_details",
    "thinking_blocks",
    "provider_specific_fields",
)
_ROLES = ("system", "user", "assistant", "tool")


@dataclass(frozen=True, slots=True)
class FieldRule:
    """`name`: what the field is called there, `None` if it is left out. `exact`: what single values become."""

    name: str | None
    exact: Mapping[Any, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Rules:
    """`effortless` holds instead of `fields` for requests that turn reasoning off (`reasoning_effort: none`)."""

    fields: Mapping[str, FieldRule]
    effortless: Mapping[str, FieldRule]
    added: Json
    roles: Mapping[str, str]
    strip: Mapping[str, frozenset[str]]
    flatten: Mapping[str, str]
    strip_null: bool
    strip_index: bool
    strip_cache_control: bool
    strip_strict: bool
    usage_option: bool

    @property
    def touches_messages(self) -> bool:
        return bool(self.roles or any(self.strip.values()) or self.flatten or self.strip_null or self.strip_index)


def derive(config: Any, provider: str, model: str, api_base: str) -> Rules:
    """Asks litellm's class `config` about every field and every trait of a message."""
    ask = _Asking(config, provider, model, api_base)
    fields = ask.fields({})
    return Rules(
        fields=fields,
        effortless=ask.fields({"reasoning_effort": "none"}),
        added=ask.added(),
        roles=ask.roles(),
        strip={role: ask.stripped(role) for role in _ROLES},
        flatten={role: joint for role in _ROLES if (joint := ask.joint(role)) is not None},
        strip_null=ask.strips_null(),
        strip_index=ask.strips_index(),
        strip_cache_control=ask.strips_cache_control(),
        strip_strict=ask.strips_strict(),
        usage_option="stream_options" not in fields,
    )


@dataclass(frozen=True, slots=True)
class _Asking:
    config: Any
    provider: str
    model: str
    api_base: str

    def mapped(self, given: Json) -> Json:
        out = self.config.map_openai_params(
            non_default_params=copy.deepcopy(given), optional_params={}, model=self.model, drop_params=True
        )
        extra = out.get("extra_body", {})
        return {**{name: value for name, value in out.items() if name != "extra_body"}, **extra}

    def sent(self, message: Json, params: Json | None = None) -> Json:
        body: Json = self.config.transform_request(
            model=self.model,
            messages=[copy.deepcopy(message)],
            optional_params=copy.deepcopy(params or {}),
            litellm_params={"custom_llm_provider": self.provider, "api_base": self.api_base},
            headers={},
        )
        return body

    def message(self, message: Json) -> Json:
        messages: list[Json] = self.sent(message)["messages"]
        return messages[0] if messages else message

    def fields(self, along: Json) -> dict[str, FieldRule]:
        knows_tools = "tools" in self.config.get_supported_openai_params(self.model)
        rules: dict[str, FieldRule] = {}
        background = self.mapped(along) if along else {}
        for name, values in _FIELDS.items():
            if name in along or (name == "user" and self.provider != "mistral"):
                # `user` is left out by litellm for every model it does not know; only Mistral refuses it.
                continue
            outcomes = [
                {key: value for key, value in self.mapped({**along, name: value}).items() if key not in background}
                for value in values
            ]
            rule = _rule(name, values, outcomes)
            if rule is None or (name in _TOOL_FIELDS and not knows_tools):
                # A model that litellm's map does not know counts as one without tools; the upstream knows better.
                continue
            rules[name] = rule
        return rules

    def added(self) -> Json:
        body = self.sent({"role": "user", "content": "x"})
        return {key: value for key, value in body.items() if key not in {"model", "messages", "stream"}}

    def roles(self) -> dict[str, str]:
        [message] = self.config.translate_developer_role_to_system_role([{"role": "developer", "content": "x"}])
        return {} if message["role"] == "developer" else {"developer": message["role"]}

    def stripped(self, role: str) -> frozenset[str]:
        return frozenset(name for name in _MESSAGE_FIELDS if not self._keeps(role, name))

    def _keeps(self, role: str, name: str) -> bool:
        # A field may move (OpenRouter wants `cache_control` inside the content); what moved is not stripped.
        return repr(name) in repr(self.message({**_plain(role), name: "x"}))

    def joint(self, role: str) -> str | None:
        parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
        content = self.message({**_plain(role), "content": parts})["content"]
        return content[1:-1] if isinstance(content, str) else None

    def strips_null(self) -> bool:
        return "function_call" not in self.message({**_plain("assistant"), "function_call": None})

    def strips_index(self) -> bool:
        call = {"id": "x", "type": "function", "index": 0, "function": {"name": "f", "arguments": "{}"}}
        message = self.message({"role": "assistant", "content": "x", "tool_calls": [call]})
        return "index" not in message["tool_calls"][0]

    def strips_cache_control(self) -> bool:
        part = {"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}
        return "cache_control" not in repr(self.message({"role": "user", "content": [part]}))

    def strips_strict(self) -> bool:
        parameters = {"type": "object", "properties": {}}
        tool = {"type": "function", "function": {"name": "f", "strict": True, "parameters": parameters}}
        mapped = self.mapped({"tools": [tool]})
        tools = self.sent({"role": "user", "content": "x"}, mapped).get("tools") or []
        return bool(tools) and "strict" not in tools[0]["function"]


def _plain(role: str) -> Json:
    message: Json = {"role": role, "content": "x"}
    return {**message, "tool_call_id": "x"} if role == "tool" else message


def _rule(name: str, values: Iterable[Any], outcomes: list[Json]) -> FieldRule | None:
    """A rule for one field, or `None` where every value passed unchanged."""
    pairs = list(zip(values, outcomes, strict=True))
    if all(outcome == {name: value} for value, outcome in pairs):
        return None
    if name in _ENUMERATED:
        exact = {value: outcome for value, outcome in pairs if outcome != {name: value}}
        return FieldRule(name, exact)
    value, outcome = pairs[0]
    renamed = next((key for key, new in outcome.items() if new == value), None)
    exact = {other: result for other, result in pairs[1:] if result != ({renamed: other} if renamed else {})}
    return FieldRule(renamed, exact)


def apply(rules: Rules, body: Json, model: str, *, stream: bool) -> Json:
    """The body for the upstream: a copy that shares whatever did not have to change."""
    fields = rules.effortless if body.get("reasoning_effort") == "none" else rules.fields
    out: Json = {}
    moved: Json = {}
    for name, value in body.items():
        rule = fields.get(name)
        if rule is None:
            out[name] = value
        elif (exact := _exact(rule, value)) is not None:
            moved.update(exact)
        elif rule.name is not None:
            moved[rule.name] = value
    for name, value in (*moved.items(), *rules.added.items()):
        out.setdefault(name, value)
    out["model"] = model
    if isinstance(out.get("messages"), list) and (rules.touches_messages or rules.strip_cache_control):
        out["messages"] = [_message(rules, message) for message in out["messages"]]
    if isinstance(out.get("tools"), list):
        out["tools"] = [_tool(rules, tool) for tool in out["tools"]]
    _ask_for_usage(rules, out, stream=stream)
    return out


def _exact(rule: FieldRule, value: Any) -> Json | None:
    return rule.exact.get(value) if rule.exact and isinstance(value, str | int | float) else None


def _ask_for_usage(rules: Rules, out: Json, *, stream: bool) -> None:
    if not stream:
        out.pop("stream_options", None)
        out.pop("stream", None)
        return
    out["stream"] = True
    if rules.usage_option:
        options = out.get("stream_options")
        out["stream_options"] = {**(options if isinstance(options, dict) else {}), "include_usage": True}


def _message(rules: Rules, message: Any) -> Any:
    if not isinstance(message, dict):
        return message
    role = message.get("role", "")
    strip = rules.strip.get(rules.roles.get(role, role), frozenset())
    null = rules.strip_null and role == "assistant"
    changed = message
    if not strip.isdisjoint(message) or (null and None in message.values()):
        changed = {name: value for name, value in message.items() if name not in strip and not (null and value is None)}
    if role in rules.roles:
        changed = {**changed, "role": rules.roles[role]}
    content = changed.get("content")
    if isinstance(content, list):
        changed = {**changed, "content": _content(rules, changed.get("role", ""), content)}
    if rules.strip_index and isinstance(changed.get("tool_calls"), list):
        changed = {**changed, "tool_calls": [_without(call, "index") for call in changed["tool_calls"]]}
    return changed


def _content(rules: Rules, role: str, content: list[Any]) -> Any:
    joint = rules.flatten.get(role)
    if joint is not None and content:
        texts = [part["text"] for part in content if _is_text(part)]
        if len(texts) == len(content):
            return joint.join(texts)
    return [_without(part, "cache_control") for part in content] if rules.strip_cache_control else content


def _is_text(part: Any) -> bool:
    return isinstance(part, dict) and part.get("type") == "text" and isinstance(part.get("text"), str)


def _tool(rules: Rules, tool: Any) -> Any:
    if rules.strip_cache_control:
        tool = _without(tool, "cache_control")
    if not isinstance(tool, dict) or not isinstance(tool.get("function"), dict):
        return tool
    function = _without(tool["function"], "cache_control") if rules.strip_cache_control else tool["function"]
    if rules.strip_strict:
        function = _without(function, "strict")
    return tool if function is tool["function"] else {**tool, "function": function}


def _without(item: Any, name: str) -> Any:
    if not isinstance(item, dict) or name not in item:
        return item
    return {key: value for key, value in item.items() if key != name}
