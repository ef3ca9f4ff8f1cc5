"""The check of key, entity and network before a run starts that uses W&B."""

from __future__ import annotations

import socket
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from fake_wandb import FakeWandb
from seizurekit.config import WandbConfig
from seizurekit.errors import ConfigError
from seizurekit.training.telemetry.wandb_check import WandbPlan, check_wandb

KEY = "0123456789abcdef" * 3


def enabled(**values: Any) -> WandbConfig:
    return WandbConfig.model_validate({"enabled": True, **values})


def test_nothing_is_asked_unless_it_is_enabled(server: FakeWandb) -> None:
    assert check_wandb(WandbConfig()) == WandbPlan(None, "seizurekit")
    assert server.bodies == []


def test_a_key_may_write_to_its_user(server: FakeWandb, capfd: pytest.CaptureFixture[str]) -> None:
    server.add_user("ada")
    plan = check_wandb(enabled(project="eeg"))
    assert (plan.mode, plan.entity, plan.project) == ("online", "ada", "eeg")
    assert "ada/eeg" in plan.note
    assert set(server.credentials) == {f"api:{KEY}"}
    assert "viewer" in server.bodies[0]["query"]
    assert capfd.readouterr() == ("", "")


def test_a_key_may_write_to_its_user_and_to_the_users_teams_and_to_nobody_else(server: FakeWandb) -> None:
    server.add_user("ada", teams=("sleep", "neurology"), entity="neurology")
    assert check_wandb(enabled()).entity == "neurology"
    for entity in ("ada", "neurology", "sleep"):
        assert check_wandb(enabled(entity=entity)).entity == entity
    for entity in ("grace", "surgery"):
        with pytest.raises(
            ConfigError, match=f"wandb.entity is '{entity}'.*the user ada, the team neurology, the team sleep; null"
        ):
            check_wandb(enabled(entity=entity))


def test_a_missing_key_is_reported_with_how_to_set_one(server: FakeWandb, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WANDB_API_KEY")
    with pytest.raises(ConfigError, match=r"API key .*missing.*WANDB_API_KEY.*wandb login.*wandb\.mode=offline"):
        check_wandb(enabled())
    assert server.bodies == []


def test_the_key_of_wandb_login_is_used(server: FakeWandb, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("WANDB_API_KEY")
    (tmp_path / "netrc").write_text(f"machine {server.url.removeprefix('http://')}\nlogin user\npassword {KEY[::-1]}\n")
    server.add_user("ada")
    assert check_wandb(enabled()).mode == "online"
    assert set(server.credentials) == {f"api:{KEY[::-1]}"}


def test_a_rejected_key_is_an_error_that_does_not_show_it(
    server: FakeWandb, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for status, answer in ((401, b""), (403, b""), (200, b'{"data": {"viewer": null}}')):
        server.status, server.answer = status, answer
        with pytest.raises(ConfigError, match="rejects the API key") as error:
            check_wandb(enabled())
        assert KEY not in str(error.value)
    server.bodies.clear()
    monkeypatch.setenv("WANDB_API_KEY", KEY[:20])
    with pytest.raises(ConfigError, match="rejects the API key") as error:
        check_wandb(enabled())
    assert KEY[:20] not in str(error.value)
    monkeypatch.delenv("WANDB_API_KEY")
    (tmp_path / "netrc").write_text(f"machine {server.url.removeprefix('http://')}\nlogin user\npassword {KEY[:20]}\n")
    with pytest.raises(ConfigError, match="rejects the API key") as error:
        check_wandb(enabled())
    assert KEY[:20] not in str(error.value)
    assert server.bodies == []


def test_a_key_that_wandbs_settings_reject_is_not_shown(server: FakeWandb, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_API_KEY", f" {KEY}")
    with pytest.raises(ConfigError, match="whitespace") as error:
        check_wandb(enabled())
    assert KEY not in str(error.value)


def test_a_server_that_is_not_wandbs_is_named(server: FakeWandb) -> None:
    server.status = 404
    with pytest.raises(ConfigError, match=f"{server.url} answers with HTTP status 404.*WANDB_BASE_URL"):
        check_wandb(enabled())


@pytest.mark.slow
def test_a_server_in_trouble_makes_the_run_offline(server: FakeWandb) -> None:
    for status, answer, timeout_s, reason in (
        (500, b"", 10, "HTTP 500; "),
        (429, b"", 0.1, "no answer within 0.1 s"),  # the client waits before it tries again
        (200, b"<html>log in</html>", 10, "'<'"),
    ):
        server.status, server.answer = status, answer
        plan = check_wandb(enabled(entity="anyone"), timeout_s)
        assert (plan.mode, plan.entity) == ("offline", "anyone")
        assert reason in plan.note
        assert "wandb sync" in plan.note


def test_a_server_that_is_too_slow_makes_the_run_offline(server: FakeWandb) -> None:
    server.delay_s = 0.5
    server.add_user("ada")
    plan = check_wandb(enabled(), timeout_s=0.1)
    assert plan.mode == "offline"
    assert "no answer within 0.1 s" in plan.note


@pytest.mark.slow
def test_no_network_makes_the_run_offline(own_wandb: None, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as closed:  # bound and not listening: connections are refused
        closed.bind(("127.0.0.1", 0))
        monkeypatch.setenv("WANDB_BASE_URL", f"http://127.0.0.1:{closed.getsockname()[1]}")
        monkeypatch.setenv("WANDB_API_KEY", KEY)
        plan = check_wandb(enabled())
    assert plan.mode == "offline"
    assert "connection refused; the run is written offline" in plan.note
    assert "wandb sync" in plan.note


def test_the_retries_of_the_run_are_those_of_wandbs_own_settings(server: FakeWandb) -> None:
    import wandb

    own = wandb.setup().settings
    own.x_graphql_retry_max = 7
    server.add_user("ada")
    check_wandb(enabled())
    assert own.x_graphql_retry_max == 7


def test_offline_needs_neither_key_nor_network(own_wandb: None) -> None:
    assert check_wandb(enabled(mode="offline")).mode == "offline"


@pytest.mark.parametrize(("variable", "mode"), [("offline", "offline"), ("dryrun", "offline"), ("disabled", None)])
def test_wandbs_own_variable_for_the_mode_applies(
    own_wandb: None, monkeypatch: pytest.MonkeyPatch, variable: str, mode: str | None
) -> None:
    monkeypatch.setenv("WANDB_MODE", variable)
    assert check_wandb(enabled()).mode == mode


@pytest.mark.parametrize("installed", [None, ModuleType("wandb")])
def test_without_the_package_its_extra_is_named(monkeypatch: pytest.MonkeyPatch, installed: ModuleType | None) -> None:
    monkeypatch.setitem(sys.modules, "wandb", installed)
    with pytest.raises(ConfigError, match=r"wandb\.enabled: wandb is not installed: run pip install '\.\[wandb\]'"):
        check_wandb(enabled(mode="offline"))


def test_a_package_too_old_to_finish_in_time_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    old = ModuleType("wandb")
    vars(old).update(setup=None, Settings=object, __version__="0.18.0")
    monkeypatch.setitem(sys.modules, "wandb", old)
    with pytest.raises(ConfigError, match=r"package wandb is 0\.18\.0, expected 0\.27 or newer"):
        check_wandb(enabled())
