import pytest

from gateway.api import Deployment, DeploymentCooling, Event, Tier, UpstreamError
from gateway.cooldown import Cooldowns

DEPLOYMENT = Deployment(name="small", tier=Tier.WEAK, model="openai/small", provider="openai", upstream_model="small")


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def error(status: int | None = None, *, retryable: bool = True, retry_after: float | None = None) -> UpstreamError:
    fault = "status" if status else "reset"
    return UpstreamError("no", fault=fault, status=status, retryable=retryable, retry_after=retry_after, elsewhere=True)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def told() -> list[Event]:
    return []


@pytest.fixture
def cooldowns(clock, told):
    return Cooldowns(clock, told.append)


def test_three_failures_in_a_row_make_it_rest(cooldowns, clock, told):
    for _ in range(2):
        cooldowns.failed(DEPLOYMENT, error())
    assert not cooldowns.cooling()
    cooldowns.failed(DEPLOYMENT, error())
    assert cooldowns.cooling() == {"small"}
    assert told == [DeploymentCooling(at=1000.0, deployment="small", seconds=30.0, reason="no")]
    clock.now += 30.1
    assert not cooldowns.cooling()


def test_a_success_between_starts_the_count_anew(cooldowns):
    for _ in range(2):
        cooldowns.failed(DEPLOYMENT, error())
    cooldowns.succeeded(DEPLOYMENT)
    for _ in range(2):
        cooldowns.failed(DEPLOYMENT, error())
    assert not cooldowns.cooling()


def test_a_rate_limit_with_retry_after_rests_as_long_as_told(cooldowns, clock):
    cooldowns.failed(DEPLOYMENT, error(429, retry_after=7.0))
    assert cooldowns.rest_left("small") == pytest.approx(7.0)
    clock.now += 7.5
    assert not cooldowns.cooling()


def test_no_retry_after_keeps_it_away_for_more_than_five_minutes(cooldowns):
    cooldowns.failed(DEPLOYMENT, error(429, retry_after=86_400.0))
    assert cooldowns.rest_left("small") == pytest.approx(300.0)


@pytest.mark.parametrize("status", [401, 402, 403, 404])
def test_a_wrong_key_or_model_rests_at_once(cooldowns, status):
    cooldowns.failed(DEPLOYMENT, error(status, retryable=False))
    assert cooldowns.cooling() == {"small"}


@pytest.mark.parametrize("status", [400, 413, 422])
def test_the_callers_own_fault_is_not_held_against_it(cooldowns, status):
    for _ in range(5):
        cooldowns.failed(DEPLOYMENT, error(status, retryable=False))
    assert not cooldowns.cooling()
