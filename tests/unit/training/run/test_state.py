"""Training states: complete or not there at all, the newest are kept, damage is found and reported."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors
import safetensors.torch
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seizurekit.errors import CheckpointError
from seizurekit.training.run.progress import Progress
from seizurekit.training.run.state import StateHeader, _checksum, has_states, newest_state, remove_states, save_state

TENSORS = {
    "model.weight": torch.arange(6.0).reshape(2, 3),
    "model.half": torch.arange(4, dtype=torch.bfloat16),
    "model.count": torch.tensor(7),
    "step.weight": torch.tensor(3.0),
}


def save(folder: Path, step: int, keep: int = 2) -> Path:
    header = StateHeader(
        config={"name": "a"},
        chain="c",
        stores={"train": "0"},
        versions={"torch": "2"},
        git=None,
        progress=Progress(step=step),
        scaler={"scale": 2.0, "growth_interval": 2000},
        telemetry={"step": step},
    )
    return save_state(folder, TENSORS, header, keep)


def rewrite(path: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    """Changes the header of a state, with a valid checksum."""
    with safetensors.safe_open(path, framework="pt") as file:
        header = json.loads(file.metadata()["seizurekit"])
    del header["checksum"]
    change(header)
    header["checksum"] = _checksum(header, TENSORS)
    safetensors.torch.save_file(TENSORS, path, {"seizurekit": json.dumps(header)})


def test_a_loaded_state_equals_the_saved_one(tmp_path: Path) -> None:
    path = save(tmp_path, 12)
    state = newest_state(tmp_path, pytest.fail)
    assert state is not None
    assert (state.path, state.header.progress) == (path, Progress(step=12))
    assert state.header.scaler == {"scale": 2.0, "growth_interval": 2000}
    assert isinstance(state.header.scaler["growth_interval"], int)
    assert state.tensors.keys() == TENSORS.keys()
    for name, tensor in TENSORS.items():
        assert state.tensors[name].dtype == tensor.dtype
        assert torch.equal(state.tensors[name], tensor)


def test_the_newest_states_are_kept_and_no_other_file(tmp_path: Path) -> None:
    for step in (5, 90, 1000, 20000):
        save(tmp_path, step)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "step-000001000.safetensors",
        "step-000020000.safetensors",
    ]


def test_a_step_may_be_saved_twice(tmp_path: Path) -> None:
    assert save(tmp_path, 3) == save(tmp_path, 3)
    assert len(list(tmp_path.iterdir())) == 1


def test_a_missing_folder_has_no_state(tmp_path: Path) -> None:
    assert newest_state(tmp_path / "nowhere", pytest.fail) is None
    assert not has_states(tmp_path / "nowhere")


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7), cut=st.booleans())
def test_a_damaged_newest_state_is_reported_and_the_previous_one_used(
    tmp_path: Path, place: float, bit: int, cut: bool
) -> None:
    remove_states(tmp_path)
    save(tmp_path, 1)
    newest = save(tmp_path, 2)
    content = bytearray(newest.read_bytes())
    at = int(place * len(content))
    if cut:
        newest.write_bytes(content[:at])
    else:
        content[at] ^= 1 << bit
        newest.write_bytes(content)
    warnings: list[str] = []
    state = newest_state(tmp_path, warnings.append)
    assert state is not None
    if state.header.progress.step == 2:  # a bit without meaning, such as one in the padding
        assert all(torch.equal(state.tensors[name], tensor) for name, tensor in TENSORS.items())
        return
    (warning,) = warnings
    assert str(newest) in warning
    assert "trying the previous one" in warning
    assert state.header.progress == Progress(step=1)


def test_if_every_state_is_damaged_the_run_does_not_start_from_scratch(tmp_path: Path) -> None:
    for step in (1, 2):
        save(tmp_path, step).write_bytes(b"")
    with pytest.raises(CheckpointError, match="all 2 training states are damaged"):
        newest_state(tmp_path, lambda _: None)


@pytest.mark.parametrize(
    ("header", "words"), [(None, "not a training state"), ({"format": "seizurekit-training-state"}, "format_version")]
)
def test_other_files_are_reported(tmp_path: Path, header: dict[str, str] | None, words: str) -> None:
    metadata = {"seizurekit": json.dumps(header)} if header else None
    safetensors.torch.save_file({"w": torch.zeros(2)}, tmp_path / "step-000000001.safetensors", metadata)
    warnings: list[str] = []
    with pytest.raises(CheckpointError):
        newest_state(tmp_path, warnings.append)
    assert words in warnings[0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda header: header["progress"].update(step="ten"), "header: progress.step is 'ten', expected "),
        (lambda header: header.pop("stores"), "header: stores is missing"),
        (lambda header: header.update(format_version=9), "format_version is 9, expected 1"),
    ],
)
def test_an_impossible_header_is_reported_with_field_and_value(
    tmp_path: Path, change: Callable[[dict[str, Any]], Any], message: str
) -> None:
    rewrite(save(tmp_path, 1), change)
    warnings: list[str] = []
    with pytest.raises(CheckpointError):
        newest_state(tmp_path, warnings.append)
    assert f"{tmp_path / 'step-000000001.safetensors'}: {message}" in warnings[0]


def test_states_and_leftovers_of_killed_runs_are_removed_and_no_other_file(tmp_path: Path) -> None:
    save(tmp_path, 1)
    (tmp_path / ".step-000000002.safetensors.77.tmp").write_bytes(b"half")
    (tmp_path / "notes.txt").write_text("mine")
    remove_states(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
