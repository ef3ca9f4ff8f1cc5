"""Checkpoints: what comes back, and what is refused in which words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors
import safetensors.torch
import torch

import seizurekit as sk
from seizurekit.config import Config
from seizurekit.errors import CheckpointError
from seizurekit.evaluation.detector_file import Checkpoint, load_checkpoint, save_checkpoint

MODEL = {"widths": [8, 8, 16], "layers": 1, "headdim": 4, "d_state": 4}
CONFIG = Config.model_validate(
    {"name": "a", "cache": {"dir": "store"}, "model": MODEL, "detection": {"smoothing": 3.5}}
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    path = tmp_path / "best.safetensors"
    save_checkpoint(path, Checkpoint(sk.models.build(CONFIG), CONFIG, 0.2, 0.77, 3, {"auroc": 0.9}))
    return path


def rewrite(path: Path, change: Any) -> None:
    """Saves the file again with its header, or weights, changed."""
    with safetensors.safe_open(path, framework="pt") as file:
        header = json.loads(file.metadata()["seizurekit"])
        weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    change(header, weights)
    safetensors.torch.save_file(weights, path, {"seizurekit": json.dumps(header)})


def message(path: Path) -> str:
    with pytest.raises(CheckpointError) as error:
        load_checkpoint(path)
    assert str(path) in str(error.value)
    return str(error.value)


def test_a_loaded_detector_gives_the_saved_ones_logits(path: Path) -> None:
    torch.manual_seed(0)
    model = sk.models.build(CONFIG).eval()
    loaded = load_checkpoint(path)
    x = torch.randn(2, 19, 300)
    assert not loaded.model.training
    assert torch.equal(loaded.model(x), model(x))
    assert loaded.config == CONFIG
    assert (loaded.seizure_ratio, loaded.threshold, loaded.epoch) == (0.2, 0.77, 3)
    assert loaded.metrics == {"auroc": 0.9}


def test_the_file_is_plain_safetensors_and_nothing_is_left_beside_it(path: Path) -> None:
    assert [p.name for p in path.parent.iterdir()] == [path.name]
    assert "head.weight" in safetensors.torch.load_file(path)


def test_saving_replaces_a_file_whole(path: Path) -> None:
    before = path.read_bytes()
    model = sk.models.build(CONFIG)
    save_checkpoint(path, Checkpoint(model, CONFIG, 0.2, 0.5, 4, {}))
    assert path.read_bytes() != before
    assert load_checkpoint(path).epoch == 4


def test_a_file_that_is_not_there_and_a_folder_are_named(tmp_path: Path) -> None:
    assert "no such file" in message(tmp_path / "nothing.safetensors")
    assert "best.safetensors" in message(tmp_path)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04" + bytes(100), bytes(2000), b"\xff" * 64])
def test_a_file_of_something_else_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(content)
    assert "safetensors" in message(path)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_a_cut_file_is_refused(path: Path, share: float) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    assert "no whole safetensors file" in message(path)


def test_safetensors_of_another_program_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    safetensors.torch.save_file({"w": torch.zeros(3)}, path)
    assert "something else" in message(path)


def test_weights_of_another_model_are_refused_and_both_are_named(path: Path) -> None:
    rewrite(path, lambda header, _: header["config"]["model"].update(widths=[8, 12, 16]))
    said = message(path)
    assert "another model" in said
    assert "8" in said
    assert "12" in said


def test_a_model_that_this_version_does_not_have_is_refused_and_both_are_named(path: Path) -> None:
    rewrite(path, lambda header, _: header["config"]["model"].update(size="huge"))
    said = message(path)
    assert "another model" in said
    assert "huge" in said
    assert "'base'" in said


def test_another_chain_is_refused_and_both_are_named(path: Path) -> None:
    rewrite(path, lambda header, _: header["chain"].update(band=[1.0, 70.0], hash="f00"))
    said = message(path)
    assert "another chain" in said
    assert "70.0" in said
    assert "120.0" in said


@pytest.mark.parametrize("field", ["config", "chain", "threshold", "epoch", "metrics", "seizure_ratio"])
@pytest.mark.parametrize("value", [None, "x", [1]])
def test_a_damaged_header_is_refused(path: Path, field: str, value: object) -> None:
    rewrite(path, lambda header, _: header.update({field: value}))
    message(path)


@pytest.mark.parametrize("seed", range(20))
def test_a_damaged_byte_in_the_header_is_an_error_or_harmless(path: Path, seed: int) -> None:
    content = bytearray(path.read_bytes())
    rng = np.random.default_rng(seed)
    content[int(rng.integers(0, 1500))] ^= int(rng.integers(1, 256))
    path.write_bytes(content)
    try:
        load_checkpoint(path)
    except CheckpointError as error:
        assert "\n" not in str(error)  # noqa: PT017
