import asyncio

from gateway.api import Event, Listener, RequestStarted, TierUpgraded
from gateway.bus import Bus


def started(number: int) -> RequestStarted:
    return RequestStarted(at=float(number), id=str(number), caller="anyone", session="s")


class Collects(Listener):
    def __init__(self) -> None:
        self.heard: list[Event] = []

    async def on_event(self, event: Event) -> None:
        self.heard.append(event)


class Fails(Listener):
    def __init__(self) -> None:
        self.asked = 0

    async def on_event(self, event: Event) -> None:
        self.asked += 1
        raise RuntimeError("always")


class Blocks(Listener):
    async def on_event(self, event: Event) -> None:
        await asyncio.Event().wait()


async def test_every_listener_hears_every_event_in_order():
    bus, one, two = Bus(), Collects(), Collects()
    bus.attach("one", one)
    bus.attach("two", two)
    events = [started(n) for n in range(100)]
    for event in events:
        bus.publish(event)
    await bus.settle()
    assert one.heard == events
    assert two.heard == events
    await bus.close()


async def test_a_failing_listener_is_benched_and_harms_nobody():
    bus, bad, good = Bus(), Fails(), Collects()
    bus.attach("bad", bad)
    bus.attach("good", good)
    for n in range(50):
        bus.publish(started(n))
    await bus.settle()
    assert len(good.heard) == 50
    assert bad.asked == 20
    state = {s.name: s for s in bus.states()}["bad"]
    assert state.benched
    assert state.failed == 20
    assert state.dropped == 30
    bus.publish(started(51))
    assert {s.name: s for s in bus.states()}["bad"].dropped == 31
    await bus.close()


async def test_a_stuck_listener_holds_up_neither_publishing_nor_others():
    bus, good = Bus(), Collects()
    bus.attach("stuck", Blocks())
    bus.attach("good", good)
    for n in range(10_050):
        bus.publish(started(n))
        if n % 1000 == 0:
            await asyncio.sleep(0)
    while len(good.heard) < 10_000:
        await asyncio.sleep(0)
    assert {s.name: s for s in bus.states()}["stuck"].dropped >= 49


async def test_a_listener_hears_the_kinds_it_names():
    class Upgrades(Collects):
        events = (TierUpgraded,)

    bus, listener = Bus(), Upgrades()
    bus.attach("upgrades", listener)
    upgraded = TierUpgraded(at=1.0, id="1", reason="no answer")
    bus.publish(started(1))
    bus.publish(upgraded)
    await bus.settle()
    assert listener.heard == [upgraded]
    await bus.close()


async def test_detaching_delivers_what_waits():
    bus, listener = Bus(), Collects()
    bus.attach("one", listener)
    for n in range(10):
        bus.publish(started(n))
    await bus.detach(listener)
    assert len(listener.heard) == 10
    bus.publish(started(11))
    assert len(listener.heard) == 10


async def test_attaching_again_keeps_the_queue():
    bus, listener = Bus(), Collects()
    bus.attach("one", listener)
    bus.publish(started(1))
    bus.attach("one", listener)
    await bus.settle()
    assert len(listener.heard) == 1
    await bus.close()
