"""The configured deployments, and what a caller's `model` means among them."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import replace

from gateway.api import Asked, BadRequest, Deployment, Tier
from gateway.money import Catalog

AUTO = "auto"
# What a caller writes for a `*` may become part of an address: no `..`, no `//`, no query.
_PLAIN_MODEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@+-]*(/[A-Za-z0-9][A-Za-z0-9._:@+-]*)*")
_REMEMBERED = 1000  # names, which callers choose freely where a wildcard serves them


class Deployments:
    """All deployments of one configuration, completed with prices and windows from the catalog.

    A `standby` deployment is active only while no other one is.
    """

    def __init__(self, configured: Iterable[Deployment], catalog: Catalog, *, baseline: str | None = None) -> None:
        self._catalog = catalog
        complete = [catalog.complete(deployment) for deployment in configured]
        alone = all(d.standby or d.inactive for d in complete)
        self.all = tuple(_rest(d) if d.standby and not alone and d.inactive is None else d for d in complete)
        self.active = tuple(d for d in self.all if d.inactive is None)
        self._by_name = {d.name: d for d in self.all}
        self._baseline = baseline
        self._resolved: dict[str, Asked] = {}

    def get(self, name: str) -> Deployment | None:
        return self._by_name.get(name)

    def names(self) -> list[str]:
        """What a caller may write into `model`, besides the models that only the price list knows."""
        return [AUTO, *(tier.value for tier in Tier), *(d.name for d in self.active)]

    def resolve(self, model: str) -> Asked:
        """What `model` means. Raises `BadRequest` (404, `model_not_found`) for a name that nobody knows."""
        known = self._resolved.get(model)
        if known is None:
            if len(self._resolved) >= _REMEMBERED:
                self._resolved.clear()
            known = self._resolved[model] = self._resolve(model)
        return known

    def _resolve(self, model: str) -> Asked:
        if model == AUTO:
            return self._with_baseline(Asked(name=model, kind="auto"))
        if model in Tier.__members__.values():
            tier = Tier(model)
            serving = tuple(d for d in self.active if d.tier is tier and not d.wildcard)
            return self._with_baseline(Asked(name=model, kind="tier", tier=tier, deployments=serving))
        return self._concrete(model)

    def _concrete(self, model: str) -> Asked:
        facts = self._catalog.lookup(model)
        full = f"{facts.provider}/{facts.name.removeprefix(f'{facts.provider}/')}" if facts else model
        named = self._by_name.get(model)
        if named is not None and named.wildcard:
            named = None  # a wildcard is a pattern, not a model
        serving = [named] if named is not None and named.inactive is None else []
        target = named.model if named is not None else full
        serving += [d for d in self.active if d.model in (target, model) and d is not named and not d.wildcard]
        serving += [d for d in (self._from_wildcard(w, target, model) for w in self.active if w.wildcard) if d]
        if named is None and not serving and facts is None:
            raise self._unknown(model)
        first = named or (serving[0] if serving else None)
        return Asked(
            name=model,
            kind="deployment" if first is not None else "known",
            tier=first.tier if first is not None else None,
            deployments=tuple(serving),
            price=first.price if first is not None else (facts.price if facts else None),
            price_model=first.model if first is not None else full,
            provider=first.provider if first is not None else (facts.provider if facts else None),
        )

    def _from_wildcard(self, wildcard: Deployment, full: str, asked: str) -> Deployment | None:
        for candidate in dict.fromkeys((asked, full)):
            if not candidate.startswith(wildcard.name[:-1]):
                continue
            rest = candidate[len(wildcard.name) - 1 :]
            if not _PLAIN_MODEL.fullmatch(rest):
                continue
            model = wildcard.model[:-1] + rest if wildcard.model.endswith("*") else wildcard.model
            provider, _, upstream_model = model.partition("/")
            # Completed under the model's own name: the catalog knows nothing of a pattern.
            concrete = replace(wildcard, name=model, model=model, provider=provider, upstream_model=upstream_model)
            return replace(self._catalog.complete(concrete), name=wildcard.name)
        return None

    def _with_baseline(self, asked: Asked) -> Asked:
        """`auto` and tier names have no price of their own: savings compare with `routing.baseline`, or with the
        first priced deployment of the tier asked for (of the strong tier for `auto`). Only what could really have
        served counts, and never a stand-in: what nobody could have bought is no saving."""
        named = self._by_name.get(self._baseline) if self._baseline is not None else None
        if self._baseline is not None and named is None:
            facts = self._catalog.lookup(self._baseline)
            if facts is None:
                return asked
            return replace(asked, price=facts.price, price_model=facts.name, provider=facts.provider)
        tier = named.tier if named is not None else asked.tier or Tier.STRONG
        priced = [d for d in self.active if d.tier is tier and d.price is not None and not (d.wildcard or d.standby)]
        base = named if named in priced else min(priced, key=lambda d: d.priority, default=None)
        if base is None:
            return asked
        return replace(asked, price=base.price, price_model=base.model, provider=base.provider)

    def _unknown(self, model: str) -> BadRequest:
        names = self.names()
        near = difflib.get_close_matches(model, [name for name in names if name != model], n=3)
        hint = f" Did you mean {' or '.join(near)}?" if near else f" Known here: {', '.join(names[:12])}."
        return BadRequest(
            f"The model `{model}` does not exist.{hint}", status=404, code="model_not_found", param="model"
        )


def _rest(deployment: Deployment) -> Deployment:
    return replace(deployment, inactive="stands by: another deployment is active")
