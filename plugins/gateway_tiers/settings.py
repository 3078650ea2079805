"""What may be set under `- gateway_tiers:` in tiers.yaml."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from gateway.api import Settings

Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Points = Annotated[float, Field(ge=0, le=9, allow_inf_nan=False)]
Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class TiersSettings(Settings):
    """`min_confidence`: below it a request goes at least to the default tier. `hysteresis`: points by which a score
    must be under a tier's limit before a warm session goes down. `horizon`: turns a session is expected to go on.
    `warm_seconds`: how long a provider keeps a prompt cached, for all providers but those of
    `warm_seconds_by_provider`. `min_prefix`: tokens below which nothing is cached. `budget_shift_below`: share of a
    budget below which scores count less, by up to `budget_shift` points when nothing is left;
    `budget_step_below`: share below which a request goes one tier down.
    """

    min_confidence: Share = 0.4
    hysteresis: Points = 0.5
    horizon: Annotated[int, Field(ge=1, le=1000)] = 10
    warm_seconds: Seconds = 300.0
    warm_seconds_by_provider: dict[str, Seconds] = Field(default_factory=dict)
    min_prefix: Annotated[int, Field(ge=0)] = 1024
    budget_shift_below: Share = 0.5
    budget_shift: Points = 1.0
    budget_step_below: Share = 0.1
