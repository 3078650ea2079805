"""The eight roles a plugin may play, each with one method. A plugin subclasses those it plays.

| role | how many | when it fails or passes its deadline |
| --- | --- | --- |
| Guard | ordered | closed: the request is refused (`fail: open` in the plugin's settings turns that round) |
| Optimizer | ordered | open: the request stays as it was |
| Scorer | one | a middle score |
| Router | one | the model asked for |
| Verifier | ordered | open: the answer counts as good |
| StreamFilter | ordered | before the first byte passed over, after it an error event |
| Listener | many | counted, benched after a number of failures in a row |
| Surface | many | fails the start |
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING, ClassVar, Protocol

from gateway.api.answers import Answer, Verdict
from gateway.api.events import Event
from gateway.api.values import Caller, ChatRequest, Complexity, Optimized, RoutePlan, RouteView, Warmth

if TYPE_CHECKING:
    from aiohttp.web import AbstractRouteDef


class CallView(Protocol):
    """What a plugin may know of the call in hand besides the request."""

    @property
    def id(self) -> str: ...
    @property
    def caller(self) -> Caller: ...
    @property
    def session(self) -> str: ...
    @property
    def warmth(self) -> Warmth: ...
    @property
    def recall(self) -> bool:
        """Whether the model can ask for what an edit left out. The same for all requests of a conversation."""

    @property
    def cold_at(self) -> int:
        """How many messages the conversation had when its prompt was last cold at the provider: at its first request
        here, after a pause past the cache's time to live, at a change of model. An optimizer may rewrite these
        messages once more, since they are read anew at full price anyway, and must keep that until `cold_at` grows."""


class Guard(ABC):
    """Decides whether a call may go on."""

    @abstractmethod
    async def check(self, request: ChatRequest, call: CallView) -> None:
        """Return to let the call pass; raise `RefusedError` to refuse it."""


class Optimizer(ABC):
    """Proposes cuts. Hot and pure: the same request gives the same edits, after a restart and on another replica."""

    @abstractmethod
    def optimize(self, request: ChatRequest, call: CallView) -> Optimized:
        """Edits of `request.parts`; each message's edit may depend on itself and on what came before it only."""


class Scorer(ABC):
    """Says how hard a request looks. Hot, synchronous, pure."""

    @abstractmethod
    def score(self, request: ChatRequest) -> Complexity: ...


class Router(ABC):
    """Chooses deployments. Hot, synchronous, pure: all it may look at is in its arguments."""

    @abstractmethod
    def route(self, request: ChatRequest, complexity: Complexity, view: RouteView) -> RoutePlan:
        """A plan with at least one deployment; raises `RefusedError` where none can serve this request."""


class Verifier(ABC):
    """Judges a whole answer before it is committed."""

    @abstractmethod
    def verify(self, request: ChatRequest, answer: Answer) -> Verdict: ...


class StreamFilter(ABC):
    """Sees, and may change, the events of a stream: each item is one server-sent event as bytes, `data: ...` and the
    blank line behind it included."""

    @abstractmethod
    def filter(self, chunks: AsyncIterator[bytes], call: CallView) -> AsyncIterator[bytes]: ...


class Listener(ABC):
    """Hears of events after they happened. Never on the request's path; may be slow, may fail.

    `events` are the kinds it hears. Each request brings several, so one that needs few kinds should say so.
    """

    events: ClassVar[tuple[type[Event], ...]] = (Event,)

    @abstractmethod
    async def on_event(self, event: Event) -> None: ...


class Surface(ABC):
    """Adds HTTP routes. They need an admin's key as soon as one is configured."""

    @abstractmethod
    def routes(self) -> Sequence[AbstractRouteDef]: ...
