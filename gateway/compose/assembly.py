"""The running gateway: what lives as long as the process, and what a reload replaces."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from aiohttp.web import AbstractRouteDef

from gateway import wire
from gateway.accounts import Accounts, LedgerHealth
from gateway.api import (
    Answer,
    Caller,
    ConfigReloaded,
    Deployment,
    Json,
    Listener,
    Plugin,
    Routing,
    Surface,
)
from gateway.bus import Bus
from gateway.compose.plugins import Loaded, load_plugins, make_cast, start, surface_routes
from gateway.config import DEFAULT_BUDGET, Config, ConfigError
from gateway.cooldown import Cooldowns
from gateway.deployments import Deployments
from gateway.forward import Forward, ForwardRules, Recalls
from gateway.host import PluginHost
from gateway.money import BudgetRule, Budgets, Catalog, SqliteLedger
from gateway.pipeline import Parts, Pipeline
from gateway.preview import Preview, preview
from gateway.server.app import new_request_id
from gateway.server.auth import Auth, KnownKey
from gateway.session import Sessions
from gateway.state import StashLimits, open_stores
from gateway.trimming import Trimming
from gateway.upstream import Timeouts, Upstreams, local_available

_STOP_SECONDS = 5.0  # for listeners to hear what is left, and for each plugin to stop
_RETIRE_SECONDS = 60.0  # for calls in flight to end before the plugins they use are stopped
_RETIRE_POLL_SECONDS = 0.1

log = logging.getLogger("thriftgate")


@dataclass(slots=True)
class _InForce:
    """What plugins see of the configuration in force."""

    routing: Routing
    deployments: tuple[Deployment, ...]


class Gateway:
    """A gateway built from a configuration. `start` it before the first call and `stop` it after the last.

    `offline` decides and explains but calls no one: no ledger is opened, so no budget counts, and litellm is not
    loaded.
    """

    def __init__(self, config: Config, *, clock: Callable[[], float] = time.time, offline: bool = False) -> None:
        self.config = config
        self.draining = False
        self._clock = clock
        self._offline = offline
        self._bus = Bus()
        self._catalog = Catalog()
        self.ledger = SqliteLedger(config.ledger_url, clock)
        state_url = "memory://" if offline else config.state_url
        self._stores = open_stores(state_url, _beside(self.ledger.path), _stash_limits(config), clock)
        self.stash = self._stores.stash
        self._ledger_health = LedgerHealth(clock)
        self.upstreams = Upstreams(_timeouts(config))
        self.budgets = Budgets(self.ledger, [] if offline else _budget_rules(config), clock)
        self._cooldowns = Cooldowns(clock, self._bus.publish)
        self._sessions = Sessions(self._stores.state, clock)
        self._plugins: list[tuple[Loaded, Plugin]] = []
        self._mounted: list[tuple[Loaded, Plugin]] = []
        self._routes_mounted = False
        self._retiring: set[asyncio.Future[None]] = set()
        self._deployments = self._complete(config)
        self._in_force = _InForce(config.routing, self._deployments.all)
        self.auth = _auth(config)
        self.pipeline: Pipeline

    @property
    def max_body(self) -> int:
        return self.config.server.max_body_bytes

    @property
    def deployments(self) -> Deployments:
        return self._deployments

    @property
    def not_ready(self) -> str | None:
        if self.draining:
            return "draining"
        if self._ledger_health.failure is not None:
            return self._ledger_health.failure
        return None if self.upstreams.ready else "loading the provider layer"

    async def start(self) -> None:
        """Load the plugins and open the ledger. Raises `ConfigError` for plugin problems and `ThriftgateError` for a
        ledger that cannot be opened; nothing is left open then."""
        loaded = load_plugins(self.config)
        if not self._offline:
            await self.ledger.open()
        try:
            if not self._offline:
                await self.budgets.start()
            self._plugins = await self._prepare(loaded, self.config)
        except BaseException:
            await self._stores.close()
            await self.ledger.close()
            raise
        if not self._offline:
            await self._stores.open()
        self._attach(self._plugins)
        self.pipeline = self._make_pipeline(self.config, self._plugins)

    async def load_providers(self) -> None:
        """Begin to load the provider layer, which takes seconds; returns at once. `not_ready` tells when it is done."""
        await self.upstreams.start(self._deployments.active)

    async def stop(self) -> None:
        """Flush and close everything, in the order in which it depends on each other."""
        for retiring in self._retiring:
            retiring.cancel()
        await asyncio.gather(*self._retiring, return_exceptions=True)
        await self._bus.settle(_STOP_SECONDS)
        for loaded, plugin in reversed(self._plugins):
            await _stop(loaded, plugin)
        await self._bus.close()
        self.pipeline.parts.cast.close()
        await self.upstreams.close()
        await self._stores.close()
        await self.ledger.close()

    async def reload(self, config: Config) -> None:
        """Put another configuration in force. Calls in flight end under the one they began with; then the plugins that
        only it used are stopped. Raises `ConfigError`, and changes nothing, where a plugin is wrong."""
        plugins = await self._prepare(load_plugins(config), config)
        await self.budgets.reload(_budget_rules(config))
        # From here on nothing can fail: everything is swapped in one step.
        old, leaving = self.pipeline, [pair for pair in self._plugins if not _has(plugins, pair[1])]
        self.config, self._plugins, self._deployments = config, plugins, self._complete(config)
        self._in_force.routing = config.routing
        self._in_force.deployments = self._deployments.all
        self.auth = _auth(config)
        self.upstreams.set_timeouts(_timeouts(config))
        self.stash.limit(_stash_limits(config))
        farewells = [self._bus.detach(plugin) for _, plugin in leaving if isinstance(plugin, Listener)]
        self._attach(plugins)
        self.pipeline = self._make_pipeline(config, plugins)
        inactive = tuple((d.name, d.inactive) for d in self._deployments.all if d.inactive)
        self._bus.publish(ConfigReloaded(at=self._clock(), problems=(), inactive=inactive))
        retiring = asyncio.ensure_future(self._retire(old, leaving, farewells))
        self._retiring.add(retiring)
        retiring.add_done_callback(self._retiring.discard)

    async def _retire(
        self, old: Pipeline, leaving: Sequence[tuple[Loaded, Plugin]], farewells: Sequence[Awaitable[None]]
    ) -> None:
        """Stop what only the old pipeline used, once its last call is closed (or after some seconds)."""
        await asyncio.gather(*farewells)
        until = asyncio.get_running_loop().time() + _RETIRE_SECONDS
        try:
            while old.open_calls and asyncio.get_running_loop().time() < until:  # noqa: ASYNC110  # a count, not an event
                await asyncio.sleep(_RETIRE_POLL_SECONDS)
        finally:
            for loaded, plugin in leaving:
                if not isinstance(plugin, Surface):  # its routes stay mounted, and must find it alive
                    await _stop(loaded, plugin)
            old.parts.cast.close()

    def reload_failed(self, error: ConfigError) -> None:
        """Tell the listeners that a new file is bad and the old one stays in force."""
        self._bus.publish(ConfigReloaded(at=self._clock(), problems=tuple(str(p) for p in error.problems)))

    def surface_routes(self) -> Sequence[AbstractRouteDef]:
        """The routes that plugins add, to be mounted once: aiohttp's router is fixed when the server starts. Raises
        `ConfigError` for a plugin that gives none."""
        self._mounted = [pair for pair in self._plugins if isinstance(pair[1], Surface)]
        self._routes_mounted = True
        return [route for loaded, plugin in self._mounted for route in surface_routes(loaded, plugin, self.config)]

    async def settle(self) -> None:
        """Wait until every listener has heard what happened so far, and what a reload left behind is stopped."""
        await self._bus.settle()
        await asyncio.gather(*self._retiring)

    async def explain(self, raw: bytes) -> Json:
        """What would be decided for a chat-completions body. Raises what a client would see."""
        request = wire.parse(raw, {})
        return await self.pipeline.explain("explain", request, Caller("anonymous"))

    def preview(self, raw: bytes) -> Preview:
        """What the optimizers would cut from a chat-completions body. Raises what a client would see, and whatever a
        plugin raises."""
        parts = self.pipeline.parts
        return preview(parts.cast.optimizers, wire.parse(raw, {}), parts.recall)

    async def complete(self, body: Json, caller: str) -> Answer:
        """A request from inside (a plugin's), through the whole pipeline and charged to `caller`."""
        pipeline = self.pipeline
        request = wire.parse(wire.dumps({**body, "stream": False}), {"user-agent": "thriftgate"})
        async with pipeline.call(new_request_id(), request, self._caller_named(caller)) as call:
            reply = await pipeline.run(call)
        assert reply.body is not None  # noqa: S101  # streaming was switched off above
        read = wire.read_answer(reply.body)
        return Answer(
            body=read.body,
            text=read.text,
            tool_calls=read.tool_calls,
            finish_reason=read.finish_reason,
            usage=call.record.usage if call.record else None,
            deployment=call.serving.name if call.serving else "",
            cost_usd=call.record.cost_usd if call.record else None,
        )

    def _caller_named(self, name: str) -> Caller:
        return self.auth.named(name)

    def _complete(self, config: Config) -> Deployments:
        missing = local_available()
        configured = [
            replace(d, inactive=missing) if d.provider == "local" and missing and d.inactive is None else d
            for d in config.deployments
        ]
        return Deployments(configured, self._catalog, baseline=config.routing.baseline)

    async def _prepare(self, loaded: Sequence[Loaded], config: Config) -> list[tuple[Loaded, Plugin]]:
        """The plugins of a configuration, made and started. Those that listen or have routes go on while their settings
        are unchanged: their counters and mounted routes must outlive a reload. All others are made anew. Raises
        `ConfigError` where one does not start; those that did are stopped again."""
        running = [*self._plugins, *self._mounted]
        ready: list[tuple[Loaded, Plugin]] = []
        for new in loaded:
            plugin = _staying(new, running)
            try:
                ready.append((new, plugin or await start(new, self._host(new.entry.name), config)))
            except ConfigError:
                for made in ready:
                    if not _has(running, made[1]):
                        await _stop(*made)
                raise
        return ready

    def _attach(self, plugins: Sequence[tuple[Loaded, Plugin]]) -> None:
        for loaded, plugin in plugins:
            if isinstance(plugin, Listener):
                self._bus.attach(loaded.entry.name, plugin)
            if isinstance(plugin, Surface) and self._routes_mounted and not _has(self._mounted, plugin):
                log.warning("the routes of plugin %s are mounted at the next start", loaded.entry.name)

    def _host(self, name: str) -> PluginHost:
        return PluginHost(
            log=logging.getLogger(f"thriftgate.plugin.{name}"),
            clock=self._clock,
            ledger=self.ledger,
            state=self._stores.state,
            in_force=self._in_force,
            publisher=self._bus.publish,
            completer=self.complete,
        )

    def _make_pipeline(self, config: Config, plugins: Sequence[tuple[Loaded, Plugin]]) -> Pipeline:
        cast = make_cast(plugins, publish=self._bus.publish, clock=self._clock)
        accounts = Accounts(
            catalog=self._catalog,
            budgets=self.budgets,
            ledger=self.ledger,
            health=self._ledger_health,
            sessions=self._sessions,
            tries=1 + config.max_escalations if cast.verifiers else 1,
            publish=self._bus.publish,
            clock=self._clock,
        )
        forward = Forward(
            self.upstreams,
            cast,
            self._cooldowns,
            ForwardRules(config.server.max_attempts, config.max_escalations, config.server.first_token_timeout),
            Recalls(self.stash, accounts.covers_recall),
            publish=self._bus.publish,
            clock=self._clock,
        )
        return Pipeline(
            Parts(
                routing=config.routing,
                deployments=self._deployments,
                cast=cast,
                trimming=Trimming(cast, self._catalog),
                forward=forward,
                accounts=accounts,
                budgets=self.budgets,
                sessions=self._sessions,
                stash=self.stash,
                recall=config.context.recall,
                cooldowns=self._cooldowns,
                publish=self._bus.publish,
                clock=self._clock,
                request_timeout=config.server.request_timeout,
                cache_hints=config.context.cache_hints,
            )
        )


def _has(plugins: Sequence[tuple[Loaded, Plugin]], plugin: Plugin) -> bool:
    return any(plugin is other for _, other in plugins)


async def _stop(loaded: Loaded, plugin: Plugin) -> None:
    try:
        async with asyncio.timeout(_STOP_SECONDS):
            await plugin.stop()
    except Exception:  # isolation: a plugin that cannot stop must not keep the others from it
        log.exception("plugin %s did not stop", loaded.entry.name)


def _staying(new: Loaded, old: Sequence[tuple[Loaded, Plugin]]) -> Plugin | None:
    """The running plugin that goes on for `new`."""
    for was, plugin in old:
        if new.same_as(was) and isinstance(plugin, Listener | Surface):
            return plugin
    return None


def _timeouts(config: Config) -> Timeouts:
    server = config.server
    return Timeouts(connect=server.connect_timeout, first_byte=server.first_token_timeout, idle=server.idle_timeout)


def _beside(ledger: Path) -> Path | None:
    """The stash's file; `None`, in memory, where the ledger is."""
    return None if ledger.name == ":memory:" else ledger.with_name(f"{ledger.stem}-stash{ledger.suffix or '.db'}")


def _stash_limits(config: Config) -> StashLimits:
    return StashLimits(config.context.stash_seconds, config.context.stash_bytes)


def _budget_rules(config: Config) -> list[BudgetRule]:
    return [
        BudgetRule(name=b.name, limit_usd=b.limit_usd, period=b.period, on_exhausted=b.on_exhausted)
        for b in config.budgets
    ]


def _auth(config: Config) -> Auth:
    default = next((budget.name for budget in config.budgets if budget.name == DEFAULT_BUDGET), None)
    known = [
        KnownKey(key.sha256, Caller(key.name, key.budget or default), admin=key.admin)
        for key in config.keys
        if key.sha256 is not None
    ]
    return Auth(known, needs_key=config.needs_key, anonymous=Caller("anonymous", default))
