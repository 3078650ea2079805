"""What is wrong with a file: every problem at once, each at its place and in the file's words."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.config import ConfigError, Problem, digest, load

Wrong = Callable[..., list[str]]
SHA = "sha256:" + "ab" * 32


def fails(path: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        load(path, {})
    [problem] = caught.value.problems
    return f"{problem.line}:{problem.column} {problem.message}"


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    assert fails(tmp_path / "no.yaml") == "1:1 there is no such file"
    assert fails(tmp_path) == "1:1 this is a directory"
    assert fails(Path("a\0b")).startswith("1:1 the file cannot be read")


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every file")
def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    path = tmp_path / "t.yaml"
    path.touch(mode=0)
    assert fails(path) == "1:1 the file cannot be read: Permission denied"


def test_a_file_name_that_is_too_long_cannot_be_read() -> None:
    assert fails(Path("x" * 5000)) == "1:1 the file cannot be read: File name too long"


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "1:1 the file is empty"),
        (b"# nothing\n", "1:1 the file is empty"),
        (b"- a\n", "1:1 the file is not a mapping"),
        (b"hello", "1:1 the file is not a mapping"),
        (b"a: 1\nb\xc3\xbc\xff: 2\n", "2:3 this is not UTF-8 text"),
        (b"a: 1\nb: \x00\n", "2:4 the control character U+0000"),
        (b"\x7fELF\x02\x01\x01\x00", "1:1 the control character U+007F"),
        (b"a" * (5 * 1024 * 1024), "1:1 the file is larger than 4 MiB"),
    ],
)
def test_a_file_that_is_no_configuration(tmp_path: Path, data: bytes, problem: str) -> None:
    path = tmp_path / "t.yaml"
    path.write_bytes(data)
    assert fails(path) == problem


def test_a_byte_order_mark_does_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "t.yaml"
    path.write_bytes(b"\xef\xbb\xbftiers: {weak: {models: [{name: a, model: local/smollm2-135m}]}}")
    assert load(path, {}).deployments[0].name == "a"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        # the shape
        ("serverr: {}", "1:1 unknown key `serverr` (did you mean `server`?) | one of `"),
        ("server:\n  prt: 1", "2:3 unknown key `prt` (did you mean `port`?) | one of `"),
        ("server: 5", "1:9 `server` is `5` | a mapping with `host`, `port`"),
        ("server: {port: 0}", "1:16 `server.port` is `0` | a whole number from 1 to 65535"),
        ('server: {port: "4000"}', "1:16 `server.port` is `4000` | a whole number from 1 to 65535"),
        ("server: {port: 4000.5}", "1:16 `server.port` is `4000.5` | a whole number from 1 to 65535"),
        ("server: {port: true}", "1:16 `server.port` is `true` | a whole number from 1 to 65535"),
        ("server: {port: [1]}", "1:16 `server.port` is a list | a whole number from 1 to 65535"),
        ("server: {host: 127}", '1:16 `server.host` is `127` | text: write it in quotes, "127"'),
        ('server: {host: ""}', "1:16 `server.host` is empty | text"),
        ("server: {host: 'http://h'}", "1:16 `http://h` is no address to listen on | an IP address or a host's name"),
        ("server: {host: $HOST}", "1:16 `$HOST` is no address to listen on | an IP address or a host's name"),
        ("server: {request_timeout: .inf}", "1:27 `server.request_timeout` is `inf` | a number above 0"),
        ("routing: {prefer_free: yes}", "1:24 `routing.prefer_free` is `yes` | `true` or `false`"),
        ("routing: {mode: off}", "1:17 `routing.mode` is `off` | `enforce` or `observe`"),
        ("routing: {default_tier: stong}", "1:25 `routing.default_tier` is `stong` | `weak`, `base` or `strong`"),
        ("routing: {escalation: {max: 3}}", "1:29 `routing.escalation.max` is `3` | a whole number from 0 to 2"),
        ("keys: {}", "1:7 `keys` is a mapping | a list of mappings with `name`, `key`, `budget` and `admin`"),
        # references
        ("server: {host: '${HST}'}", "1:16 HST is not set | a value in the environment, or a default: `${HST:-...}`"),
        ("server: {host: '${HST'}", "1:16 `server.host` has a `${` that is no reference | `${NAME}` or"),
        ("server: {host: '${A:-${WORD}}'}", "1:16 `server.host` has a `${` that is no reference | `${NAME}` or"),
        ("server: {port: '${WORD}'}", "1:16 `server.port` is the value of WORD | a whole number from 1 to 65535"),
        # routing
        ("routing: {baseline: on}", "1:21 no model is named `on` (did you mean `one`?) | the name of a model"),
        ("routing: {force_strong_for: [planing]}", "1:30 no task type is named `planing` (did you mean `planning`?)"),
        ("routing: {task_types: {x: {points: 5}}}", "1:36 `routing.task_types.x.points` is `5` | a number from 1 to 4"),
        ("routing: {task_types: {x: {patterns: []}}}", "1:27 `points` is missing | a number from 1 to 4"),
        ("routing: {task_types: {x y: {points: 1}}}", "1:24 the name `x y` cannot be used | up to 64 letters"),
        (
            "routing: {task_types: {x: {points: 1, patterns: [ok, '(']}}}",
            "1:54 `(` is no regular expression: missing ), unterminated subpattern at position 0",
        ),
        ("routing: {factors: {breadth: []}}", "1:30 `routing.factors.breadth` is an empty list | at least one of mapp"),
        ("routing: {factors: {breadth: [{up_to: 1, points: 0}]}}", "1:32 nothing holds above the last step"),
        ("routing: {factors: {breadth: [{points: 0}, {points: 1}]}}", "1:31 a step without `up_to` that is not the"),
        (
            "routing: {factors: {breadth: [{up_to: 2, points: 1}, {up_to: 2, points: 1}, {points: 1}]}}",
            "1:62 `up_to` is 2 after 2 | steps that ascend",
        ),
        (
            "routing: {factors: {context_size: [{up_to: 2, points: 1}, {points: 0.5}]}}",
            "1:68 `points` is 0.5 after 1 | steps that ascend",
        ),
        ("routing: {factors: {past_failures: {max: 2}}}", "1:42 `routing.factors.past_failures.max` is `2` | a number"),
        # money and keys
        (
            "budgets: {default: {limit_usd: -1, period: day}}",
            "1:32 `budgets.default.limit_usd` is `-1` | a number of 0 or more",
        ),
        (
            "budgets: {default: {limit_usd: 1, period: week}}",
            "1:43 `budgets.default.period` is `week` | `day`, `month` or `total`",
        ),
        ("budgets: {default: {limit_usd: 1}}", "1:20 `period` is missing | `day`, `month` or `total`"),
        ("budgets: {default: {limit_usd: , period: day}}", "1:21 `limit_usd` has no value | a number of 0 or more"),
        ("budgets: {a b: {limit_usd: 1, period: day}}", "1:11 the name `a b` cannot be used | up to 64 letters"),
        (f"keys: [{{name: a, key: '{SHA}', budget: b}}]", "1:106 no budget is named `b` | a name under `budgets`"),
        (f"keys: [{{name: master, key: '{SHA}'}}]", "1:15 the name `master` is that of `server.master_key` | any"),
        ("keys: [{name: a, key: 'sha256:12'}]", "1:23 `sha256:` without a digest behind it | `sha256:` and 64 hex"),
        ("keys: [{name: a, key: hunter2}]", "1:23 `keys[0].key`: secrets do not stand in this file | `${NAME}`, the"),
        ("keys: [{name: a, key: 12345}]", "1:23 `keys[0].key`: secrets do not stand in this file | `${NAME}`, the"),
        ("server: {master_key: hunter2}", "1:22 `server.master_key`: secrets do not stand in this file | `${NAME}`,"),
        ("server: {master_key: '${M:-hunter2}'}", "1:22 `server.master_key`: secrets do not stand in this file | `"),
        ("server: {master_key: 'x${KEY}'}", "1:22 `server.master_key`: secrets do not stand in this file | `${NAME}`,"),
        ("server: {master_key: '${BLANKS}'}", "1:22 the value of BLANKS has a blank or a character that no key has"),
        ("server: {master_key: [hunter2]}", "1:22 `server.master_key` is not text | `${NAME}`, the name of an env"),
        ("state: {url: 'redis://:hunter2@h'}", "1:14 `state.url`: secrets do not stand in this file | `${NAME}` in"),
        ("state: {url: 'redis://u:x${WORD}@h'}", "1:14 `state.url`: secrets do not stand in this file | `${NAME}` in"),
        ("state: {url: '${NO:-redis://:hunter2@h}'}", "1:14 `state.url`: secrets do not stand in this file | `${NA"),
        ("state: {url: 'redis://:${NO}@h'}", "1:14 NO is not set | a value in the environment"),
        ("state: {url: 'redis://hunter2@h'}", "1:14 `redis://...` is not supported | `memory://`, `redis://host"),
        ("state: {url: 'redis://h:0'}", "1:14 `redis://...` is not supported | `memory://`, `redis://host:port/db`"),
        ("state: {url: 'redis://h/x'}", "1:14 `redis://...` is not supported | `memory://`, `redis://host:port/db`"),
        ("state: {url: 'rediss://h?ssl_cert_reqs=none'}", "1:14 `rediss://...` is not supported | `memory://`"),
        ("state: {url: 'unix://h'}", "1:14 `unix://...` is not supported | `memory://`"),
        ("state: {url: 'redis://[h'}", "1:14 `redis://...` is not supported | `memory://`"),
        ("state: {url: 'etcd://h'}", "1:14 `etcd://...` is not supported | `memory://`"),
        ("ledger: {url: 'postgres://u:hunter2@h/d'}", "1:15 `postgres://...` is not supported | `sqlite:///relative"),
        ("ledger: {url: 'sqlite:///'}", "1:15 `sqlite:///` is not supported | `sqlite:///relative/path`"),
        ("ledger: {url: 'sqlite:///a?mode=ro'}", "1:15 `sqlite:///a?mode=ro` is not supported | `sqlite:///relative"),
        # plugins
        ("plugins: a", "1:10 `plugins` is `a` | a list"),
        ("plugins: [a, 5]", "1:14 this names no plugin | `its_name`, `module:Class`"),
        ("plugins: [a b]", "1:11 this names no plugin | `its_name`, `module:Class`"),
        ("plugins: [{a: {}, b: {}}]", "1:11 this names no plugin | `its_name`, `module:Class`"),
        ("plugins: [{a: 5}]", "1:15 the settings of `a` are no mapping | `key: value` lines"),
        ("plugins:\n- a\n- a: {x: 1}", "3:3 the plugin `a` is named twice | it once; line 2 has it"),
        ("plugins: [{a: {fail: no}}]", "1:22 `fail` says whether a request goes on when this guard fails | `open`"),
    ],
)
def test_one_problem_at_its_place(wrong: Wrong, text: str, problem: str) -> None:
    [found] = wrong(text + "\n", WORD="word", BLANKS="hunter 2")
    assert found.startswith(problem)
    assert "hunter" not in found


def model(more: str) -> str:
    return f"tiers:\n  base:\n    models:\n      - {{{more}}}\n"


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ("model: openai/x", "4:9 `name` is missing | text"),
        ("name: a", "4:9 `model` is missing | text"),
        ("name: a, model: gpt-5", "4:26 `gpt-5` names no provider | `provider/model`, as in `openai/gpt-5`"),
        ("name: a, model: /gpt-5", "4:26 `/gpt-5` names no provider | `provider/model`, as in `openai/gpt-6-luna`"),
        ("name: a, model: openai/*", "4:26 `openai/*` ends in `*` and the name does not | a `name` that ends in"),
        (
            "name: a, model: opnai/x",
            "4:26 nobody knows the provider of `opnai/x` (did you mean `openai`?) | a provider",
        ),
        ("name: a, model: local/x", "4:26 `local/x` is not on this machine | `local/smollm2-135m`"),
        ("name: 'l*', model: local/*", "4:29 `local/*` is not on this machine | `local/smollm2-135m`"),
        (f"name: {'a' * 129}, model: openai/x", f"4:16 the name `{'a' * 60}...` cannot be used | up to 128 letters"),
        (
            "name: a, model: xai/b, api_base: https://u:p@h",
            "4:43 `tiers.base.models[0].api_base`: secrets do not stand",
        ),
        ("name: a*, model: openai/*b", "4:27 `openai/*b` has a `*` inside | a `*` at the end only"),
        ("name: a*b, model: openai/b", "4:16 the name `a*b` cannot be used | up to 128 letters, digits"),
        ('name: "a\\nb", model: openai/b', "4:16 the name `a\nb` cannot be used | up to 128 letters, digits"),
        ("name: auto, model: openai/b", "4:16 the name `auto` has a meaning of its own | any other name"),
        ("name: strong, model: openai/b", "4:16 the name `strong` has a meaning of its own | any other name"),
        ("name: 5.1, model: openai/b", '4:16 `tiers.base.models[0].name` is `5.1` | text: write it in quotes, "5.1"'),
        ("name: a, model: xai/b, api_key: sk-1", "4:42 `tiers.base.models[0].api_key`: secrets do not stand in this"),
        ("name: a, model: xai/b, api_base: ftp://h", "4:43 `ftp://h` is no address | `http://...` or `https://...`"),
        ("name: a, model: xai/b, price: {input: 1}", "4:40 `output` is missing | a number of 0 or more"),
        ("name: a, model: xai/b, price: {input: -1, output: 0}", "4:48 `tiers.base.models[0].price.input` is `-1` |"),
        ("name: a, model: xai/b, context_window: 0", "4:49 `tiers.base.models[0].context_window` is `0` | a whole"),
        ("name: a, model: xai/b, transport: http", "4:44 `tiers.base.models[0].transport` is `http` | `auto` or `sdk`"),
        ("name: a, model: xai/b, capabilities: [tols]", "4:48 `tiers.base.models[0].capabilities[0]` is `tols` | `too"),
        ("name: a, model: xai/b, prio: 1", "4:33 unknown key `prio` (did you mean `priority`?) | one of `api_base`"),
        ("name: '${NO}', model: xai/b", "4:16 NO is not set | a value in the environment, or a default: `${NO:-...}`"),
    ],
)
def test_one_problem_of_a_model(wrong: Wrong, more: str, problem: str) -> None:
    [found] = wrong(model(more))
    assert found.startswith(problem)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("tiers: {}", "1:1 no tier has a model | one under `tiers.<tier>.models` at least"),
        ("tiers: {weak: {models: }}", "1:1 no tier has a model | one under `tiers.<tier>.models` at least"),
        ("#tiers:\nstate: {}", "2:1 `tiers` is missing | a mapping with `weak`, `base` and `strong`"),
        (
            "tiers: {weak: {max_complexity: 9, models: [{name: a, model: xai/a}]}, base: {}}",
            "1:77 `max_complexity` of `base` is 8, that of `weak` 9 | more than `weak` has",
        ),
        (
            "tiers: {weak: {max_context: 9, models: [{name: a, model: xai/a}]}, strong: {max_context: 8}}",
            "1:90 `max_context` of `strong` is 8, that of `weak` 9 | no less than `weak` has",
        ),
        (
            "tiers:\n  weak: {models: [{name: a, model: xai/a}]}\n  base: {models: [{name: a, model: xai/a}]}",
            "3:26 the name `a` is given twice | a name of its own; the first is in line 2",
        ),
        ("tiers: {weaK: {models: []}}", "1:9 unknown key `weaK` (did you mean `weak`?)"),
    ],
)
def test_problems_of_the_tiers(wrong: Wrong, text: str, problem: str) -> None:
    assert any(found.startswith(problem) for found in wrong(text))


def test_every_problem_is_told_at_once_and_in_order(wrong: Wrong) -> None:
    found = wrong(
        "server: {port: 0, hots: x}\nserver: {}\nrouting: {mode: x, baseline: zz}\nkeys:\n- {}\n- {name: a, key: b}\n"
    )
    assert [problem.split(" | ")[0] for problem in found] == [
        "1:16 `server.port` is `0`",
        "1:19 unknown key `hots` (did you mean `host`?)",
        "2:1 `server` stands here twice",
        "3:17 `routing.mode` is `x`",
        "3:30 no model is named `zz`",
        "5:3 `name` is missing",
        "5:3 `key` is missing",
        "6:18 `keys[1].key`: secrets do not stand in this file",
    ]


def test_keys_must_differ(wrong: Wrong) -> None:
    text = f"keys:\n- {{name: a, key: '{SHA}'}}\n- {{name: a, key: '{SHA}'}}\n- {{name: b, key: '${{KEY}}'}}\n"
    text += f"- {{name: c, key: 'sha256:{digest('k')}'}}\n"
    text += "server: {master_key: '${KEY}'}\n"
    assert [found.split(" | ")[0] for found in wrong(text)] == [
        "3:10 the name `a` is given twice",
        "3:18 the same key as in line 2",
        "4:18 the same key as in line 6",
        "5:18 the same key as in line 6",
    ]


def test_a_problem_prints_as_editors_read_it(problems: Callable[..., list[object]]) -> None:
    [problem] = problems("server: {port: 0}")
    assert str(problem).endswith(
        "tiers.yaml:1:16: error: `server.port` is `0`; expected a whole number from 1 to 65535"
    )


def test_a_problem_is_one_line_without_terminal_codes(problems: Callable[..., list[object]]) -> None:
    [problem] = problems('routing: {mode: "a\\nb\\e[31m"}')
    assert "`routing.mode` is `a\\nb\\x1b[31m`" in str(problem)


@pytest.mark.parametrize(
    ("text", "place", "expected"),
    [
        ("server: {master_key: ${KEY}}", "1:23", 'quotes around it, as everywhere inside `{}` and `[]`: "${NAME}"'),
        ("server: {port: 1\nkeys: []", "2:5", "a closing bracket, and commas between what is inside"),
        ("server: {host: @x}", "1:16", "quotes around a text that begins with `@`"),
        (
            "server:\n  host: a: b",
            "2:10",
            "quotes around a text with `: ` in it, and keys of one mapping that begin in",
        ),
        ("server:\n  host: a\n   port: 1", "3:8", "quotes around a text with `: ` in it, and keys of one mapping that"),
        ('a: "\\q"', "1:5", "valid YAML"),
    ],
)
def test_broken_yaml_comes_with_what_is_mostly_meant(
    problems: Callable[..., list[Problem]], text: str, place: str, expected: str
) -> None:
    [problem] = problems(f"{text}\n#tiers:")
    assert f"{problem.line}:{problem.column}" == place
    assert problem.expected.startswith(expected)


def test_an_open_bracket_is_told_with_its_line(problems: Callable[..., list[Problem]]) -> None:
    [problem] = problems("server: {port: 1\nkeys: []\n#tiers:")
    assert problem.message.endswith("it begins in line 1")
