"""The environment variables of a run: their meaning, and one line about an invalid value."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from commands import run_command
from seizurekit import settings
from seizurekit.config import Config
from seizurekit.training.checks import SMOKE_RECORDINGS, SMOKE_STEPS, shorten_for_smoke_test

ROOT = Path(__file__).resolve().parents[2]
DEMO = ROOT / "configs" / "demo.yaml"
TORCHRUN = {"RANK": "1", "WORLD_SIZE": "2", "LOCAL_RANK": "0", "MASTER_ADDR": "10.0.0.1", "MASTER_PORT": "29500"}


def set_all(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize(("value", "minutes"), [(None, 15.0), ("", 15.0), ("2.5", 2.5), (" 60 ", 60.0)])
def test_the_interval_of_training_states_is_read_in_minutes(
    monkeypatch: pytest.MonkeyPatch, value: str | None, minutes: float
) -> None:
    monkeypatch.delenv("BGB_MID_EPOCH_MINUTES", raising=False)
    if value is not None:
        monkeypatch.setenv("BGB_MID_EPOCH_MINUTES", value)
    assert settings.mid_epoch_minutes() == minutes


def test_a_smoke_test_is_short_and_has_its_own_name(monkeypatch: pytest.MonkeyPatch) -> None:
    config = Config.model_validate({"name": "big", "cache": {"dir": "store"}, "training": {"max_steps": 7}})
    monkeypatch.setenv("BGB_SMOKE_TEST", "0")
    assert shorten_for_smoke_test(config) is config
    monkeypatch.setenv("BGB_SMOKE_TEST", "1")
    short = shorten_for_smoke_test(config)
    assert (short.name, short.training.max_steps, short.validation.max_recordings) == ("big-smoke", 7, SMOKE_RECORDINGS)
    whole = config.model_copy(update={"training": config.training.model_copy(update={"max_steps": None})})
    assert shorten_for_smoke_test(whole).training.max_steps == SMOKE_STEPS


def test_a_process_not_started_by_torchrun_has_no_position(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in TORCHRUN:
        monkeypatch.delenv(name, raising=False)
    assert settings.torchrun() is None


def test_the_position_of_a_process_comes_from_torchrun(monkeypatch: pytest.MonkeyPatch) -> None:
    set_all(monkeypatch, TORCHRUN)
    assert settings.torchrun() == settings.Torchrun(rank=1, world=2, local=0)


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"BGB_MID_EPOCH_MINUTES": "often"}, "BGB_MID_EPOCH_MINUTES is 'often', expected a number of minutes above 0"),
        ({"BGB_MID_EPOCH_MINUTES": "0"}, "BGB_MID_EPOCH_MINUTES is '0', expected a number of minutes above 0"),
        ({"BGB_MID_EPOCH_MINUTES": "-1"}, "BGB_MID_EPOCH_MINUTES is '-1', expected a number of minutes above 0"),
        ({"BGB_MID_EPOCH_MINUTES": "nan"}, "BGB_MID_EPOCH_MINUTES is 'nan', expected a number of minutes above 0"),
        ({"BGB_MID_EPOCH_MINUTES": "inf"}, "BGB_MID_EPOCH_MINUTES is 'inf', expected a number of minutes above 0"),
        ({"BGB_SMOKE_TEST": "maybe"}, "BGB_SMOKE_TEST is 'maybe', expected 1 or 0"),
        ({"BGB_DISABLE_TQDM": "2"}, "BGB_DISABLE_TQDM is '2', expected 1 or 0"),
        ({"BGB_LIMIT_FILES": "0"}, "BGB_LIMIT_FILES is '0', expected an integer above 0"),
        ({**TORCHRUN, "RANK": "a"}, "RANK is 'a', expected an integer, as torchrun sets it"),
        ({**TORCHRUN, "WORLD_SIZE": "-2"}, "WORLD_SIZE is '-2', expected an integer, as torchrun sets it"),
        ({**TORCHRUN, "RANK": "2"}, "RANK=2, WORLD_SIZE=2, LOCAL_RANK=0, expected LOCAL_RANK <= RANK < WORLD_SIZE"),
        ({**TORCHRUN, "WORLD_SIZE": "0"}, "RANK=1, WORLD_SIZE=0, LOCAL_RANK=0, expected LOCAL_RANK <= RANK"),
        ({**TORCHRUN, "LOCAL_RANK": "5"}, "RANK=1, WORLD_SIZE=2, LOCAL_RANK=5, expected LOCAL_RANK <= RANK"),
        ({**TORCHRUN, "MASTER_ADDR": ""}, "MASTER_ADDR is missing with WORLD_SIZE=2; use torchrun"),
    ],
)
@pytest.mark.parametrize("command", ["validate", "train"])
def test_an_invalid_value_is_reported_in_one_line_before_any_work(
    command: str, variables: dict[str, str], message: str, tmp_path: Path
) -> None:
    line = run_command(command, DEMO, cwd=tmp_path, **variables).error_line()
    assert line.startswith("seizurekit: error: environment")
    assert message in line
    assert list(tmp_path.iterdir()) == []


def test_no_other_module_reads_the_environment() -> None:
    package = Path(str(settings.__file__)).parent
    files = [*package.rglob("*.py"), *(ROOT / "kernels").rglob("*.py")]
    readers = {path.name for path in files if re.search(r"os\.environ|getenv", path.read_text())}
    assert readers == {"settings.py"}
