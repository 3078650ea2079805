"""When a file is read again, and what is said of it."""

import logging
import os

from gateway import config as configuration
from gateway.compose.serve import WatchedFile, fixed_at_start, reload_file
from gateway.testing import ENV, running, tiers_yaml


def test_a_change_is_told_once_and_not_before_the_file_is_at_rest(tmp_path):
    path = tmp_path / "tiers.yaml"
    path.write_text("a")
    file = WatchedFile(path)
    assert not file.changed()
    path.write_text("ab")
    assert not file.changed()
    path.write_text("abc")  # still being written
    assert not file.changed()
    assert file.changed()
    assert not file.changed()


def test_a_file_that_is_replaced_or_gone_or_points_elsewhere_has_changed(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "tiers.yaml").write_text("same")
        os.utime(tmp_path / name / "tiers.yaml", (1000, 1000))
    data, path = tmp_path / "data", tmp_path / "tiers.yaml"
    data.symlink_to("one")
    path.symlink_to("data/tiers.yaml")
    file = WatchedFile(path)

    (tmp_path / "new").symlink_to("two")
    (tmp_path / "new").replace(data)  # as Kubernetes swaps a ConfigMap
    assert [file.changed() for _ in range(3)] == [False, True, False]
    data.unlink()
    assert [file.changed() for _ in range(3)] == [False, True, False]
    data.symlink_to("one")
    assert [file.changed() for _ in range(3)] == [False, True, False]


async def test_what_only_a_start_can_change_is_said_with_what_stays(tmp_path, monkeypatch, caplog, upstream):
    caplog.set_level(logging.WARNING, "thriftgate")
    for name, value in ENV.items():
        monkeypatch.setenv(name, value)
    path = tmp_path / "tiers.yaml"

    async with running(tiers_yaml(upstream.url)) as gateway:
        fixed = fixed_at_start(gateway.gateway.config)

        async def warned(**sections):
            caplog.clear()
            path.write_text(tiers_yaml(upstream.url, **sections))
            await reload_file(gateway.gateway, path, fixed)
            return [record.getMessage() for record in caplog.records]

        other = {"ledger": {"url": "sqlite:///other.db"}}
        said = f"ledger.url is another now; it stays {fixed['ledger.url']} until the gateway is started again"
        for _ in range(2):
            assert said in await warned(**other)
        assert configuration.load(path, ENV).ledger_url == "sqlite:///other.db"
        assert not await warned(ledger={"url": fixed["ledger.url"]})
