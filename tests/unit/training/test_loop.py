"""The training loop: what it keeps and tells, what it goes on from, and what stops it."""

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
    ConfigError,
    CorpusError,
    NotFiniteError,
    TrainingStoppedError,
)
from seizurekit.evaluation.detector_file import load_checkpoint
from seizurekit.models.device import pick_device
from seizurekit.ops import dispatch
from seizurekit.training import data, learner, loop
from seizurekit.training.learner import Learner
from seizurekit.training.run.state import newest_state


def config(store: Path, **training: Any) -> Config:
    return Config.model_validate(
        {
            "name": "tiny",
            "seed": 5,
            "cache": {"dir": str(store), "window": 20.0, "stride": 10.0},
            "loader": {"batch_size": 8},
            "model": {"widths": [8, 8, 16], "layers": 1, "headdim": 4, "d_state": 4},
            "training": {"epochs": 2, "device": "cpu", **training},
            "telemetry": {"every": 1, "tensorboard": False},
        }
    )


def test_a_device_that_is_not_there_is_refused() -> None:
    assert pick_device("cpu", "training.device").type == "cpu"
    with pytest.raises(ConfigError, match=r"training\.device: found cuda:77"):
        pick_device("cuda:77", "training.device")


def lines(run: Path, kind: str) -> list[dict[str, Any]]:
    found = map(json.loads, (run / "metrics.jsonl").read_text().splitlines())
    return [line for line in found if line["kind"] == kind]


def losses(run: Path) -> list[float]:
    return [line["train/loss"] for line in lines(run, "train")]


def with_(made: Config, **sections: dict[str, Any]) -> Config:
    """The configuration with other values in some of its sections."""
    return Config.model_validate(
        made.model_dump() | {name: made.model_dump()[name] | changes for name, changes in sections.items()}
    )


def test_training_keeps_the_best_epoch_and_every_figure(small_store: Path, tmp_path: Path) -> None:
    result = loop.train(config(small_store), tmp_path)
    steps, epochs = lines(tmp_path, "train"), lines(tmp_path, "val")
    assert [line["step"] for line in steps] == list(range(1, len(steps) + 1))
    assert [line["epoch"] for line in epochs] == [1, 2]
    assert all(math.isfinite(line["train/loss"]) and line["train/grad_norm"] > 0 for line in steps)
    best = max(epochs, key=lambda line: (line["val/sensitivity_at_10_fa"], line["val/auroc"]))
    assert result.epoch == best["epoch"]
    loaded = load_checkpoint(result.checkpoint)
    assert (loaded.epoch, loaded.threshold) == (best["epoch"], best["val/threshold"])
    assert loaded.metrics == result.metrics
    assert {f"val/{name}" for name in result.metrics} <= best.keys()
    windows = sk.BalancedSeizureDataset(small_store, window=20.0, seed=5)
    assert loaded.seizure_ratio == windows.seizure_ratio
    stores = {split: sk.open_cache(small_store, split=split).fingerprint for split in ("train", "dev")}
    assert loaded.origin["stores"] == stores
    assert loaded.origin["versions"]["torch"] == torch.__version__


def test_the_same_seed_trains_the_same_detector_with_and_without_workers(small_store: Path, tmp_path: Path) -> None:
    one = config(small_store, epochs=1)
    other = with_(one, loader={"kind": "torch", "num_workers": 1})
    for name, made in (("a", one), ("b", one), ("workers", other)):
        loop.train(made, tmp_path / name)
    assert losses(tmp_path / "a") == losses(tmp_path / "b")
    np.testing.assert_allclose(losses(tmp_path / "a"), losses(tmp_path / "workers"), rtol=1e-6)


def test_a_threshold_in_the_configuration_is_kept(small_store: Path, tmp_path: Path) -> None:
    made = with_(config(small_store, epochs=1), detection={"threshold": 0.321})
    assert loop.train(made, tmp_path).threshold == 0.321


