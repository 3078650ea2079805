"""Who calls: keys are compared by their SHA-256, so that no key is held in memory or told by timing."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from gateway.api import Caller, RefusedError, Unauthorized


@dataclass(frozen=True, slots=True)
class KnownKey:
    """A configured key: the hex SHA-256 of it, whose it is, and whether it opens the admin's routes."""

    sha256: str
    caller: Caller
    admin: bool = False


class Auth:
    """Identifies callers. Where no key is configured the gateway is open, and whoever reaches it is `anonymous`;
    a configured key that is inactive still closes it."""

    def __init__(self, keys: Iterable[KnownKey], *, needs_key: bool, anonymous: Caller) -> None:
        self._keys = {key.sha256: key for key in keys}
        self.anonymous = anonymous
        self.open = not needs_key

    def identify(self, headers: Mapping[str, str]) -> Caller:
        """The caller of a request. Raises `Unauthorized` (401) for a missing or unknown key."""
        return self.anonymous if self.open else self._key(headers).caller

    def named(self, name: str) -> Caller:
        """The caller of that name; one without a key draws on the same budget as the anonymous."""
        known = (key.caller for key in self._keys.values())
        return next((caller for caller in known if caller.name == name), Caller(name, self.anonymous.budget))

    def require_admin(self, headers: Mapping[str, str]) -> None:
        """Raises `Unauthorized` (401), or `RefusedError` (403) for a key that is no admin's."""
        if not self.open and not self._key(headers).admin:
            raise RefusedError(
                "This route needs the master key or a key with `admin: true`.", status=403, code="admin_key_required"
            )

    def is_admin(self, headers: Mapping[str, str]) -> bool:
        return self.open or self._key(headers).admin

    def _key(self, headers: Mapping[str, str]) -> KnownKey:
        scheme, _, given = headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not given.strip():
            given = headers.get("x-api-key", "")
        if not given.strip():
            raise Unauthorized("No API key was given. Send it as `Authorization: Bearer <key>`.")
        key = self._keys.get(hashlib.sha256(given.strip().encode(errors="surrogateescape")).hexdigest())
        if key is None:
            raise Unauthorized("The API key is not known to this gateway.")
        return key
