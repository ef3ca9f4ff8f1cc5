"""Training states: whole or not at all, the newest kept, damage found and named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import safetensors.torch
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seizurekit.errors import CheckpointError
from seizurekit.training.run.state import has_states, newest_state, remove_states, save_state

TENSORS = {
    "model.weight": torch.arange(6.0).reshape(2, 3),
    "model.half": torch.arange(4, dtype=torch.bfloat16),
    "model.count": torch.tensor(7),
    "step.weight": torch.tensor(3.0),
}


def saved(folder: Path, step: int, keep: int = 2) -> Path:
    return save_state(folder, step, TENSORS, {"progress": {"step": step}}, keep)


def test_what_comes_back_is_what_was_saved(tmp_path: Path) -> None:
    path = saved(tmp_path, 12)
    state = newest_state(tmp_path, pytest.fail)
    assert state is not None
    assert (state.path, state.header["progress"]) == (path, {"step": 12})
    assert state.tensors.keys() == TENSORS.keys()
    for name, tensor in TENSORS.items():
        assert state.tensors[name].dtype == tensor.dtype
        assert torch.equal(state.tensors[name], tensor)


def test_the_newest_few_are_kept_and_nothing_is_left_beside_them(tmp_path: Path) -> None:
    for step in (5, 90, 1000, 20000):
        saved(tmp_path, step)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "step-000001000.safetensors",
        "step-000020000.safetensors",
    ]


def test_a_step_may_be_saved_twice(tmp_path: Path) -> None:
    assert saved(tmp_path, 3) == saved(tmp_path, 3)
    assert len(list(tmp_path.iterdir())) == 1


def test_without_a_state_there_is_none(tmp_path: Path) -> None:
    assert newest_state(tmp_path / "nowhere", pytest.fail) is None
    assert not has_states(tmp_path / "nowhere")


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7), cut=st.booleans())
def test_a_damaged_newest_state_is_named_and_the_one_before_it_used(
    tmp_path: Path, place: float, bit: int, cut: bool
) -> None:
    remove_states(tmp_path)
    saved(tmp_path, 1)
    newest = saved(tmp_path, 2)
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
    if state.header["progress"]["step"] == 2:  # a bit that nothing rests on, such as the padding or a version's text
        assert all(torch.equal(state.tensors[name], tensor) for name, tensor in TENSORS.items())
        return
    (warning,) = warnings
    assert str(newest) in warning
    assert state.header["progress"] == {"step": 1}


def test_where_every_state_is_damaged_the_run_is_not_begun_anew_in_silence(tmp_path: Path) -> None:
    for step in (1, 2):
        saved(tmp_path, step).write_bytes(b"")
    with pytest.raises(CheckpointError, match="2 training states, all of them damaged"):
        newest_state(tmp_path, lambda _: None)


@pytest.mark.parametrize(
    ("header", "words"), [(None, "something else"), ({"format": "seizurekit-training-state"}, "format_version")]
)
def test_files_of_something_else_are_named(tmp_path: Path, header: dict[str, str] | None, words: str) -> None:
    metadata = {"seizurekit": json.dumps(header)} if header else None
    safetensors.torch.save_file({"w": torch.zeros(2)}, tmp_path / "step-000000001.safetensors", metadata)
    warnings: list[str] = []
    with pytest.raises(CheckpointError):
        newest_state(tmp_path, warnings.append)
    assert words in warnings[0]


def test_states_and_what_killed_runs_left_are_removed_and_nothing_else(tmp_path: Path) -> None:
    saved(tmp_path, 1)
    (tmp_path / ".step-000000002.safetensors.77.tmp").write_bytes(b"half")
    (tmp_path / "notes.txt").write_text("mine")
    remove_states(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
