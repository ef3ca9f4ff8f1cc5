"""The parts of the training loop: order of windows, learning rate, guards, and that a seed fixes everything."""

from __future__ import annotations

import json
import math
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import seizurekit as sk
from seizurekit.config import Config
from seizurekit.errors import CacheError, ConfigError, CorpusError, NotFiniteError
from seizurekit.training import loop
from seizurekit.training.augment import MIRROR, augment
from seizurekit.training.checkpoint import load_checkpoint
from seizurekit.training.device import pick_device


def config(store: Path, **training: Any) -> Config:
    return Config.model_validate(
        {
            "name": "tiny",
            "seed": 5,
            "cache": {"dir": str(store), "window": 20.0, "stride": 10.0},
            "loader": {"batch_size": 8},
            "model": {"widths": [8, 8, 16], "layers": 1, "headdim": 4, "d_state": 4},
            "training": {"epochs": 2, "device": "cpu", **training},
        }
    )


def test_the_learning_rate_warms_up_from_the_first_step_and_falls_to_nearly_0() -> None:
    made = config(Path("a"), lr=1.0, warmup=0.1)
    rates = [loop.learning_rate(step, 200, made) for step in range(200)]
    assert rates[0] < 0.06
    assert max(rates) == rates[20] == 1.0
    assert all(a < b for a, b in pairwise(rates[:21]))
    assert all(a > b for a, b in pairwise(rates[20:]))
    assert rates[-1] < 1e-3


@pytest.mark.parametrize("warmup", [0.0, 1.0])
def test_a_run_may_have_no_warm_up_or_nothing_else(warmup: float) -> None:
    rates = [loop.learning_rate(step, 10, config(Path("a"), warmup=warmup)) for step in range(10)]
    assert all(0 < rate <= 2e-3 for rate in rates)


def test_biases_and_norms_are_not_decayed() -> None:
    model = sk.models.build(config(Path("a")))
    decayed, others = loop.make_optimizer(model, config(Path("a"), weight_decay=0.3)).param_groups
    assert (decayed["weight_decay"], others["weight_decay"]) == (0.3, 0.0)
    assert all(p.ndim > 1 for p in decayed["params"])
    assert len(decayed["params"]) + len(others["params"]) == len(list(model.parameters()))


def test_mirroring_exchanges_the_sides_and_nothing_else() -> None:
    names = [sk.Chain().channels[i] for i in MIRROR]
    assert names[:8] == list(sk.Chain().channels[11:])
    assert names[8:11] == ["Fz", "Cz", "Pz"]
    assert [MIRROR[i] for i in MIRROR] == list(range(19))


def test_augmented_windows_are_mirrored_or_not_and_scaled_by_channel() -> None:
    torch.manual_seed(0)
    x = torch.randn(64, 19, 32)
    seen = set()
    for before, after in zip(x, augment(x), strict=True):
        for name, source in (("same", before), ("mirrored", before[MIRROR])):
            gain = after / source
            if torch.allclose(gain, gain[:, :1].expand_as(gain), rtol=1e-3):
                seen.add(name)
                assert (gain > 0.2).all()
                assert (gain < 5).all()
    assert seen == {"same", "mirrored"}


def test_a_device_that_is_not_there_is_refused() -> None:
    assert pick_device("cpu", "training.device").type == "cpu"
    with pytest.raises(ConfigError, match=r"training\.device: found cuda:77"):
        pick_device("cuda:77", "training.device")


def test_training_keeps_the_best_epoch_and_every_figure(small_store: Path, tmp_path: Path) -> None:
    result = loop.train(config(small_store), tmp_path / "run")
    lines = [json.loads(line) for line in result.log.read_text().splitlines()]
    epochs = [line for line in lines if line["kind"] == "epoch"]
    steps = [line for line in lines if line["kind"] == "step"]
    assert [line["step"] for line in steps] == list(range(1, len(steps) + 1))
    assert len(epochs) == 2
    assert all(math.isfinite(line["loss"]) for line in lines)
    best = max(epochs, key=lambda line: (line["sensitivity_at_10_fa"], line["auroc"]))
    assert result.epoch == best["epoch"]
    loaded = load_checkpoint(result.checkpoint)
    assert (loaded.epoch, loaded.threshold) == (best["epoch"], best["threshold"])
    assert loaded.metrics == result.metrics
    windows = sk.BalancedSeizureDataset(small_store, window=20.0, seed=5)
    assert loaded.seizure_ratio == windows.seizure_ratio


def test_the_same_seed_trains_the_same_detector_with_and_without_workers(small_store: Path, tmp_path: Path) -> None:
    one = config(small_store, epochs=1)
    other = one.model_copy(update={"loader": one.loader.model_copy(update={"kind": "torch", "num_workers": 1})})
    logs = [loop.train(made, tmp_path / str(i)).log for i, made in enumerate((one, one, other))]
    losses = [[json.loads(line)["loss"] for line in log.read_text().splitlines()] for log in logs]
    assert losses[0] == losses[1]
    np.testing.assert_allclose(losses[0], losses[2], rtol=1e-6)


def test_a_threshold_in_the_configuration_is_kept(small_store: Path, tmp_path: Path) -> None:
    made = config(small_store, epochs=1)
    made = made.model_copy(update={"detection": made.detection.model_copy(update={"threshold": 0.321})})
    assert loop.train(made, tmp_path).threshold == 0.321


def test_a_loss_that_is_not_finite_stops_the_run_and_names_the_windows(
    small_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "augment", lambda x: x * float("nan"))
    with pytest.raises(NotFiniteError, match=r"step 1: loss: found nan, wanted a finite number; windows \[\d+, ") as e:
        loop.train(config(small_store), tmp_path)
    assert e.value.exit_code == 5
    assert not list(tmp_path.glob("*.safetensors"))


def test_a_patient_in_train_and_dev_stops_the_run(
    small_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train_store = sk.open_cache(small_store, split="train")
    monkeypatch.setattr(loop, "open_cache", lambda *_, **__: train_store)
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

    monkeypatch.setattr(loop, "open_cache", without_events)
    with pytest.raises(CacheError, match="split dev: found no seizure"):
        loop.train(config(small_store), tmp_path)


def test_a_detector_is_trained_from_an_object_store_as_from_a_folder(
    small_store: Path, remote_store: str, tmp_path: Path
) -> None:
    local = config(small_store, epochs=1)
    kept = {"dir": remote_store, "local_dir": str(tmp_path / "shards")}
    remote = local.model_copy(update={"cache": local.cache.model_copy(update=kept)})
    logs = [loop.train(made, tmp_path / name).log for name, made in (("local", local), ("remote", remote))]
    losses = [[json.loads(line)["loss"] for line in log.read_text().splitlines()] for log in logs]
    assert losses[0] == losses[1]
    assert list((tmp_path / "shards").glob("*/0"))
