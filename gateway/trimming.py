"""Which body is sent: the caller's, or what the optimizers made of it. A trimmed one is sent only where it is sound,
and where it is not expected to make the conversation dearer."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from gateway import wire
from gateway.api import Deployment
from gateway.cache_hints import turns_left
from gateway.call import RECALL_CHARS, Call
from gateway.cast import Cast
from gateway.money import Cache, Catalog, Course, dearer
from gateway.session import kept_seconds, prompt_chars

_DEARER = "sent untrimmed, which is expected to cost less"
_MISSED = "sent untrimmed: the provider's cache did not find trimmed prompts"


@dataclass(frozen=True, slots=True)
class Trimming:
    """Trims a call before it is routed, and looks at it again when it is known who will serve it."""

    cast: Cast
    catalog: Catalog
    validity: wire.Validity = field(default_factory=wire.Validity)

    async def trim(self, call: Call) -> None:
        """Edits, sizes, and the conversation's cold point as far as it is known before routing."""
        request, memory = call.request, call.memory
        call.marks = wire.cache_marks(request.body)
        call.prompt_chars = prompt_chars(request)
        call.recall = call.recall and not memory.untrimmed
        call.cold_at = memory.cold_point(request.messages, call.started, kept_seconds(memory.model, call.marks))
        await self._optimize(call)

    async def settle(self, call: Call) -> None:
        """What the plan changes: at another model the prompt is cold, so it is trimmed once more; and a trimmed body
        that would cost more than the caller's is not sent."""
        plan = call.plan
        assert plan is not None  # noqa: S101  # the pipeline routes before
        if call.advised is not None or not call.request.hints.optimize:
            return
        if call.memory.untrimmed:
            call.plan = replace(plan, trimmed=False, reason=f"{plan.reason}; {_MISSED}")
            return
        if call.cold_at < call.request.messages and self._leaves_cache(call, plan.deployments[0]):
            call.cold_at = call.request.messages
            await self._optimize(call)
        if call.sends_trimmed and self._is_dearer(call, plan.deployments[0]):
            call.untrimmed = "dearer"
            call.plan = replace(plan, trimmed=False, reason=f"{plan.reason}; {_DEARER}")

    async def _optimize(self, call: Call) -> None:
        call.edits, call.stash, call.trimmed_body, call.removed_chars = (), (), None, 0
        if call.request.hints.optimize and not call.memory.untrimmed:
            optimized, call.trimmed_body = await self.cast.optimize(call.request, call)
            call.edits, call.stash = optimized.edits, optimized.stash
        if call.edits:
            self._check(call)
        if call.recall:
            call.removed_chars -= RECALL_CHARS
        call.sizes = call.memory.sizes(call.request, call.prompt_chars, call.trimmed_tokens, call.removed_chars)

    def _check(self, call: Call) -> None:
        """Keep the caller's body where the trimmed one does not say the same."""
        texts = {part.path: part.text for part in call.request.parts}
        assert call.trimmed_body is not None  # noqa: S101  # there are edits
        befores = [texts[edit.path] for edit in call.edits]
        flaw = self.validity.flaw(call.request.body, call.trimmed_body, call.edits, befores)
        removed = sum(map(wire.length, befores)) - sum(wire.length(edit.text) for edit in call.edits)
        if flaw is None and removed >= 0:
            call.removed_chars = removed
            return
        call.untrimmed = flaw or "longer"
        call.edits, call.stash, call.trimmed_body = (), (), call.request.body

    def _leaves_cache(self, call: Call, first: Deployment) -> bool:
        """Whether the conversation goes away from the model that has it cached."""
        return _may_be_warm(call) and not _served_before(call, first)

    def _is_dearer(self, call: Call, first: Deployment) -> bool:
        """Whether the trimmed body costs more at `first` than the caller's, over the turns that are likely left. It is
        sent all the same where only it fits the model's window."""
        sizes, window = call.sizes, first.context_window
        if window is not None and sizes.original + sizes.output > window:
            return False
        trimmed, original = _courses(call, first)
        turns = turns_left(call.request, seen=call.memory.deployment is not None)
        return dearer(trimmed, original, self._cache_of(call, first), turns)

    def _cache_of(self, call: Call, deployment: Deployment) -> Cache | None:
        tariff = self.catalog.tariff(deployment)
        if deployment.price is None or tariff is None:
            return None
        caches = not tariff.cache_on_request or call.marks is not None or call.cache_hints.marks(deployment)
        return Cache.of(deployment.price, caches=caches, minimum=tariff.cache_minimum)


def _may_be_warm(call: Call) -> bool:
    memory = call.memory
    return memory.deployment is not None and call.warmth.age < kept_seconds(memory.model, call.marks)


def _served_before(call: Call, deployment: Deployment) -> bool:
    return deployment.name == call.memory.deployment or deployment.model == call.memory.model


def _courses(call: Call, first: Deployment) -> tuple[Course, Course]:
    """What is to come at `first` with the trimmed body and with the caller's. What the tool for recalls adds is left
    out: a conversation has it from its beginning, whatever is cut later."""
    sizes, memory, marks = call.sizes, call.memory, call.marks
    growth = max(sizes.output, sizes.original - memory.original_tokens if memory.deployment else 0)
    cut = sum(edit.tokens_removed for edit in call.edits)
    trimmed, original = _cached(call, first)
    reach = call.cache_reach
    left = reach
    if reach is not None and marks is not None:
        left = max(0, reach - sum(edit.tokens_removed for edit in call.edits if edit.message <= marks.last))
    return Course(sizes.original - cut, trimmed, growth, left), Course(sizes.original, original, growth, reach)


def _cached(call: Call, first: Deployment) -> tuple[int, int]:
    """Tokens at the beginning of the trimmed and of the untrimmed body that `first` likely has cached."""
    memory = call.memory
    if not (
        _may_be_warm(call) and _served_before(call, first) and memory.continued_by(call.request, call.prompt_chars)
    ):
        return 0, 0
    sent, cut_before = memory.sent_tokens, memory.original_tokens - memory.sent_tokens
    # The two bodies are one up to the first edit, or differ from the beginning where one has a tool more.
    begin = 0 if call.recall else call.tokens_up_to(min(edit.message for edit in call.edits) - 1)
    shared = min(sent, begin)
    as_before = call.old_cut == cut_before
    untrimmed_before = cut_before == 0 and not (as_before and call.recall)
    return (sent if as_before else shared), (sent if untrimmed_before else shared)
