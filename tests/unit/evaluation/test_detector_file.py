"""Detector files: what is loaded equals what was saved, and error messages name the file and the field."""

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
from seizurekit.errors import CheckpointError
from seizurekit.evaluation.detector_file import Origin, TrainedDetector, load_detector, save_detector
from tiny import tiny_config

CONFIG = tiny_config(detection={"smoothing": 3.5})
ORIGIN = Origin({"train": "0" * 64}, {"torch": "2.2"}, "abc")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    path = tmp_path / "best.safetensors"
    save_detector(path, TrainedDetector(sk.models.build(CONFIG), CONFIG, 0.2, 0.77, 3, {"auroc": 0.9}, ORIGIN))
    return path


def rewrite(path: Path, change: Any) -> None:
    """Changes the header, or the weights, of a file."""
    with safetensors.safe_open(path, framework="pt") as file:
        header = json.loads(file.metadata()["seizurekit"])
        weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
    change(header, weights)
    safetensors.torch.save_file(weights, path, {"seizurekit": json.dumps(header)})


def message(path: Path) -> str:
    with pytest.raises(CheckpointError) as error:
        load_detector(path)
    assert str(path) in str(error.value)
    return str(error.value)


def test_a_loaded_detector_has_the_logits_of_the_saved_one(path: Path) -> None:
    torch.manual_seed(0)
    model = sk.models.build(CONFIG).eval()
    loaded = load_detector(path)
    x = torch.randn(2, 19, 300)
    assert not loaded.model.training
    assert torch.equal(loaded.model(x), model(x))
    assert loaded.config == CONFIG
    assert (loaded.seizure_ratio, loaded.threshold, loaded.epoch) == (0.2, 0.77, 3)
    assert loaded.metrics == {"auroc": 0.9}
    assert loaded.origin == ORIGIN


def test_the_file_is_plain_safetensors_and_there_is_no_other_file(path: Path) -> None:
    assert [p.name for p in path.parent.iterdir()] == [path.name]
    assert "head.weight" in safetensors.torch.load_file(path)


def test_saving_replaces_the_whole_file(path: Path) -> None:
    before = path.read_bytes()
    save_detector(path, TrainedDetector(sk.models.build(CONFIG), CONFIG, 0.2, 0.5, 4, {}))
    assert path.read_bytes() != before
    loaded = load_detector(path)
    assert (loaded.epoch, loaded.metrics, loaded.origin) == (4, {}, Origin())


def test_a_missing_file_and_a_folder_are_reported(tmp_path: Path) -> None:
    assert "no such file" in message(tmp_path / "nothing.safetensors")
    assert "best.safetensors" in message(tmp_path)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04" + bytes(100), bytes(2000), b"\xff" * 64])
def test_a_file_of_another_format_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(content)
    assert "safetensors" in message(path)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_a_truncated_file_is_refused(path: Path, share: float) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    assert "damaged: not a complete safetensors file" in message(path)


def test_safetensors_of_another_program_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    safetensors.torch.save_file({"w": torch.zeros(3)}, path)
    assert "not a detector file: format is None, expected 'seizurekit-checkpoint'" in message(path)


def test_a_file_of_a_later_format_is_refused_with_the_version_that_wrote_it(path: Path) -> None:
    rewrite(path, lambda header, _: header.update(format_version=2, version="9.1"))
    assert "format_version is 2 (written by version 9.1), expected 1" in message(path)


def test_weights_of_another_model_are_refused_with_both_shapes(path: Path) -> None:
    rewrite(path, lambda header, _: header["config"]["model"].update(widths=[4, 12, 8]))
    error = message(path)
    assert "weights of a different model" in error
    assert "(4," in error
    assert "12" in error


def test_an_unknown_model_is_refused_with_the_known_ones(path: Path) -> None:
    rewrite(path, lambda header, _: header["config"]["model"].update(size="huge"))
    error = message(path)
    assert "config.model.size is 'huge', expected " in error
    assert "'base'" in error


def test_an_unknown_key_of_the_configuration_is_refused_with_the_version_that_wrote_it(path: Path) -> None:
    rewrite(path, lambda header, _: header["config"]["model"].update(depth=3))
    assert f"this version has no config.model.depth (written by version {sk.__version__})" in message(path)


def test_another_chain_is_refused_with_both_values(path: Path) -> None:
    rewrite(path, lambda header, _: header["chain"].update(band=[1.0, 70.0], hash="f00"))
    error = message(path)
    assert "another preprocessing chain" in error
    assert "band is [1.0, 70.0], expected [0.5, 120.0]" in error


@pytest.mark.parametrize("field", ["config", "chain", "threshold", "epoch", "metrics", "seizure_ratio"])
@pytest.mark.parametrize("value", [None, "x", [1]])
def test_an_impossible_header_is_reported_with_field_and_value(path: Path, field: str, value: object) -> None:
    rewrite(path, lambda header, _: header.update({field: value}))
    assert f"header: {field} is {value!r}, expected " in message(path)


def test_a_missing_field_is_reported(path: Path) -> None:
    rewrite(path, lambda header, _: header.pop("threshold"))
    assert "header: threshold is missing" in message(path)


@pytest.mark.parametrize("seed", range(20))
def test_a_damaged_byte_in_the_header_is_an_error_or_harmless(path: Path, seed: int) -> None:
    content = bytearray(path.read_bytes())
    rng = np.random.default_rng(seed)
    content[int(rng.integers(0, 1500))] ^= int(rng.integers(1, 256))
    path.write_bytes(content)
    try:
        load_detector(path)
    except CheckpointError as error:
        assert "\n" not in str(error)  # noqa: PT017
