"""A detector file and a training state of format version 1: every later version loads them and resumes from them.

`write_golden_files` wrote them at revision 0b75b48.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors
import torch
from torch import Tensor

import seizurekit as sk
from seizurekit.config import Config
from seizurekit.evaluation.detector_file import Origin, TrainedDetector, load_detector, save_detector
from seizurekit.models import build
from seizurekit.signal.chain import Chain
from seizurekit.training import loop
from seizurekit.training.learner import Learner
from seizurekit.training.ranks import Ranks
from seizurekit.training.run.compatibility import current_origin
from seizurekit.training.run.progress import EpochSums, Progress
from seizurekit.training.run.state import StateHeader, TrainingState, newest_state, save_state
from seizurekit.training.step import Outcome

GOLDEN = Path(__file__).resolve().parents[2] / "golden"
DETECTOR, STATES = "detector-v1.safetensors", "training-state-v1"
STORES = {"train": "0" * 64, "dev": "1" * 64}
CONFIG = Config.model_validate(
    {
        "name": "golden",
        "cache": {"dir": "store", "window": 5.0, "stride": 5.0},
        "loader": {"batch_size": 2},
        "model": {"widths": [2, 2, 4], "layers": 1, "headdim": 1, "d_state": 2, "dropout": 0.0},
        "training": {"epochs": 2, "device": "cpu", "augment": False, "ema": 0.5},
        "telemetry": {"every": 1, "tensorboard": False},
    }
)
PROBABILITIES = [
    [0.24620378, 0.29137629, 0.30887511, 0.33297050],
    [0.31667408, 0.28263149, 0.29317820, 0.26113546],
]
"""Probabilities that the detector gives every 320th sample of `signal`."""
LOSSES, NORM, FOUND = [2.1551616, 1.6833559, 1.4514761], 1.3341979, 260
"""Losses of the two steps before the state and of the next step; gradient norm and found samples of the next step."""


def signal() -> Tensor:
    """Two windows of sines, float32 [2, 19, 1280]."""
    at = np.arange(1280) / 256
    frequency = np.arange(1, 39).reshape(2, 19, 1) / 4
    return torch.from_numpy(np.sin(2 * np.pi * at * frequency).astype(np.float32))


def take_step(learner: Learner, step: int) -> Outcome:
    mask = torch.zeros(2, 1280, dtype=torch.uint8)
    mask[0, 400:900] = 1
    learner.accumulate(signal(), mask, np.arange(2), epoch=0, before=2 * step, step_windows=2, is_last=True)
    return learner.update(1e-2).read()


def write_golden_files(folder: Path) -> None:
    """Writes a detector file, and the state after two steps of its training."""
    torch.manual_seed(0)
    model = build(CONFIG, 0.2)
    torch.nn.init.normal_(model.head.weight)
    learner = Learner(model, CONFIG, 2.0, Ranks())
    sums = EpochSums()
    for step in range(2):
        sums = sums.plus(take_step(learner, step))
    origin = Origin(STORES, current_origin(STORES).versions, git=None)
    header = StateHeader(
        config=CONFIG.model_dump(mode="json"),
        chain=Chain().hash,
        stores=origin.stores,
        versions=origin.versions,
        git=origin.git,
        progress=Progress(step=2, windows_done=4, sums=sums, seconds=1.5),
        scaler=learner.scaler_state(),
        telemetry={"step": 2, "jsonl_bytes": 0, "wandb_run": None},
    )
    save_state(folder / STATES, learner.tensors(), header, keep=2)
    metrics = {name: float("nan") if name.startswith("sensitivity") else 0.5 for name in CONFIG.validation.metrics}
    save_detector(folder / DETECTOR, TrainedDetector(learner.detector, CONFIG, 0.2, 0.375, 1, metrics, origin))


def golden_state() -> TrainingState:
    state = newest_state(GOLDEN / STATES, pytest.fail)
    assert state is not None
    return state


def test_the_detector_file_gives_its_probabilities() -> None:
    detector = load_detector(GOLDEN / DETECTOR)
    with torch.inference_mode():
        probability_BT = torch.sigmoid(detector.model(signal()))
    np.testing.assert_allclose(probability_BT[:, ::320], PROBABILITIES, atol=1e-5)
    assert detector.config == CONFIG
    assert (detector.seizure_ratio, detector.threshold, detector.epoch) == (0.2, 0.375, 1)
    assert detector.metrics["auroc"] == 0.5
    assert np.isnan(detector.metrics["sensitivity_at_10_fa"])
    assert detector.origin.stores == STORES
    assert detector.origin.git is None


def test_the_training_state_continues_with_the_next_step() -> None:
    state = golden_state()
    assert (state.header.progress.step, state.header.progress.windows_done) == (2, 4)
    assert state.header.progress.sums.loss == pytest.approx(sum(LOSSES[:2]), rel=1e-6)
    assert state.header.stores == STORES
    learner = Learner(build(CONFIG), CONFIG, 2.0, Ranks())
    learner.load(state)
    outcome = take_step(learner, 2)
    assert outcome.loss == pytest.approx(LOSSES[2], abs=1e-5)
    assert outcome.norm == pytest.approx(NORM, abs=1e-4)
    assert outcome.found == FOUND


def test_a_run_resumes_from_the_training_state(
    small_store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state = golden_state()
    # The store of this test replaces the store that the state names, since a later version builds other bytes.
    stores = {split: sk.open_cache(small_store, split=split).fingerprint for split in ("train", "dev")}
    header = state.header.model_copy(update={"stores": stores, "chain": Chain().hash})
    save_state(tmp_path / "run" / "checkpoints", state.tensors, header, keep=2)
    config = CONFIG.model_copy(
        update={
            "cache": CONFIG.cache.model_copy(update={"dir": str(small_store)}),
            "training": CONFIG.training.model_copy(update={"max_steps": 4}),
        }
    )
    result = loop.train(config, tmp_path / "run", resume=True)
    assert result.reason == "finished: training.max_steps 4"
    last = newest_state(tmp_path / "run" / "checkpoints", pytest.fail)
    assert last is not None
    assert last.header.progress == replace(
        last.header.progress, step=4, epoch=1, windows_done=0, validated=1, skipped=0, sums=EpochSums()
    )
    assert "training.max_steps was None in the state, now 4" in capsys.readouterr().err


def test_files_are_still_written_in_this_format(tmp_path: Path) -> None:
    write_golden_files(tmp_path)
    for name in (DETECTOR, f"{STATES}/step-000000002.safetensors"):
        (header, shapes), (golden_header, golden_shapes) = (contents(folder / name) for folder in (tmp_path, GOLDEN))
        assert shapes == golden_shapes
        assert header.keys() == golden_header.keys()
        for key in ("format", "format_version"):
            assert header[key] == golden_header[key]


def contents(path: Path) -> tuple[dict[str, Any], dict[str, tuple[torch.dtype, torch.Size]]]:
    """The header of a file, and dtype and shape of each tensor."""
    with safetensors.safe_open(path, framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
        return json.loads(file.metadata()["seizurekit"]), {name: (t.dtype, t.shape) for name, t in tensors.items()}
