"""Closed label sets: what a caller, an upstream or a foreign plugin may choose never becomes a new time series."""

from __future__ import annotations

from collections.abc import Iterable
from types import MappingProxyType

from gateway.api import Deployment, Tier

OTHER = "other"
NONE = "none"
"""Where there is nothing to name: a refused call has no deployment."""

ERRORS = frozenset(
    {
        "upstream_unreachable",
        "upstream_timeout",
        "upstream_reset",
        "upstream_protocol",
        "upstream_authentication",
        "upstream_model_not_found",
        "upstream_payment_required",
        "deadline_exceeded",
        "content_filter",
        "context_length_exceeded",
        "insufficient_quota",
        "invalid_api_key",
        "model_not_found",
        "rate_limit_exceeded",
        "unsupported",
        "misconfigured",
        "internal_error",
    }
)
STATUSES = frozenset({400, 401, 402, 403, 404, 408, 409, 413, 422, 429, 500, 502, 503, 504, 529})
TIERS = MappingProxyType({tier: tier.value for tier in Tier})
"""Each tier's name. Asking an enumeration for a value takes several times as long."""
OUTCOMES = frozenset({"completed", "failed", "refused", "cancelled"})
ROLES = frozenset(
    {"guard", "optimizer", "scorer", "router", "verifier", "stream_filter", "listener", "surface"},
)
REFUSALS = frozenset(
    {
        "invalid_request",
        "invalid_json",
        "invalid_type",
        "invalid_value",
        "missing_required_parameter",
        "empty_array",
        "model_not_found",
        "context_length_exceeded",
        "request_too_large",
        "invalid_api_key",
        "insufficient_quota",
        "service_unavailable",
        "refused",
    }
)
UNTRIMMED = frozenset({"structure", "emptied", "json", "utf8", "longer", "dearer", "cache_misses"})
_LONGEST = 120


def one_of(names: frozenset[str], value: str) -> str:
    return value if value in names else OTHER


def upstream_error(result: str, status: int | None) -> str:
    """An attempt's result as a label: a code we know, else the upstream's status."""
    if result in ERRORS:
        return result
    if status in STATUSES:
        return f"status_{status}"
    return OTHER


class Names:
    """Names of a set that the configuration closes, though this plugin is not told it: the first `limit` ones count
    by themselves and any later one as `other`."""

    def __init__(self, limit: int = 50) -> None:
        self._limit = limit
        self._known: set[str] = set()

    def label(self, name: str) -> str:
        if name in self._known:
            return name
        if len(self._known) >= self._limit or not _plain(name):
            return OTHER
        self._known.add(name)
        return name


class DeploymentNames:
    """The names of the configured deployments; a model served by a wildcard counts under the wildcard's own name."""

    def __init__(self, deployments: Iterable[Deployment]) -> None:
        names = [deployment.name for deployment in deployments if _plain(deployment.name)]
        self._exact = frozenset(name for name in names if not name.endswith("*"))
        self._wildcards = sorted((name for name in names if name.endswith("*")), key=len, reverse=True)

    def label(self, name: str | None) -> str:
        if name is None:
            return NONE
        if name in self._exact:
            return name
        return next((wildcard for wildcard in self._wildcards if name.startswith(wildcard[:-1])), OTHER)


def _plain(name: str) -> bool:
    """Fit to be shown and to be written as UTF-8."""
    return 0 < len(name) <= _LONGEST and name.isprintable()
