"""What is said about W&B before a run starts: key, entity, network."""

from __future__ import annotations

import socket
import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

from seizurekit.config import WandbConfig
from seizurekit.errors import ConfigError
from seizurekit.training.telemetry.wandb_check import WandbPlan, check_wandb

if TYPE_CHECKING:
    from conftest import FakeWandb

KEY = "0123456789abcdef" * 3


def asked(**values: Any) -> WandbConfig:
    return WandbConfig.model_validate({"enabled": True, **values})


def test_nothing_is_asked_unless_it_is_enabled(server: FakeWandb) -> None:
    assert check_wandb(WandbConfig()) == WandbPlan(None, "seizurekit")
    assert server.bodies == []


def test_a_key_may_write_to_its_user(server: FakeWandb) -> None:
    server.knows("ada")
    plan = check_wandb(asked(project="eeg"))
    assert (plan.mode, plan.entity, plan.project) == ("online", "ada", "eeg")
    assert "ada/eeg" in plan.note
    assert server.credentials == [f"api:{KEY}"]
    assert "viewer" in server.bodies[0]["query"]


@pytest.mark.parametrize("entity", ["ada", "neurology", "sleep"])
def test_a_key_may_write_to_its_user_and_to_each_of_the_users_teams(server: FakeWandb, entity: str) -> None:
    server.knows("ada", teams=("neurology", "sleep"))
    assert check_wandb(asked(entity=entity)).entity == entity


def test_without_an_entity_the_keys_default_is_taken(server: FakeWandb) -> None:
    server.knows("ada", teams=("neurology",), entity="neurology")
    assert check_wandb(asked()).entity == "neurology"


@pytest.mark.parametrize("entity", ["grace", "surgery"])
def test_an_entity_of_others_is_refused_with_those_that_are_allowed(server: FakeWandb, entity: str) -> None:
    server.knows("ada", teams=("sleep", "neurology"), entity="neurology")
    with pytest.raises(
        ConfigError, match=f"wandb.entity: found '{entity}'.*the user ada, the team neurology, the team"
    ):
        check_wandb(asked(entity=entity))


def test_without_a_key_it_is_said_how_to_set_one(server: FakeWandb, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WANDB_API_KEY")
    with pytest.raises(ConfigError, match=r"found no key .*WANDB_API_KEY.*wandb login.*wandb\.mode=offline"):
        check_wandb(asked())
    assert server.bodies == []


def test_a_key_of_wandb_login_is_found(server: FakeWandb, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("WANDB_API_KEY")
    (tmp_path / "netrc").write_text(f"machine {server.url.removeprefix('http://')}\nlogin user\npassword {KEY[::-1]}\n")
    server.knows("ada")
    assert check_wandb(asked()).mode == "online"
    assert server.credentials == [f"api:{KEY[::-1]}"]


@pytest.mark.parametrize(("status", "answer"), [(401, b""), (403, b""), (200, b'{"data": {"viewer": null}}')])
def test_a_wrong_key_is_refused_and_not_shown(server: FakeWandb, status: int, answer: bytes) -> None:
    server.status, server.answer = status, answer
    with pytest.raises(ConfigError, match="found the key wrong") as raised:
        check_wandb(asked())
    assert KEY not in str(raised.value)


def test_a_key_that_wandb_itself_refuses_is_not_shown(server: FakeWandb, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_API_KEY", f" {KEY}")
    with pytest.raises(ConfigError, match="whitespace") as raised:
        check_wandb(asked())
    assert KEY not in str(raised.value)


def test_a_server_that_is_not_wandbs_is_named(server: FakeWandb) -> None:
    server.status = 404
    with pytest.raises(ConfigError, match=f"{server.url}/graphql: found status 404.*WANDB_BASE_URL"):
        check_wandb(asked())


@pytest.mark.parametrize(("status", "answer"), [(500, b""), (503, b""), (429, b""), (200, b"<html>log in</html>")])
def test_a_server_in_trouble_makes_the_run_an_offline_one(server: FakeWandb, status: int, answer: bytes) -> None:
    server.status, server.answer = status, answer
    plan = check_wandb(asked(entity="anyone"))
    assert (plan.mode, plan.entity) == ("offline", "anyone")
    assert "wandb sync" in plan.note


def test_a_server_that_does_not_answer_makes_the_run_an_offline_one(server: FakeWandb) -> None:
    server.delay_s = 0.5
    server.knows("ada")
    plan = check_wandb(asked(), timeout_s=0.1)
    assert plan.mode == "offline"
    assert "timed out" in plan.note


def test_no_network_makes_the_run_an_offline_one(own_wandb: None, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as held:  # bound and not listening: connections are refused
        held.bind(("127.0.0.1", 0))
        monkeypatch.setenv("WANDB_BASE_URL", f"http://127.0.0.1:{held.getsockname()[1]}")
        monkeypatch.setenv("WANDB_API_KEY", KEY)
        plan = check_wandb(asked())
    assert plan.mode == "offline"
    assert "Connection refused" in plan.note
    assert "wandb sync" in plan.note


def test_offline_needs_neither_key_nor_network(own_wandb: None) -> None:
    assert check_wandb(asked(mode="offline")).mode == "offline"


@pytest.mark.parametrize(("variable", "mode"), [("offline", "offline"), ("dryrun", "offline"), ("disabled", None)])
def test_the_mode_that_wandbs_own_variable_names_is_taken(
    own_wandb: None, monkeypatch: pytest.MonkeyPatch, variable: str, mode: str | None
) -> None:
    monkeypatch.setenv("WANDB_MODE", variable)
    assert check_wandb(asked()).mode == mode


@pytest.mark.parametrize("installed", [None, ModuleType("wandb")])
def test_without_the_package_its_extra_is_named(monkeypatch: pytest.MonkeyPatch, installed: ModuleType | None) -> None:
    monkeypatch.setitem(sys.modules, "wandb", installed)
    with pytest.raises(ConfigError, match=r"no package wandb.*\.\[wandb\]"):
        check_wandb(asked(mode="offline"))


def test_a_package_too_old_to_end_in_time_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    old = ModuleType("wandb")
    vars(old).update(setup=None, Settings=object, __version__="0.18.0")
    monkeypatch.setitem(sys.modules, "wandb", old)
    with pytest.raises(ConfigError, match=r"found wandb 0\.18\.0, wanted 0\.27 or newer"):
        check_wandb(asked())
