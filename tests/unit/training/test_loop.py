"""The training loop: its output files and log, how it resumes, and what stops it."""

from __future__ import annotations

import itertools
import json
import math
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import seizurekit as sk
from seizurekit.config import Config
from seizurekit.errors import (
    BackendError,
    CacheError,
    CheckpointError,
    CorpusError,
    NotFiniteError,
    TrainingStoppedError,
)
from seizurekit.evaluation.detector_file import load_detector
from seizurekit.ops import dispatch
from seizurekit.training import data, learner, loop
from seizurekit.training.learner import Learner
from seizurekit.training.run.state import TrainingState, newest_state
from tiny import tiny_config


def config(store: Path, **training: Any) -> Config:
    return tiny_config(store, training=training)


def records(run: Path, kind: str) -> list[dict[str, Any]]:
    lines = map(json.loads, (run / "metrics.jsonl").read_text().splitlines())
    return [line for line in lines if line["kind"] == kind]


def losses(run: Path) -> list[float]:
    return [record["train/loss"] for record in records(run, "train")]


def last_state(run: Path) -> TrainingState:
    state = newest_state(run / "checkpoints", pytest.fail)
    assert state is not None
    return state


def test_training_saves_the_best_epoch_and_all_metrics(small_store: Path, tmp_path: Path) -> None:
    result = loop.train(config(small_store), tmp_path)
    steps, epochs = records(tmp_path, "train"), records(tmp_path, "val")
    assert [record["step"] for record in steps] == list(range(1, len(steps) + 1))
    assert [record["epoch"] for record in epochs] == [1, 2]
    assert all(math.isfinite(record["train/loss"]) and record["train/grad_norm"] > 0 for record in steps)
    best = max(epochs, key=lambda record: (record["val/sensitivity_at_10_fa"], record["val/auroc"]))
    assert result.epoch == best["epoch"]
    detector = load_detector(result.detector)
    assert (detector.epoch, detector.threshold) == (best["epoch"], best["val/threshold"])
    assert detector.metrics == result.metrics
    assert {f"val/{name}" for name in result.metrics} <= best.keys()
    windows = sk.BalancedSeizureDataset(small_store, window=5.0, stride=5.0, seed=5)
    assert detector.seizure_ratio == windows.seizure_ratio
    stores = {split: sk.open_cache(small_store, split=split).fingerprint for split in ("train", "dev")}
    assert detector.origin.stores == stores
    assert detector.origin.versions["torch"] == torch.__version__


@pytest.mark.slow
def test_the_same_seed_trains_the_same_detector_with_and_without_workers(small_store: Path, tmp_path: Path) -> None:
    one = tiny_config(small_store, training={"max_steps": 4})
    other = tiny_config(small_store, training={"max_steps": 4}, loader={"kind": "torch", "num_workers": 1})
    for name, run_config in (("a", one), ("b", one), ("workers", other)):
        loop.train(run_config, tmp_path / name)
    assert losses(tmp_path / "a") == losses(tmp_path / "b")
    np.testing.assert_allclose(losses(tmp_path / "a"), losses(tmp_path / "workers"), rtol=1e-6)


def test_a_threshold_in_the_configuration_is_used(small_store: Path, tmp_path: Path) -> None:
    run_config = tiny_config(small_store, training={"max_steps": 1}, detection={"threshold": 0.321})
    assert loop.train(run_config, tmp_path).threshold == 0.321


