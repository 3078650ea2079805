"""Agents over data: JSON APIs, lists of bare values, passages, and questions that come long after what answers them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

from bench.context import scenes_logs, scenes_terminal
from bench.context.scenes import Draw, Script
from bench.context.traces import Json, Session


def sessions(draw: Draw) -> Iterator[Session]:
    for number in range(2):
        yield _api(number, draw)
        yield _values(number, draw)
        yield _passages(number, draw)
        yield _late(number, draw)


def record(draw: Draw) -> Json:
    lines = [{"sku": f"SK-{draw.randrange(10**6):06}", "count": draw.randrange(1, 9), "price": {"amount": draw.randrange(10**5), "currency": "EUR"}}
             for _ in range(draw.randrange(1, 4))]  # fmt: skip
    return {
        "id": f"ord_{draw.hex(14)}",
        "object": "order",
        "state": draw.choice(("open", "paid", "sent", "back")),
        "customer": {"id": f"cus_{draw.hex(10)}", "name": f"{draw.name()} {draw.name()}", "email": None},
        "lines": lines,
        "shipping": {
            "carrier": draw.name(),
            "tracking": f"{draw.randrange(10**11):011}",
            "address": {"city": draw.name(), "zip": str(draw.randrange(10**5))},
        },
        "created_at": f"2031-0{draw.randrange(1, 9)}-{draw.randrange(10, 28)}T08:{draw.randrange(10, 59)}:00Z",
        "metadata": {},
    }


def _api(number: int, draw: Draw) -> Session:
    script = Script("gen_json_api", number, "You serve customers through an API. Be exact.", ["http_get", "http_patch"])
    pages = [[record(draw) for _ in range(20)] for _ in range(3)]
    for page, records in enumerate(pages):
        script.user(f"Which orders of page {page} went back?")
        listed = {"object": "list", "data": records, "has_more": page < 2, "next": f"/orders?page={page + 1}"}
        script.call("http_get", {"path": "/orders", "query": f"page={page}"}, json.dumps(listed, indent=2))
        back = [one["id"] for one in records if one["state"] == "back"]
        script.answer("These went back: " + ", ".join(back), back)
        chosen = draw.choice(records)
        script.user(f"Where is the parcel of {chosen['customer']['name']}? Mark the order as paid.")
        script.call("http_get", {"path": f"/orders/{chosen['id']}", "query": ""}, json.dumps(chosen, indent=2))
        changed = {**chosen, "state": "paid"}
        script.call(
            "http_patch", {"path": f"/orders/{chosen['id']}", "body": '{"state":"paid"}'}, json.dumps(changed, indent=2)
        )
        tracking = chosen["shipping"]["tracking"]
        script.answer(f"It travels as {tracking} with {chosen['shipping']['carrier']}.", [tracking])
    return script.session()


def _values(number: int, draw: Draw) -> Session:
    script = Script("gen_json_values", number, "You watch sensors through an API.", ["http_get"])
    for day in range(4):
        script.user(f"How was the pressure on day {day}?")
        values = [round(draw.gauss(101.3, 0.4), 3) for _ in range(900)]
        peak = draw.randrange(len(values))
        values[peak] = 117.0 + draw.randrange(1000) / 1000
        ids = [f"m-{draw.hex(8)}" for _ in range(250)]
        shown = {"sensor": f"p-{day}", "unit": "kPa", "max": values[peak], "values": values, "measured_by": ids}
        script.call("http_get", {"path": f"/sensors/p-{day}", "query": ""}, json.dumps(shown))
        script.answer(f"It was steady but for a peak of {values[peak]}, value {peak}.", [str(values[peak])])
        place = draw.randrange(len(ids))
        script.user(f"Which meter took measure {place}?")
        script.answer(f"The meter {ids[place]}.", [ids[place]])
    return script.session()


def _passages(number: int, draw: Draw) -> Session:
    script = Script("gen_rag", number, "Answer from the passages alone, and cite.", ["search"])
    pool = [_passage(draw) for _ in range(40)]
    for _ in range(6):
        chosen = draw.sample(pool, 14)
        title, _, fact = chosen[draw.randrange(14)]
        script.user(f"When was {title} founded?")
        shown = "\n\n".join(f"[{n}] ({name}) {told}" for n, (name, told, _) in enumerate(chosen, 1))
        script.call("search", {"query": f"{title} founded"}, shown)
        script.answer(f"{title} was founded in {fact}.", [fact])
    return script.session()


def _passage(draw: Draw) -> tuple[str, str, str]:
    title, fact = f"{draw.name()} {draw.name()}", f"{draw.randrange(1200, 1999)}"
    words = [draw.sentence(draw.randrange(15, 40)) for _ in range(5)]
    words.insert(2, f"It was founded in {fact} by {draw.name()} {draw.name()}.")
    return title, " ".join(words), fact


def _late(number: int, draw: Draw) -> Session:
    """Six results of different kinds first, then questions about them in another order."""
    script = Script("gen_late_recall", number, "You prepare a handover. Read all of it first.", ["bash", "http_get"])
    lines, _ = scenes_logs.log(draw.choice(scenes_logs.FORMATS), draw, 250)
    orders = [record(draw) for _ in range(15)]
    settings = [f"{draw.word()}.{draw.function()} = {draw.randrange(10**6)}" for _ in range(120)]
    tests, failed = scenes_terminal.pytest(draw, fails=True)
    built, place = scenes_terminal.gcc(draw)
    title, text, fact = _passage(draw)
    script.user(
        "Read the log, the orders, the settings, the tests, the build and the note on the house. I shall ask then."
    )
    script.bash("cat service.log", "\n".join(lines))
    script.call("http_get", {"path": "/orders", "query": ""}, json.dumps(orders))
    script.bash("cat settings.ini", "\n".join(settings))
    script.bash("python -m pytest -v", tests)
    script.bash("make", built)
    script.bash("cat note.txt", f"{title}\n\n{text}")
    script.answer("I have read all of it.")
    questions: list[Callable[[], tuple[str, str]]] = [
        lambda: ("Which test failed?", failed),
        lambda: ("Where does the compiler stop?", place),
        lambda: ("When was the house founded?", fact),
        lambda: _about_order(draw.choice(orders)),
        lambda: _about_order(draw.choice(orders)),
        lambda: _about_setting(draw.choice(settings)),
        lambda: _about_line(draw.choice(lines)),
        lambda: _about_line(draw.choice(lines)),
    ]
    draw.shuffle(questions)
    for question in questions:
        asked, known = question()
        script.user(asked)
        script.answer(f"It is {known}.", [known])
    return script.session()


def _about_order(order: Json) -> tuple[str, str]:
    return f"What is the tracking number of {order['id']}?", order["shipping"]["tracking"]


def _about_setting(line: str) -> tuple[str, str]:
    name, _, value = line.partition(" = ")
    return f"What is {name} set to?", value


def _about_line(line: str) -> tuple[str, str]:
    first = line.split("\n", maxsplit=1)[0]
    return f"What does the entry say that begins with {first[:24]}?", first[-30:]
