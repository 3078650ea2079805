"""The models of the tiers: their names, what litellm calls them, and the order of the tiers' limits."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from gateway.api import Path, Tier
from gateway.config.checks.providers import LOCAL, LOCAL_MODEL, PROVIDERS
from gateway.config.document import Document
from gateway.config.environment import as_plain
from gateway.config.problems import Problem, did_you_mean
from gateway.config.schema import TiersSection
from gateway.config.wording import name_of

RESERVED = ("auto", *(tier.value for tier in Tier))
# Names go into headers, URLs and metrics.
_LONGEST_NAME = 128
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@+-]*\*?|\*")
_MODEL = re.compile(r"[A-Za-z0-9_.-]+/[!-~]+")
_ADDRESS = re.compile(r"https?://[!-~]+")
_CREDENTIALS = re.compile(r"https?://[^/?#]*@")


def check_models(document: Document) -> Iterator[Problem]:
    seen: dict[str, Path] = {}
    for path, model in all_models(document):
        name, target, address = model.get("name"), model.get("model"), model.get("api_base")
        if isinstance(name, str):
            yield from _name(document, (*path, "name"), name, seen)
        if isinstance(target, str):
            yield from _model(document, (*path, "model"), target, str(name))
        if isinstance(address, str) and not document.unset(*path, "api_base"):
            yield from _address(document, (*path, "api_base"), address)
    if "tiers" in document.value and not any(True for _ in all_models(document)):
        yield document.source.problem(
            ("tiers",), "no tier has a model", "one under `tiers.<tier>.models` at least", key=True
        )
    yield from _limits_ascend(document)


def all_models(document: Document) -> Iterator[tuple[Path, dict[str, Any]]]:
    for tier in Tier:
        yield from document.entries("tiers", tier.value, "models")


def _name(document: Document, path: Path, name: str, seen: dict[str, Path]) -> Iterator[Problem]:
    shown = f"the name {document.source.shown(path, name)}"
    if name in seen:
        expected = f"a name of its own; the first is in line {document.source.locate(seen[name]).line}"
        yield document.source.problem(path, f"{shown} is given twice", expected)
    elif name in RESERVED:
        yield document.source.problem(path, f"{shown} has a meaning of its own", "any other name")
    elif not _NAME.fullmatch(name) or len(name) > _LONGEST_NAME:
        expected = f"up to {_LONGEST_NAME} letters, digits and . _ : / @ + -, and at most one `*`, at the end"
        yield document.source.problem(path, f"{shown} cannot be used", expected)
    seen.setdefault(name, path)


def _model(document: Document, path: Path, model: str, name: str) -> Iterator[Problem]:
    shown = document.source.shown(path, model)
    if not _MODEL.fullmatch(model):
        example = f"openai/{model}" if re.fullmatch(r"`[\w.:-]{1,60}`", shown) else "openai/gpt-6-luna"
        yield document.source.problem(path, f"{shown} names no provider", f"`provider/model`, as in `{example}`")
    elif "*" in model[:-1]:
        yield document.source.problem(path, f"{shown} has a `*` inside", "a `*` at the end only")
    elif model.endswith("*") and not name.endswith("*"):
        expected = "a `name` that ends in `*` too, or one model"
        yield document.source.problem(path, f"{shown} ends in `*` and the name does not", expected)
    else:
        yield from _provider(document, path, model)


def _provider(document: Document, path: Path, model: str) -> Iterator[Problem]:
    provider, _, rest = model.partition("/")
    shown = document.source.shown(path, model)
    if provider not in PROVIDERS:
        near = "" if path in document.references else did_you_mean(provider, PROVIDERS)
        expected = "a provider that litellm knows; any other server is `openai/...` with its `api_base`"
        yield document.source.problem(path, f"nobody knows the provider of {shown}{near}", expected)
    elif provider == LOCAL and rest != LOCAL_MODEL:
        yield document.source.problem(path, f"{shown} is not on this machine", f"`{LOCAL}/{LOCAL_MODEL}`")


def _address(document: Document, path: Path, address: str) -> Iterator[Problem]:
    if not _ADDRESS.fullmatch(address):
        message = f"{document.source.shown(path, address)} is no address"
        yield document.source.problem(path, message, "`http://...` or `https://...`")
    elif _CREDENTIALS.match(address) and path not in document.references:
        message = f"`{name_of(path)}`: secrets do not stand in this file"
        yield document.source.problem(path, message, "an address without name and password; `api_key` is for those")


def _limits_ascend(document: Document) -> Iterator[Problem]:
    defaults = TiersSection()
    for limit in ("max_complexity", "max_context"):
        before: tuple[float, Tier] | None = None
        for tier in Tier:
            value = as_plain(document.at("tiers", tier.value, limit))
            bound = value if _is_number(value) else getattr(defaults.of(tier), limit)
            if bound is None:
                continue
            if before and (bound < before[0] or (bound == before[0] and limit == "max_complexity")):
                more = "more than" if limit == "max_complexity" else "no less than"
                message = f"`{limit}` of `{tier.value}` is {bound:g}, that of `{before[1].value}` {before[0]:g}"
                yield document.source.problem(("tiers", tier.value, limit), message, f"{more} `{before[1].value}` has")
            before = (bound, tier)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