def test_without_balancing_every_window_is_used(
    small_store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    windows = sk.open_cache(small_store).windows(20.0, 20.0)
    run_config = tiny_config(
        small_store,
        cache={"window": 20.0, "stride": 20.0},
        loader={"balanced": False, "batch_size": 8},
        training={"epochs": 1},
    )
    loop.train(run_config, tmp_path)
    assert len(losses(tmp_path)) == math.ceil(len(windows) / 8)
    assert "sampling: every window of the split" in capsys.readouterr().err


def send_signal_at(monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    """Sends SIGTERM in a step."""
    update = Learner.update
    steps = itertools.count(1)

    def update_and_signal(self: Learner, lr: float, stop: bool = False) -> Any:
        if next(steps) == step:
            signal.raise_signal(signal.SIGTERM)
            return update(self, lr, True)
        return update(self, lr, stop)

    monkeypatch.setattr(Learner, "update", update_and_signal)


@pytest.mark.slow
@pytest.mark.parametrize(
    "sections",
    [
        {},
        {"training": {"precision": "float16", "loss": "focal", "ema": 0.9}},
        {"training": {"precision": "bfloat16", "accumulate": 3, "activation_checkpointing": True}},
        {
            "cache": {"window": 20.0, "stride": 20.0},
            "loader": {"kind": "torch", "num_workers": 0, "balanced": False, "batch_size": 8},
            "training": {"deterministic": True},
        },
    ],
    ids=["plain", "float16", "bfloat16", "torch"],
)
def test_a_resumed_run_equals_an_uninterrupted_one_to_the_last_bit(
    small_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sections: dict[str, dict[str, Any]]
) -> None:
    run_config = tiny_config(small_store, **{"model": {"dropout": 0.2}, **sections})
    loop.train(run_config, tmp_path / "whole")
    with monkeypatch.context() as patch:
        send_signal_at(patch, step=5)
        with pytest.raises(TrainingStoppedError, match="stopped by SIGTERM after step 5") as stopped:
            loop.train(run_config, tmp_path / "resumed")
    assert stopped.value.exit_code == 128 + signal.SIGTERM
    loop.train(run_config, tmp_path / "resumed", resume=True)
    one, other = (last_state(tmp_path / name) for name in ("whole", "resumed"))
    assert one.tensors.keys() == other.tensors.keys()
    assert all(torch.equal(tensor, other.tensors[name]) for name, tensor in one.tensors.items())
    assert one.header.scaler == other.header.scaler
    assert losses(tmp_path / "whole") == losses(tmp_path / "resumed")


def test_a_run_that_was_stopped_in_a_validation_resumes_with_it(
    small_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_config = config(small_store, epochs=1, max_steps=2)
    with monkeypatch.context() as patch:
        patch.setattr(loop, "validate", lambda *_, **__: None)
        with pytest.raises(TrainingStoppedError, match="after step 2"):
            loop.train(run_config, tmp_path)
    loop.train(run_config, tmp_path, resume=True)
    assert [record["step"] for record in records(tmp_path, "train")] == [1, 2]
    assert [record["epoch"] for record in records(tmp_path, "val")] == [1]


@pytest.mark.slow
def test_a_detector_compiled_in_one_graph_has_the_losses_and_the_states_of_the_plain_one(
    small_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compile_module, compiled = torch.nn.Module.compile, []

    def compile_without_inductor(module: torch.nn.Module) -> None:
        compiled.append(module)
        # Traces and differentiates as usual, but generates no C++; a graph break is an error.
        compile_module(module, fullgraph=True, backend="aot_eager")

    monkeypatch.setattr(torch.nn.Module, "compile", compile_without_inductor)
    for name, is_compiled in (("plain", False), ("compiled", True)):
        training = {"max_steps": 3, "compile": is_compiled, "activation_checkpointing": True}
        loop.train(tiny_config(small_store, training=training, model={"dropout": 0.0}), tmp_path / name)
        assert len(compiled) == is_compiled
    np.testing.assert_allclose(losses(tmp_path / "compiled"), losses(tmp_path / "plain"), rtol=1e-4)
    assert last_state(tmp_path / "plain").tensors.keys() == last_state(tmp_path / "compiled").tensors.keys()


def test_a_finished_run_is_not_trained_again(small_store: Path, tmp_path: Path) -> None:
    run_config = config(small_store, max_steps=1)
    first = loop.train(run_config, tmp_path)
    before = first.detector.stat().st_mtime_ns
    again = loop.train(run_config, tmp_path, resume=True)
    assert (again.metrics, again.epoch, again.reason) == (first.metrics, first.epoch, first.reason)
    assert first.detector.stat().st_mtime_ns == before


def test_resume_without_a_training_state_starts_from_scratch_and_warns(
    small_store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    loop.train(config(small_store, max_steps=1), tmp_path, resume=True)
    assert "no training state found; starting from scratch" in capsys.readouterr().err


@pytest.mark.slow
def test_a_changed_configuration_is_refused_but_a_longer_run_is_not(
    small_store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    loop.train(config(small_store, epochs=1), tmp_path)
    with pytest.raises(CheckpointError, match=r"training\.lr was 0\.002 in the state, now 0\.5"):
        loop.train(config(small_store, epochs=1, lr=0.5), tmp_path, resume=True)
    result = loop.train(config(small_store, epochs=2), tmp_path, resume=True)
    warning = "resuming with a changed setting: training.epochs was 1 in the state, now 2"
    assert warning in capsys.readouterr().err
    assert len(records(tmp_path, "val")) == 2
    assert result.reason == "finished"


@pytest.mark.slow
def test_a_changed_store_is_refused(small_corpus: Path, small_store: Path, tmp_path: Path) -> None:
    loop.train(config(small_store, max_steps=1), tmp_path / "run")
    corpus = shutil.copytree(small_corpus, tmp_path / "edf")
    one = sorted((corpus / "train").rglob("*.csv_bi"))[0]
    one.write_text(one.read_text().replace("seiz", "bckg"))
    sk.build_cache(corpus, tmp_path / "cache")
    with pytest.raises(CheckpointError, match="this state was trained on other data"):
        loop.train(config(tmp_path / "cache", max_steps=1), tmp_path / "run", resume=True)


@pytest.mark.slow
def test_a_damaged_newest_state_is_reported_and_the_previous_one_resumed(
    small_store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_config = config(small_store)
    loop.train(run_config, tmp_path)
    newest = sorted((tmp_path / "checkpoints").iterdir())[-1]
    newest.write_bytes(newest.read_bytes()[:-10])
    loop.train(run_config, tmp_path, resume=True)
    assert f"{newest}: damaged" in capsys.readouterr().err
    assert len(records(tmp_path, "val")) == 2


@pytest.mark.slow
def test_training_ends_when_no_epoch_is_better_any_more(small_store: Path, tmp_path: Path) -> None:
    run_config = tiny_config(
        small_store,
        training={"epochs": 9, "lr": 1e-12},
        loader={"batch_size": 16},
        validation={"patience": 2, "metric": "loss", "max_recordings": 1},
    )
    result = loop.train(run_config, tmp_path)
    assert result.reason == "no better loss in 2 epochs"
    assert len(records(tmp_path, "val")) < 9


@pytest.mark.slow
def test_a_lower_loss_is_better_if_the_loss_is_the_metric(small_store: Path, tmp_path: Path) -> None:
    result = loop.train(tiny_config(small_store, validation={"metric": "loss_unweighted"}), tmp_path)
    epochs = records(tmp_path, "val")
    assert result.metrics["loss_unweighted"] == min(record["val/loss_unweighted"] for record in epochs)


@pytest.mark.slow
def test_a_smoke_test_is_short_and_has_its_own_name(
    small_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BGB_SMOKE_TEST", "1")
    result = loop.train(config(small_store, epochs=900))
    assert result.detector == Path("runs/tiny-smoke/best.safetensors")
    assert len(losses(tmp_path / "runs" / "tiny-smoke")) == 20


def test_a_limit_of_recordings_holds_for_training(
    small_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BGB_LIMIT_FILES", "2")
    used: set[int] = set()
    accumulate = Learner.accumulate

    def record_indices(self: Learner, x: Any, y: Any, indices: Any, **options: Any) -> None:
        used.update(sk.open_cache(small_store).windows(20.0, 20.0).recording[indices].tolist())
        accumulate(self, x, y, indices, **options)

    monkeypatch.setattr(Learner, "accumulate", record_indices)
    run_config = tiny_config(
        small_store,
        cache={"window": 20.0, "stride": 20.0},
        loader={"balanced": False, "batch_size": 8},
        training={"epochs": 1},
    )
    loop.train(run_config, tmp_path)
    assert used == {0, 1}
    assert "only the first 2 recordings: BGB_LIMIT_FILES" in capsys.readouterr().err


def make_nan(monkeypatch: pytest.MonkeyPatch, when: Callable[[int], bool]) -> None:
    """Makes the windows of some steps, counted from 1, NaN."""
    step = itertools.count(1)

    def augment(x: torch.Tensor, *_: Any) -> torch.Tensor:
        return x * float("nan") if when(next(step)) else x

    monkeypatch.setattr(learner, "augment", augment)


def test_a_step_that_is_not_finite_is_skipped_counted_and_reported(
    small_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    make_nan(monkeypatch, lambda step: step in (3, 5))
    loop.train(config(small_store, epochs=1), tmp_path)
    assert [i + 1 for i, loss in enumerate(losses(tmp_path)) if loss is None] == [3, 5]
    assert records(tmp_path, "train")[-1]["train/skipped"] == 2
    warning = "step 3: loss is nan, gradient norm is nan, expected finite numbers; step skipped; windows ["
    assert warning in capsys.readouterr().err
    assert math.isfinite(records(tmp_path, "val")[0]["val/loss"])


@pytest.mark.parametrize("precision", ["float32", "float16"])
def test_several_steps_in_a_row_that_are_not_finite_stop_the_run_with_a_state_saved(
    small_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, precision: str
) -> None:
    make_nan(monkeypatch, lambda step: step > 2)
    run_config = config(small_store, stop_after_nonfinite=3, precision=precision)
    with pytest.raises(NotFiniteError, match=r"step 5: loss is nan.*in 3 steps in a row.*windows \[\d+, ") as error:
        loop.train(run_config, tmp_path)
    assert error.value.exit_code == 5
    state = last_state(tmp_path)
    assert state.header.progress.skipped_in_a_row == 3
    assert all(torch.isfinite(tensor).all() for tensor in state.tensors.values())


def test_a_detector_without_any_detection_is_warned_about(
    small_store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    loop.train(config(small_store, epochs=1, lr=1e-12, pos_weight=1.0), tmp_path)
    log = capsys.readouterr().err
    assert log.count('the detector predicts "no seizure" everywhere') == 1
    assert "training.pos_weight" in log


def test_a_patient_in_train_and_dev_stops_the_run(
    small_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train_store = sk.open_cache(small_store, split="train")
    monkeypatch.setattr(data, "open_cache", lambda *_, **__: train_store)
    with pytest.raises(CorpusError, match=str(train_store.recordings["patient"][0])):
        loop.train(config(small_store), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_dev_split_without_seizures_stops_the_run(
    small_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def open_without_events(path: str, **options: Any) -> Any:
        cache = sk.open_cache(path, **options)
        monkeypatch.setattr(cache, "events", {name: column[:0] for name, column in cache.events.items()})
        return cache

    monkeypatch.setattr(data, "open_cache", open_without_events)
    with pytest.raises(CacheError, match="split dev has no seizures"):
        loop.train(config(small_store), tmp_path)


@pytest.mark.parametrize("required", [True, ["triton"]])
def test_a_missing_required_kernel_stops_the_run(
    small_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, required: bool | list[str]
) -> None:
    monkeypatch.setenv("SEIZURE_MAMBA_FORCE_FALLBACK", "1")
    dispatch.reset_cache()
    try:
        with pytest.raises(BackendError, match=r"model\.require_kernels: .*SEIZURE_MAMBA_FORCE_FALLBACK is set"):
            loop.train(tiny_config(small_store, model={"require_kernels": required}), tmp_path)
    finally:
        dispatch.reset_cache()
    assert not list(tmp_path.glob("checkpoints/*"))


@pytest.mark.slow
def test_training_from_an_object_store_has_the_losses_of_training_from_a_folder(
    small_store: Path, remote_store: str, tmp_path: Path
) -> None:
    local = config(small_store, max_steps=4)
    remote = tiny_config(remote_store, training={"max_steps": 4}, cache={"local_dir": str(tmp_path / "shards")})
    for name, run_config in (("local", local), ("remote", remote)):
        loop.train(run_config, tmp_path / name)
    assert losses(tmp_path / "local") == losses(tmp_path / "remote")
    assert list((tmp_path / "shards").glob("*/0"))