def test_every_window_is_trained_on_where_the_set_is_not_balanced(
    small_store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    loop.train(with_(config(small_store, epochs=1), loader={"balanced": False}), tmp_path)
    windows = sk.open_cache(small_store).windows(20.0, 10.0)
    assert len(losses(tmp_path)) == math.ceil(len(windows) / 8)
    assert "sampling: every window of the split" in capsys.readouterr().err


def stopped_at(monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    """A signal comes after so many steps."""
    update = Learner.update

    def counted(self: Learner, lr: float, stop: bool = False) -> Any:
        counted.steps += 1  # type: ignore[attr-defined]
        if counted.steps == step:  # type: ignore[attr-defined]
            signal.raise_signal(signal.SIGTERM)
            return update(self, lr, True)
        return update(self, lr, stop)

    counted.steps = 0  # type: ignore[attr-defined]
    monkeypatch.setattr(Learner, "update", counted)


def resumed_equals_unbroken(made: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    loop.train(made, tmp_path / "whole")
    with monkeypatch.context() as patch:
        stopped_at(patch, step)
        with pytest.raises(TrainingStoppedError, match=f"stopped by SIGTERM after step {step}") as stopped:
            loop.train(made, tmp_path / "broken")
    assert stopped.value.exit_code == 128 + signal.SIGTERM
    loop.train(made, tmp_path / "broken", resume=True)
    one, other = (newest_state(tmp_path / name / "checkpoints", pytest.fail) for name in ("whole", "broken"))
    assert one is not None
    assert other is not None
    assert one.tensors.keys() == other.tensors.keys()
    assert all(torch.equal(tensor, other.tensors[name]) for name, tensor in one.tensors.items())
    assert one.header["scaler"] == other.header["scaler"]
    assert losses(tmp_path / "whole") == losses(tmp_path / "broken")


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"training": {"precision": "float16", "loss": "focal", "ema": 0.9}},
        {"training": {"precision": "bfloat16", "accumulate": 3, "activation_checkpointing": True}},
        {"loader": {"kind": "torch", "num_workers": 0, "balanced": False}, "training": {"deterministic": True}},
    ],
    ids=["plain", "float16", "bfloat16", "torch"],
)
def test_a_resumed_run_equals_an_unbroken_one_to_the_last_bit(
    small_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, dict[str, Any]]
) -> None:
    made = with_(with_(config(small_store), **changes), model={"dropout": 0.2})
    resumed_equals_unbroken(made, tmp_path, monkeypatch, step=5)


