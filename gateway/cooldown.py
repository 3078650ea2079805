"""Deployments that failed lately and rest for a while."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from gateway.api import Deployment, DeploymentCooling, Event, UpstreamError

_FAILURES = 3  # in a row before a deployment rests
_REST = 30.0  # seconds
_LONGEST_REST = 300.0  # seconds, whatever Retry-After says
_OWN_STATUS = frozenset({401, 402, 403, 404})  # our key or model name is wrong: asking again at once is no use
_OWN_CODES = frozenset({"insufficient_quota", "billing_hard_limit_reached", "invalid_api_key", "model_not_found"})
_CALLERS_CODES = frozenset({"content_filter", "content_policy_violation", "context_length_exceeded"})


@dataclass(slots=True)
class _Health:
    failures: int = 0
    until: float = 0.0


class Cooldowns:
    """Counts failures by deployment. `clock` is Unix time in seconds."""

    def __init__(self, clock: Callable[[], float], publish: Callable[[Event], None]) -> None:
        self._clock = clock
        self._publish = publish
        self._health: dict[str, _Health] = {}

    def cooling(self) -> frozenset[str]:
        """The names of the deployments that rest now."""
        now = self._clock()
        return frozenset(name for name, health in self._health.items() if health.until > now)

    def rest_left(self, name: str) -> float:
        """Seconds until a deployment may be asked again."""
        health = self._health.get(name)
        return max(0.0, health.until - self._clock()) if health else 0.0

    def succeeded(self, deployment: Deployment) -> None:
        self._health.pop(deployment.name, None)

    def failed(self, deployment: Deployment, error: UpstreamError) -> None:
        """Count a failure that is the deployment's and not the request's; enough of them, or one that asking again
        cannot heal, or one that says how long to stay away, make it rest."""
        lasting = _is_lasting(deployment, error)
        if not (error.retryable or lasting) or error.code in _CALLERS_CODES:
            return
        health = self._health.setdefault(deployment.name, _Health())
        health.failures += 1
        told = error.retry_after is not None and error.status == 429  # Too Many Requests
        if not told and not lasting and health.failures < _FAILURES:
            return
        rest = min(error.retry_after or _REST, _LONGEST_REST)
        now = self._clock()
        if health.until < now + rest:
            health.until = now + rest
            self._publish(
                DeploymentCooling(at=now, deployment=deployment.name, seconds=rest, reason=error.message[:200])
            )


def _is_lasting(deployment: Deployment, error: UpstreamError) -> bool:
    """Whether the deployment's key, account or model is at fault. Behind a wildcard the model was the caller's choice,
    and a wrong one must not make the provider rest for everybody."""
    if deployment.wildcard and (error.status == 404 or error.code == "model_not_found"):  # Not Found
        return False
    return error.status in _OWN_STATUS or error.code in _OWN_CODES
