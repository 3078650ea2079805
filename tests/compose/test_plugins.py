"""Finding plugins, and the problems with them."""

import sys

import pytest

from gateway import config as configuration
from gateway.compose import known_plugins, load_config, load_plugins
from gateway.compose.plugins import roles_of
from gateway.config import ConfigError
from gateway.testing import ENV, tiers_yaml

SHIPPED = ["gateway_complexity", "gateway_prometheus", "gateway_reduce", "gateway_tiers"]


@pytest.fixture
def load(tmp_path, plugins, monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))

    def loaded(*names, **sections):
        path = tmp_path / "tiers.yaml"
        path.write_text(tiers_yaml("http://127.0.0.1:9/v1", plugins=names, **{"plugin_path": str(plugins), **sections}))
        return load_plugins(configuration.load(path, ENV))

    yield loaded
    sys.modules.pop("life_of_tests", None)


def test_the_shipped_ones_are_installed_and_load(load):
    assert set(SHIPPED) <= set(known_plugins())
    loaded = load(*SHIPPED)
    assert {plugin.entry.name: plugin.roles for plugin in loaded} == {
        "gateway_reduce": ("optimizer",),
        "gateway_complexity": ("scorer",),
        "gateway_tiers": ("router",),
        "gateway_prometheus": ("listener", "surface"),
    }


def test_a_class_of_ones_own_is_found_in_the_folder(load, plugins):
    [watch] = load({"life_of_tests:Watch": {"word": "x"}})
    assert watch.roles == ("guard",)
    assert watch.settings.word == "x"
    assert sys.modules["life_of_tests"].__file__ == str(plugins / "life_of_tests.py")


def test_the_folder_comes_behind_the_import_path(load, plugins):
    (plugins / "json.py").write_text("raise RuntimeError('not this one')")
    with pytest.raises(ConfigError, match=r"json:Watch"):
        load("json:Watch")
    load("life_of_tests:Watch")
    load("life_of_tests:Watch")
    assert sys.path.count(str(plugins)) == 1


def test_without_the_folder_it_is_not_found(load):
    with pytest.raises(ConfigError, match="life_of_tests"):
        load("life_of_tests:Watch", plugin_path="./nowhere")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("gateway_nothing", "no plugin `gateway_nothing` is installed"),
        ("no_such_module:Watch", "there is no module `no_such_module`"),
        ("gateway_redcue", r"is installed \(did you mean `gateway_reduce`\?\)"),
        ("life_of_tests:Wach", r"the module has no `Wach` \(did you mean `Watch`\?\)"),
        ("life_of_tests:STORY", "not a gateway.api.Plugin"),
        ("life_of_tests:Life", "plays no role"),
        ("life_of_tests:Deaf", "names no events"),
        ({"life_of_tests:Watch": {"word": 3}}, "word"),
        ({"life_of_tests:Watch": {"words": "x"}}, "words"),
    ],
)
def test_what_is_wrong_with_a_plugin_is_said_with_its_place(load, name, said):
    with pytest.raises(ConfigError, match=said) as caught:
        load("gateway_reduce", name)
    [problem] = caught.value.problems
    assert problem.severity == "error"
    assert problem.line > 1


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import gone_for_good", "ModuleNotFoundError: No module named 'gone_for_good' (broken_of_tests.py, line 1)"),
        ("\n1 / 0", "ZeroDivisionError: division by zero (broken_of_tests.py, line 2)"),
        ("import sys\nsys.exit(5)", "SystemExit: 5 (broken_of_tests.py, line 2)"),
        ("def x(:", "SyntaxError: invalid syntax (broken_of_tests.py, line 1)"),
    ],
)
def test_code_that_breaks_on_import_is_told_with_its_line(load, plugins, code, said):
    (plugins / "broken_of_tests.py").write_text(code)
    with pytest.raises(ConfigError) as caught:
        load("broken_of_tests:Any")
    [problem] = caught.value.problems
    assert problem.message == f"`broken_of_tests:Any` cannot be imported: {said}"


def test_a_misspelt_method_is_told_before_the_start(load, plugins):
    code = (
        "from gateway.api import Guard, Plugin\nclass Odd(Plugin, Guard):\n    async def chek(self, request, call): ..."
    )
    (plugins / "odd_of_tests.py").write_text(code)
    with pytest.raises(ConfigError, match=r"`odd_of_tests:Odd` has no `check`; expected the method of .* guard"):
        load("odd_of_tests:Odd")


def test_only_a_guard_fails_open_or_closed(load):
    load({"life_of_tests:Watch": {"fail": "open"}})
    with pytest.raises(ConfigError, match="`fail` is for guards, and `gateway_reduce` is none"):
        load({"gateway_reduce": {"fail": "open"}})


def test_every_problem_is_told_at_once(load):
    with pytest.raises(ConfigError) as caught:
        load("gateway_nothing", "life_of_tests:Nobody", {"life_of_tests:Watch": {"words": "x"}})
    assert len(caught.value.problems) == 3


def test_plugins_are_told_along_with_what_else_is_wrong(tmp_path):
    path = tmp_path / "tiers.yaml"
    path.write_text(
        "server: {port: 0}\nplugins: [5, gateway_nothing, {gateway_reduce: {word: 1}}]\nplugin_path: []\ntiers: {}\n"
    )
    with pytest.raises(ConfigError) as caught:
        load_config(path, {})
    places = [(problem.line, problem.column) for problem in caught.value.problems]
    assert places == [(1, 16), (2, 11), (2, 14), (2, 49), (3, 14), (4, 1)]


def test_a_class_may_play_several_roles():
    from gateway.api import Guard, Listener, Plugin  # noqa: PLC0415  # the classes are this test's matter

    class Both(Plugin, Listener, Guard): ...

    assert roles_of(Both) == ("guard", "listener")
