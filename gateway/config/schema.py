"""The schema of tiers.yaml: which keys there are, their types, ranges and defaults.

pydantic is used for the shape only. What needs more than one value at a time (names that must exist, tiers that must
ascend) is in `gateway.config.checks`; what the gateway then works with is in `gateway.config.values`.
`docs/reference/configuration.md` describes every key, and a test holds the two together.

There are no unions here, so that the place of an error is always the path of a key in the file.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from gateway.api import Capability, Tier
from gateway.config.environment import as_plain


class Section(BaseModel):
    """A mapping of the file. Unknown keys are problems; `4000` and `"4000"` are not the same."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


# An interpolated `${NAME}` is text; where a number or a truth value is wanted it is read as the file would read it.
_FromEnv = BeforeValidator(as_plain)

Flag = Annotated[bool, _FromEnv]
Text = Annotated[str, Field(min_length=1)]
Port = Annotated[int, _FromEnv, Field(ge=1, le=65535)]
Count = Annotated[int, _FromEnv, Field(ge=1)]
Seconds = Annotated[float, _FromEnv, Field(gt=0, allow_inf_nan=False)]
Megabytes = Annotated[float, _FromEnv, Field(gt=0, le=4096, allow_inf_nan=False)]
Tokens = Annotated[int, _FromEnv, Field(ge=1)]
Score = Annotated[float, _FromEnv, Field(ge=1, le=10, allow_inf_nan=False)]
UsdPerMillion = Annotated[float, _FromEnv, Field(ge=0, allow_inf_nan=False)]
Usd = Annotated[float, _FromEnv, Field(ge=0, allow_inf_nan=False)]


ContextPoints = Annotated[float, _FromEnv, Field(ge=0, le=3, allow_inf_nan=False)]
BreadthPoints = Annotated[float, _FromEnv, Field(ge=0, le=2, allow_inf_nan=False)]
FailurePoints = Annotated[float, _FromEnv, Field(ge=0, le=1, allow_inf_nan=False)]
TaskPoints = Annotated[float, _FromEnv, Field(ge=1, le=4, allow_inf_nan=False)]

# An enumeration stands in the file by its value.
OneCapability = Annotated[Capability, Field(strict=False)]
OneTier = Annotated[Tier, Field(strict=False)]


class ServerSection(Section):
    host: Text = "127.0.0.1"
    port: Port = 4000
    max_body_mb: Megabytes = 32.0
    master_key: Text | None = None
    request_timeout: Seconds = 600.0
    connect_timeout: Seconds = 10.0
    first_token_timeout: Seconds = 120.0
    idle_timeout: Seconds = 120.0
    max_attempts: Annotated[int, _FromEnv, Field(ge=1, le=20)] = 4
    drain_seconds: Annotated[float, _FromEnv, Field(ge=0, allow_inf_nan=False)] = 30.0


class PriceSection(Section):
    input: UsdPerMillion
    output: UsdPerMillion
    cache_read: UsdPerMillion | None = None
    cache_write: UsdPerMillion | None = None


class ModelSection(Section):
    name: Text
    model: Text
    api_key: Text | None = None
    api_base: Text | None = None
    priority: Annotated[int, _FromEnv, Field(ge=0)] = 100
    price: PriceSection | None = None
    context_window: Tokens | None = None
    max_output: Tokens | None = None
    transport: Literal["auto", "sdk"] = "auto"
    capabilities: list[OneCapability] = []
    standby: Flag = False


class TierSection(Section):
    max_complexity: Score = 10.0
    max_context: Tokens | None = None
    models: list[ModelSection] = []


class WeakSection(TierSection):
    max_complexity: Score = 2.5


class BaseSection(TierSection):
    max_complexity: Score = 8.0


class TiersSection(Section):
    weak: WeakSection = WeakSection()
    base: BaseSection = BaseSection()
    strong: TierSection = TierSection()

    def of(self, tier: Tier) -> TierSection:
        sections: dict[Tier, TierSection] = {Tier.WEAK: self.weak, Tier.BASE: self.base, Tier.STRONG: self.strong}
        return sections[tier]


class ContextStep(Section):
    """Prompts of up to and including `up_to` tokens get `points`."""

    up_to: Tokens | None = None
    points: ContextPoints


class BreadthStep(Section):
    """Requests that touch up to and including `up_to` files and tools get `points`."""

    up_to: Annotated[int, _FromEnv, Field(ge=0)] | None = None
    points: BreadthPoints


class TaskTypeFactor(Section):
    default: TaskPoints


class PastFailuresFactor(Section):
    max: FailurePoints


class FactorsSection(Section):
    """A factor that is missing is taken from the shipped file."""

    context_size: Annotated[list[ContextStep], Field(min_length=1)] | None = None
    task_type: TaskTypeFactor | None = None
    breadth: Annotated[list[BreadthStep], Field(min_length=1)] | None = None
    past_failures: PastFailuresFactor | None = None


class TaskTypeSection(Section):
    points: TaskPoints
    patterns: list[Text] = []


class EscalationSection(Section):
    max: Annotated[int, _FromEnv, Field(ge=0, le=2)] = 2


class RoutingSection(Section):
    mode: Literal["enforce", "observe"] = "enforce"
    rewrite: Literal["always", "auto_only", "never"] = "always"
    default_tier: OneTier = Tier.BASE
    prefer_free: Flag = True
    baseline: Text | None = None
    escalation: EscalationSection = EscalationSection()
    force_strong_for: list[Text] | None = None
    factors: FactorsSection = FactorsSection()
    task_types: dict[str, TaskTypeSection] | None = None


class BudgetSection(Section):
    limit_usd: Usd
    period: Literal["day", "month", "total"]
    on_exhausted: Literal["refuse", "free_only"] = "refuse"


class KeySection(Section):
    name: Text
    key: Text
    budget: Text | None = None
    admin: Flag = False


class ContextSection(Section):
    recall: Literal["auto", "always", "never"] = "auto"
    stash_hours: Annotated[float, _FromEnv, Field(gt=0, le=8760, allow_inf_nan=False)] = 24.0
    stash_mb: Megabytes = 256.0
    cache_hints: Flag = True


class StateSection(Section):
    url: Text = "memory://"


class LedgerSection(Section):
    url: Text = "sqlite:///thriftgate.db"


class FileSchema(Section):
    """The whole file. An entry of `plugins` is a name, or a mapping of one name to its settings."""

    tiers: TiersSection
    server: ServerSection = ServerSection()
    routing: RoutingSection = RoutingSection()
    context: ContextSection = ContextSection()
    budgets: dict[str, BudgetSection] = {}
    keys: list[KeySection] = []
    state: StateSection = StateSection()
    ledger: LedgerSection = LedgerSection()
    plugins: list[Any] = []
    plugin_path: Text = "./plugins"
