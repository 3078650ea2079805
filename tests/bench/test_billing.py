"""Bills worked out by hand, in units of the input's price."""

import pytest

from bench.context.billing import AS_MARKED, Provider, providers
from bench.context.prompt import Prompt, Segment, prompt_of, shared

PROVIDERS = {provider.name: provider for provider in providers(300.0, units=True)}
A, B, C = (Segment(tuple(range(start, start + size))) for start, size in ((0, 2_000), (10_000, 500), (20_000, 500)))


def bill(provider: str | Provider, *prompts: Prompt, gap: float = 20.0) -> list[float]:
    chosen = PROVIDERS[provider] if isinstance(provider, str) else provider
    cache = chosen.cache()
    return [chosen.dollars(cache.turn(at * gap, prompt)) for at, prompt in enumerate(prompts)]


@pytest.mark.parametrize(
    ("provider", "first", "second"),
    [
        ("OpenAI 0.1x", 2_000, 192 + 580),  # 1,024 and seven steps of 128 are read: 1,920
        ("OpenAI 0.5x", 2_000, 960 + 580),
        ("Gemini", 2_000, 200 + 500),
        ("DeepSeek", 2_000, 198.4 + 516),  # 31 units of 64: 1,984
        ("Anthropic", 2_500, 200 + 625),  # written at 1.25; read whole, and the rest written
        ("uncached", 2_000, 2_500),
    ],
)
def test_a_prompt_that_grows(provider, first, second):
    assert bill(provider, Prompt((A,)), Prompt((A, B))) == pytest.approx([first, second])


@pytest.mark.parametrize(
    ("provider", "second"),
    [
        ("OpenAI 0.1x", 192 + 1_080),
        ("Gemini", 200 + 1_000),
        ("DeepSeek", 198.4 + 1_016),
        ("Anthropic", 200 + 1_250),  # no more than the system prompt's breakpoint is found again
    ],
)
def test_a_changed_message_is_paid_for_from_there_on(provider, second):
    assert bill(provider, Prompt((A, B)), Prompt((A, C, B)))[1] == pytest.approx(second)


def test_a_change_inside_a_message_keeps_what_stands_before_it():
    changed = Segment((*A.tokens[:1_500], 99_999, *A.tokens[1_501:]))
    assert shared(Prompt((A, B)), Prompt((changed, B))) == 1_500
    assert bill("OpenAI 0.1x", Prompt((A, B)), Prompt((changed, B)))[1] == pytest.approx(140.8 + 1_092)
    assert bill("Anthropic", Prompt((A, B)), Prompt((changed, B)))[1] == pytest.approx(2_500 * 1.25)


@pytest.mark.parametrize("provider", ["OpenAI 0.1x", "Gemini", "Anthropic"])
def test_short_prompts_are_neither_read_nor_written(provider):
    assert bill(provider, Prompt((B,)), Prompt((B, C))) == [500, 1_000]


@pytest.mark.parametrize("provider", list(PROVIDERS))
def test_a_pause_past_the_time_to_live_makes_a_prompt_cold(provider):
    first, second = bill(provider, Prompt((A,)), Prompt((A,)), gap=301.0)
    assert second == first


@pytest.mark.parametrize("provider", ["OpenAI 0.1x", "Anthropic"])
def test_a_hit_renews_the_time_to_live(provider):
    *_, last = bill(provider, *[Prompt((A,))] * 4, gap=200.0)
    assert last < 300


def test_a_read_looks_back_over_twenty_blocks():
    near = tuple(Segment((at,)) for at in range(30_000, 30_019))
    assert bill("Anthropic", Prompt((A, B)), Prompt((A, B, *near)))[1] == pytest.approx(250 + 19 * 1.25)
    far = (*near, Segment((40_000,)))
    assert bill("Anthropic", Prompt((A, B)), Prompt((A, B, *far)))[1] == pytest.approx(200 + 520 * 1.25)


def test_a_bodys_own_marks_say_where_a_beginning_ends():
    marked = Prompt((A, B), marks=(0,))
    assert bill("Anthropic", marked, Prompt((A, C), marks=(0,))) == pytest.approx([2_500 + 500, 200 + 500])
    text = {"type": "text", "text": "system", "cache_control": {"type": "ephemeral"}}
    body = {"messages": [{"role": "system", "content": [text]}, {"role": "user", "content": "hi"}]}
    plain = {"messages": [{"role": "system", "content": "system"}, {"role": "user", "content": "hi"}]}
    assert prompt_of(body).marks == (0,)
    assert prompt_of(body).segments == prompt_of(plain).segments


def test_as_marked_nothing_is_cached_without_a_mark():
    [marked, _] = providers(300.0, AS_MARKED, units=True)
    assert bill(marked, Prompt((A,)), Prompt((A, B))) == [2_000, 2_500]
    first, second = Prompt((A,), marks=(0,)), Prompt((A, B), marks=(0, 1))
    assert bill(marked, first, second) == pytest.approx([2_500, 200 + 625])


def test_the_price_list_knows_every_model():
    for listed in providers(300.0):
        unit = PROVIDERS[listed.name]
        assert listed.read / listed.input == pytest.approx(unit.read, abs=0.02)
        assert listed.write / listed.input == pytest.approx(unit.write, abs=0.02)
