"""The validated schema to the values that the gateway works with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path as FilePath
from types import MappingProxyType
from typing import Any, Literal

from gateway.api import Deployment, Path, Price, Routing, TaskType, Tier, TierLimits
from gateway.config.checks import key_digest, plugin_parts
from gateway.config.document import Document
from gateway.config.problems import Problem
from gateway.config.schema import FactorsSection, FileSchema, ModelSection, RoutingSection
from gateway.config.values import MASTER, Budget, Config, Context, Draft, PluginEntry, Server, VirtualKey


def build(document: Document, schema: FileSchema, inherited: RoutingSection, warnings: tuple[Problem, ...]) -> Config:
    """The document is free of errors; `inherited` has the factors and task types that it leaves out."""
    deployments = tuple(_deployments(document, schema))
    return Config(
        path=document.source.file,
        server=Server(**schema.server.model_dump(exclude={"master_key"})),
        deployments=deployments,
        routing=_routing(schema, inherited),
        max_escalations=schema.routing.escalation.max,
        context=Context(**schema.context.model_dump()),
        budgets=tuple(Budget(name=name, **one.model_dump()) for name, one in schema.budgets.items()),
        keys=tuple(_keys(document, schema)),
        state_url=schema.state.url,
        ledger_url=schema.ledger.url,
        plugins=tuple(_plugins(document)),
        plugin_path=FilePath(schema.plugin_path),
        warnings=(*warnings, *_none_active(document, deployments)),
        source=document.source,
    )


def _deployments(document: Document, schema: FileSchema) -> Iterator[Deployment]:
    for tier in Tier:
        for at, model in enumerate(schema.tiers.of(tier).models):
            path: Path = ("tiers", tier.value, "models", at)
            unset = [name for key in ("api_key", "api_base") for name in document.unset(*path, key)]
            yield _deployment(tier, model, tuple(dict.fromkeys(unset)))


def _deployment(tier: Tier, model: ModelSection, unset: tuple[str, ...]) -> Deployment:
    provider, _, upstream_model = model.model.partition("/")
    are = "are" if len(unset) > 1 else "is"
    return Deployment(
        name=model.name,
        tier=tier,
        model=model.model,
        provider=provider,
        upstream_model=upstream_model,
        api_key=None if unset else model.api_key,
        api_base=None if unset else model.api_base,
        priority=model.priority,
        price=Price(**model.price.model_dump()) if model.price else None,
        price_source="tiers.yaml" if model.price else "unknown",
        context_window=model.context_window,
        max_output=model.max_output,
        transport=model.transport,
        capabilities=frozenset(model.capabilities),
        inactive=f"{' and '.join(unset)} {are} not set" if unset else None,
        standby=model.standby,
    )


def _none_active(document: Document, deployments: tuple[Deployment, ...]) -> Iterator[Problem]:
    reasons = dict.fromkeys(one.inactive for one in deployments)
    if None not in reasons:
        message = f"no model is active: {', '.join(map(str, reasons))}"
        yield document.source.problem(("tiers",), message, key=True, severity="warning")


def _routing(schema: FileSchema, inherited: RoutingSection) -> Routing:
    routing = schema.routing
    types = routing.task_types if routing.task_types is not None else inherited.task_types or {}
    forced = routing.force_strong_for
    if forced is None:  # the shipped list names shipped task types
        forced = inherited.force_strong_for or [] if routing.task_types is None else []
    return Routing(
        mode=routing.mode,
        rewrite=routing.rewrite,
        default_tier=routing.default_tier,
        prefer_free=routing.prefer_free,
        force_strong_for=tuple(forced),
        task_types=tuple(TaskType(name, one.points, tuple(one.patterns)) for name, one in types.items()),
        factors=_factors(routing.factors, inherited.factors),
        limits=MappingProxyType(
            {tier: TierLimits(schema.tiers.of(tier).max_complexity, schema.tiers.of(tier).max_context) for tier in Tier}
        ),
        baseline=routing.baseline,
    )


def _factors(own: FactorsSection, inherited: FactorsSection) -> Mapping[str, Any]:
    """Plain data, as it stands in the file: the scorer that reads it is a plugin with a view of its own."""
    given = {**inherited.model_dump(exclude_none=True), **own.model_dump(exclude_none=True)}
    return MappingProxyType({name: tuple(data) if isinstance(data, list) else data for name, data in given.items()})


def _keys(document: Document, schema: FileSchema) -> Iterator[VirtualKey]:
    if schema.server.master_key is not None:
        yield _key(document, ("server", "master_key"), MASTER, admin=True)
    for at, key in enumerate(schema.keys):
        yield _key(document, ("keys", at, "key"), key.name, budget=key.budget, admin=key.admin)


def _key(document: Document, path: Path, name: str, *, budget: str | None = None, admin: bool) -> VirtualKey:
    unset = document.unset(*path)
    return VirtualKey(
        name=name,
        sha256=None if unset else key_digest(document, path),
        budget=budget,
        admin=admin,
        inactive=f"{unset[0]} is not set" if unset else None,
    )


def draft(document: Document) -> Draft:
    """What can be used of the plugins' part; the rest of it is the checks' problem."""
    folder = document.at("plugin_path")
    usable = (
        FilePath(folder)
        if isinstance(folder, str) and folder
        else FilePath(FileSchema.model_fields["plugin_path"].default)
    )
    return Draft(tuple(_plugins(document)), usable, document.source)


def _plugins(document: Document) -> Iterator[PluginEntry]:
    entries = document.at("plugins")
    for at, entry in enumerate(entries if isinstance(entries, list) else ()):
        name, settings = plugin_parts(entry)
        if name is None or not isinstance(settings, dict | None):
            continue
        path: Path = ("plugins", at, name) if isinstance(entry, dict) else ("plugins", at)
        given = {key: _text(value) for key, value in (settings or {}).items()}
        fail: Literal["open", "closed"] | None = given.pop("fail", None)
        yield PluginEntry(
            name=name,
            settings=MappingProxyType(given),
            fail=fail,
            line=document.source.locate(("plugins", at)).line,
            path=path,
        )


def _text(value: Any) -> Any:
    """Interpolated texts, however deep, as what they are to anybody else: texts."""
    if isinstance(value, dict):
        return {key: _text(child) for key, child in value.items()}
    if isinstance(value, list):
        return [_text(child) for child in value]
    return str(value) if isinstance(value, str) else value