def test_a_compiled_detector_has_the_losses_and_the_states_of_the_plain_one(
    small_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compile_module, compiled = torch.nn.Module.compile, []

    def traced(module: torch.nn.Module) -> None:
        compiled.append(module)
        compile_module(module, backend="aot_eager")  # differentiated as ever, but not turned into C++, for minutes

    monkeypatch.setattr(torch.nn.Module, "compile", traced)
    plain = with_(config(small_store, epochs=1, max_steps=3), model={"dropout": 0.0})
    loop.train(plain, tmp_path / "plain")
    assert not compiled
    loop.train(with_(plain, training={"compile": True}), tmp_path / "compiled")
    assert len(compiled) == 1
    np.testing.assert_allclose(losses(tmp_path / "compiled"), losses(tmp_path / "plain"), rtol=1e-4)
    one, other = (newest_state(tmp_path / name / "checkpoints", pytest.fail) for name in ("plain", "compiled"))
    assert one is not None
    assert other is not None
    assert one.tensors.keys() == other.tensors.keys()


def test_a_run_that_is_over_is_not_trained_again(small_store: Path, tmp_path: Path) -> None:
    made = config(small_store, epochs=1)
    first = loop.train(made, tmp_path)
    before = first.checkpoint.stat().st_mtime_ns
    again = loop.train(made, tmp_path, resume=True)
    assert (again.metrics, again.epoch, again.reason) == (first.metrics, first.epoch, "finished")
    assert first.checkpoint.stat().st_mtime_ns == before


def test_resuming_where_nothing_was_begun_begins_and_says_so(
    small_store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    loop.train(config(small_store, epochs=1), tmp_path, resume=True)
    assert "found no training state to go on from; begins anew" in capsys.readouterr().err


def test_another_configuration_is_not_gone_on_with_but_a_longer_run_is(
    small_store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = config(small_store, epochs=1)
    loop.train(made, tmp_path)
    with pytest.raises(CheckpointError, match=r"training\.lr: found 0\.002 in the state, now 0\.5"):
        loop.train(with_(made, training={"lr": 0.5}), tmp_path, resume=True)
    result = loop.train(with_(made, training={"epochs": 2}), tmp_path, resume=True)
    assert "goes on with a change: training.epochs: found 1 in the state, now 2" in capsys.readouterr().err
    assert len(lines(tmp_path, "val")) == 2
    assert result.reason == "finished"


def test_another_store_is_not_gone_on_with(small_corpus: Path, small_store: Path, tmp_path: Path) -> None:
    made = config(small_store, epochs=1)
    loop.train(made, tmp_path / "run")
    corpus = shutil.copytree(small_corpus, tmp_path / "edf")
    one = sorted((corpus / "train").rglob("*.csv_bi"))[0]
    one.write_text(one.read_text().replace("seiz", "bckg"))
    sk.build_cache(corpus, tmp_path / "cache")
    with pytest.raises(CheckpointError, match="the state was trained on other data"):
        loop.train(with_(made, cache={"dir": str(tmp_path / "cache")}), tmp_path / "run", resume=True)


def test_a_damaged_newest_state_is_named_and_the_one_before_it_gone_on_with(
    small_store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = config(small_store)
    loop.train(made, tmp_path)
    newest = sorted((tmp_path / "checkpoints").iterdir())[-1]
    newest.write_bytes(newest.read_bytes()[:-10])
    loop.train(made, tmp_path, resume=True)
    assert f"{newest}: damaged" in capsys.readouterr().err
    assert len(lines(tmp_path, "val")) == 2


def test_training_ends_when_no_epoch_is_better_any_more(small_store: Path, tmp_path: Path) -> None:
    made = with_(config(small_store, epochs=9, lr=1e-12), validation={"patience": 2, "metric": "loss"})
    result = loop.train(made, tmp_path)
    assert result.reason == "no better loss in 2 epochs"
    assert len(lines(tmp_path, "val")) < 9


def test_the_best_epoch_is_that_of_lowest_loss_where_that_is_the_metric(small_store: Path, tmp_path: Path) -> None:
    result = loop.train(with_(config(small_store), validation={"metric": "loss_unweighted"}), tmp_path)
    epochs = lines(tmp_path, "val")
    assert result.metrics["loss_unweighted"] == min(line["val/loss_unweighted"] for line in epochs)


def test_a_smoke_test_takes_some_steps_and_has_a_name_of_its_own(
    small_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BGB_SMOKE_TEST", "1")
    result = loop.train(config(small_store, epochs=900))
    assert result.checkpoint == Path("runs/tiny-smoke/best.safetensors")
    assert len(losses(tmp_path / "runs" / "tiny-smoke")) == 20


def test_the_first_recordings_alone_are_trained_on_where_that_is_asked_for(
    small_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BGB_LIMIT_FILES", "2")
    seen: set[int] = set()
    add = Learner.add

    def noted(self: Learner, x: Any, y: Any, numbers: Any, *rest: Any) -> None:
        seen.update(sk.open_cache(small_store).windows(20.0, 10.0).recording[numbers].tolist())
        add(self, x, y, numbers, *rest)

    monkeypatch.setattr(Learner, "add", noted)
    loop.train(with_(config(small_store, epochs=1), loader={"balanced": False}), tmp_path)
    assert seen == {0, 1}
    assert "of the first 2 recordings alone: BGB_LIMIT_FILES" in capsys.readouterr().err


def test_a_step_that_is_not_finite_is_left_out_counted_and_told(
    small_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    spoil(monkeypatch, lambda step: step in (3, 5))
    loop.train(config(small_store, epochs=1), tmp_path)
    found = [line["train/loss"] for line in lines(tmp_path, "train")]
    assert [i + 1 for i, loss in enumerate(found) if loss is None] == [3, 5]
    assert lines(tmp_path, "train")[-1]["train/skipped"] == 2
    assert "step 3: loss nan, norm of the gradient nan, wanted finite numbers; the step is left out; windows [" in (
        capsys.readouterr().err
    )
    assert math.isfinite(lines(tmp_path, "val")[0]["val/loss"])


@pytest.mark.parametrize("precision", ["float32", "float16"])
def test_steps_in_a_row_that_are_not_finite_stop_the_run_with_a_state_saved(
    small_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, precision: str
) -> None:
    spoil(monkeypatch, lambda step: step > 2)
    made = config(small_store, stop_after_nonfinite=3, precision=precision)
    with pytest.raises(NotFiniteError, match=r"step 5: loss nan.*in 3 steps in a row.*windows \[\d+, ") as e:
        loop.train(made, tmp_path)
    assert e.value.exit_code == 5
    state = newest_state(tmp_path / "checkpoints", pytest.fail)
    assert state is not None
    assert state.header["progress"]["skipped_in_a_row"] == 3
    assert all(torch.isfinite(tensor).all() for tensor in state.tensors.values())


def spoil(monkeypatch: pytest.MonkeyPatch, when: Callable[[int], bool]) -> None:
    """Makes the windows of some steps NaN, which are counted from 1."""
    step = itertools.count(1)

    def augmented(x: torch.Tensor, *_: Any) -> torch.Tensor:
        return x * float("nan") if when(next(step)) else x

    monkeypatch.setattr(learner, "augment", augmented)


def test_a_detector_that_says_no_to_everything_is_warned_of(
    small_store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    loop.train(config(small_store, epochs=1, lr=1e-12, pos_weight=1.0), tmp_path)
    said = capsys.readouterr().err
    assert said.count("the detector has learnt to say no") == 1
    assert "training.pos_weight" in said


def test_a_patient_in_train_and_dev_stops_the_run(
    small_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train_store = sk.open_cache(small_store, split="train")
    monkeypatch.setattr(data, "open_cache", lambda *_, **__: train_store)
    with pytest.raises(CorpusError, match=str(train_store.recordings["patient"][0])):
        loop.train(config(small_store), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_dev_split_without_a_seizure_stops_the_run(
    small_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def without_events(path: str, **options: Any) -> Any:
        cache = sk.open_cache(path, **options)
        cache.events = {name: column[:0] for name, column in cache.events.items()}
        return cache

    monkeypatch.setattr(data, "open_cache", without_events)
    with pytest.raises(CacheError, match="split dev: found no seizure"):
        loop.train(config(small_store), tmp_path)


@pytest.mark.parametrize("required", [True, ["triton"]])
def test_kernels_that_the_configuration_requires_and_that_do_not_serve_stop_the_run(
    small_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, required: bool | list[str]
) -> None:
    monkeypatch.setenv("SEIZURE_MAMBA_FORCE_FALLBACK", "1")
    dispatch.forget()
    made = with_(config(small_store), model={"require_kernels": required})
    try:
        with pytest.raises(BackendError, match=r"model\.require_kernels: .*SEIZURE_MAMBA_FORCE_FALLBACK is set"):
            loop.train(made, tmp_path)
    finally:
        dispatch.forget()
    assert not list(tmp_path.glob("checkpoints/*"))


def test_a_detector_is_trained_from_an_object_store_as_from_a_folder(
    small_store: Path, remote_store: str, tmp_path: Path
) -> None:
    local = config(small_store, epochs=1)
    remote = with_(local, cache={"dir": remote_store, "local_dir": str(tmp_path / "shards")})
    for name, made in (("local", local), ("remote", remote)):
        loop.train(made, tmp_path / name)
    assert losses(tmp_path / "local") == losses(tmp_path / "remote")
    assert list((tmp_path / "shards").glob("*/0"))
