"""The variables of a training: what they mean, and one clear line about a value that they cannot have."""

from __future__ import annotations

from pathlib import Path

import pytest

from seizurekit import settings
from seizurekit.cli.app import main
from seizurekit.config import Config
from seizurekit.training.smoke import RECORDINGS, STEPS, shortened_for_smoke

DEMO = Path(__file__).resolve().parents[2] / "configs" / "demo.yaml"
TORCHRUN = {"RANK": "1", "WORLD_SIZE": "2", "LOCAL_RANK": "0", "MASTER_ADDR": "10.0.0.1", "MASTER_PORT": "29500"}


def set_all(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize(("value", "minutes"), [(None, 15.0), ("", 15.0), ("2.5", 2.5), (" 60 ", 60.0)])
def test_states_are_minutes_apart_as_the_variable_says(
    monkeypatch: pytest.MonkeyPatch, value: str | None, minutes: float
) -> None:
    monkeypatch.delenv("BGB_MID_EPOCH_MINUTES", raising=False)
    if value is not None:
        monkeypatch.setenv("BGB_MID_EPOCH_MINUTES", value)
    assert settings.mid_epoch_minutes() == minutes


def test_a_smoke_test_is_short_and_has_a_name_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    config = Config.model_validate({"name": "big", "cache": {"dir": "store"}, "training": {"max_steps": 7}})
    monkeypatch.setenv("BGB_SMOKE_TEST", "0")
    assert shortened_for_smoke(config) is config
    monkeypatch.setenv("BGB_SMOKE_TEST", "1")
    short = shortened_for_smoke(config)
    assert (short.name, short.training.max_steps, short.validation.max_recordings) == ("big-smoke", 7, RECORDINGS)
    whole = config.model_copy(update={"training": config.training.model_copy(update={"max_steps": None})})
    assert shortened_for_smoke(whole).training.max_steps == STEPS


def test_a_process_that_torchrun_did_not_start_is_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in TORCHRUN:
        monkeypatch.delenv(name, raising=False)
    assert settings.torchrun() is None


def test_torchrun_tells_each_process_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    set_all(monkeypatch, TORCHRUN)
    assert settings.torchrun() == settings.Torchrun(rank=1, world=2, local=0)


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({"BGB_MID_EPOCH_MINUTES": "often"}, "BGB_MID_EPOCH_MINUTES: found 'often', wanted minutes above 0"),
        ({"BGB_MID_EPOCH_MINUTES": "0"}, "BGB_MID_EPOCH_MINUTES: found '0', wanted minutes above 0"),
        ({"BGB_MID_EPOCH_MINUTES": "-1"}, "BGB_MID_EPOCH_MINUTES: found '-1', wanted minutes above 0"),
        ({"BGB_MID_EPOCH_MINUTES": "nan"}, "BGB_MID_EPOCH_MINUTES: found 'nan', wanted minutes above 0"),
        ({"BGB_MID_EPOCH_MINUTES": "inf"}, "BGB_MID_EPOCH_MINUTES: found 'inf', wanted minutes above 0"),
        ({"BGB_SMOKE_TEST": "maybe"}, "BGB_SMOKE_TEST: found 'maybe', wanted 1 or 0"),
        ({"BGB_DISABLE_TQDM": "2"}, "BGB_DISABLE_TQDM: found '2', wanted 1 or 0"),
        ({"BGB_LIMIT_FILES": "0"}, "BGB_LIMIT_FILES: found '0', wanted a whole number above 0"),
        ({**TORCHRUN, "RANK": "a"}, "RANK: found 'a', wanted a whole number, as torchrun sets it"),
        ({**TORCHRUN, "WORLD_SIZE": "-2"}, "WORLD_SIZE: found '-2', wanted a whole number, as torchrun sets it"),
        ({**TORCHRUN, "RANK": "2"}, "found RANK=2, WORLD_SIZE=2, LOCAL_RANK=0, wanted"),
        ({**TORCHRUN, "WORLD_SIZE": "0"}, "found RANK=1, WORLD_SIZE=0, LOCAL_RANK=0, wanted"),
        ({**TORCHRUN, "LOCAL_RANK": "5"}, "found RANK=1, WORLD_SIZE=2, LOCAL_RANK=5, wanted"),
        ({**TORCHRUN, "MASTER_ADDR": ""}, "MASTER_ADDR: found none with WORLD_SIZE=2; use torchrun"),
    ],
)
@pytest.mark.parametrize("command", ["validate", "train"])
def test_a_value_that_cannot_be_is_told_in_one_line_before_anything_is_written(
    command: str,
    variables: dict[str, str],
    told: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    set_all(monkeypatch, variables)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["seizurekit", command, str(DEMO)])
    with pytest.raises(SystemExit) as ended:
        main()
    said = capsys.readouterr()
    assert (ended.value.code, said.out) == (1, "")
    (line,) = said.err.splitlines()
    assert line.startswith("seizurekit: error: environment")
    assert told in line
    assert list(tmp_path.iterdir()) == []
