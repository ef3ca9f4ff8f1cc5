"""Validation: every figure against a plain computation of it, and the same from two processes as from one."""

from __future__ import annotations

import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import seizurekit as sk
from gloo_ranks import on_ranks
from seizurekit.cache.store import Cache, open_cache
from seizurekit.config import Config
from seizurekit.detection.events import detect_events
from seizurekit.detection.stitch import seizure_probability
from seizurekit.errors import CacheError
from seizurekit.recordings.synthetic import write_synthetic_corpus
from seizurekit.scoring.curves import MAX_MATCH_RATIO, THRESHOLDS
from seizurekit.scoring.overlap import Score, matched_seconds, score_by_overlap
from seizurekit.training.ranks import Ranks
from seizurekit.training.validation import Validation, chosen_recordings, shares, validate

WEIGHT = 2.3


def config(**sections: Any) -> Config:
    model = {"widths": [8, 8, 16], "layers": 1, "headdim": 4, "d_state": 4}
    cache = {"dir": "store", "window": 20.0}
    return Config.model_validate({"name": "a", "cache": cache, "model": model, **sections})


class Amplitude(nn.Module):
    """The logit of a sample is how large the signal is around it: some seizures are found, and there are alarms."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(2.0))

    def forward(self, x_BCT: Tensor) -> Tensor:
        power = nn.functional.avg_pool1d(x_BCT.abs().mean(1, keepdim=True), 513, stride=1, padding=256)
        return self.scale * (power[:, 0] - 0.9) * 4.0


def by_hand(dev: Cache, made: Config, weight: float) -> dict[str, float]:
    """Every metric, from all samples at once and from events at one threshold after the other."""
    recordings = []
    for number in np.flatnonzero((dev.recordings["status"] == "ok") & (dev.recordings["samples"] > 0)):
        probability = seizure_probability(Amplitude(), dev.read(int(number)), 20 * 256)
        own = dev.events["recording"] == number
        recordings.append((probability, np.stack([dev.events["start"][own], dev.events["stop"][own]], axis=1)))
    p = np.concatenate([probability for probability, _ in recordings]).astype(np.float64)
    y = np.zeros(0, bool)
    for probability, events in recordings:
        at = np.arange(len(probability))[:, None]
        y = np.append(y, ((at >= np.floor(events[:, 0] * 256)) & (at < np.floor(events[:, 1] * 256))).any(1))

    sensitivity = dict.fromkeys(made.validation.false_alarm_rates, 0.0)
    for threshold in THRESHOLDS:
        score, matched = Score(), np.zeros(2)
        for probability, events in recordings:
            found = detect_events(probability, 256.0, float(threshold), made.detection)
            bounds = [(event.start, event.stop) for event in found]
            score += score_by_overlap(events, bounds, len(probability) / 256)
            matched += matched_seconds(events, bounds)
        for fa in sensitivity:
            if score.fa_per_24h <= fa and matched[1] <= MAX_MATCH_RATIO * matched[0]:
                sensitivity[fa] = max(sensitivity[fa], score.sensitivity)
    ranked = np.argsort(np.argsort(p[np.lexsort((y, p))], kind="stable")) + 1.0
    sorted_y = y[np.lexsort((y, p))]
    auroc = (ranked[sorted_y].sum() - y.sum() * (y.sum() + 1) / 2) / (y.sum() * (~y).sum())
    entropy = -np.where(y, np.log(p), np.log1p(-p))
    gamma = made.training.focal_gamma if made.training.loss == "focal" else 0.0
    bins = np.ceil(p * 15)
    return {
        **{f"sensitivity_at_{fa:g}_fa": value for fa, value in sensitivity.items()},
        "auroc": float(auroc),
        "loss": float(np.mean(np.where(y, weight, 1.0) * np.where(y, 1 - p, p) ** gamma * entropy)),
        "loss_unweighted": float(entropy.mean()),
        "brier": float(np.mean((p - y) ** 2)),
        "calibration_error": float(
            sum((bins == m).mean() * abs(p[bins == m].mean() - y[bins == m].mean()) for m in set(bins.tolist()))
        ),
    }


def close(found: dict[str, float], wanted: dict[str, float]) -> None:
    assert found.keys() == wanted.keys()
    for name, value in wanted.items():
        # the AUROC is of probabilities in 65,536 bins
        assert found[name] == pytest.approx(value, rel=1e-9, abs=1e-4 if name == "auroc" else 0.0), name


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six recordings of dev, of 102 to 250 s; three of them have seizures."""
    folder = tmp_path_factory.mktemp("validation")
    write_synthetic_corpus(
        folder / "edf", seed=4, train_patients=1, dev_patients=6, eval_patients=1, minutes=3.0, workers=2
    )
    sk.build_cache(folder / "edf", folder / "cache", split="dev")
    return folder / "cache"


@pytest.fixture
def dev(store: Path) -> Cache:
    return open_cache(store, split="dev")


@pytest.mark.parametrize("loss", ["bce", "focal"])
def test_every_metric_is_what_a_plain_computation_gives(dev: Cache, loss: str) -> None:
    rates = [500.0, 100.0, 10.0, 2.5]
    made = config(
        validation={"false_alarm_rates": rates, "metric": "auroc"}, training={"loss": loss, "focal_gamma": 1.5}
    )
    found = validate(Amplitude(), dev, made, WEIGHT)
    assert found is not None
    assert tuple(found.metrics) == made.validation.metrics
    close(found.metrics, by_hand(dev, made, WEIGHT))
    assert found.metrics["sensitivity_at_500_fa"] > 0
    assert found.recordings == np.count_nonzero(dev.recordings["status"] == "ok")
    assert found.threshold in THRESHOLDS
    assert found.seconds > 0


def test_a_threshold_in_the_configuration_is_kept(dev: Cache) -> None:
    found = validate(Amplitude(), dev, config(detection={"threshold": 0.321}), WEIGHT)
    assert found is not None
    assert found.threshold == 0.321


@pytest.mark.parametrize("training", [True, False])
def test_the_model_runs_in_evaluation_mode_and_the_precision_of_the_training(dev: Cache, training: bool) -> None:
    model = sk.models.build(config()).train(training)
    seen: list[tuple[bool, torch.dtype]] = []
    model.head.register_forward_hook(lambda module, _, output: seen.append((module.training, output.dtype)))
    for precision in ("float32", "bfloat16"):
        validate(model, dev, config(training={"precision": precision}, validation={"max_recordings": 1}), WEIGHT)
    assert set(seen) == {(False, torch.float32), (False, torch.bfloat16)}
    assert model.training is training
    assert model.norm.training is training


def test_each_recording_is_told_of_and_a_stop_ends_it_between_two(dev: Cache) -> None:
    told: list[str] = []
    count = np.count_nonzero(dev.usable)
    assert validate(Amplitude(), dev, config(), WEIGHT, alive=told.append) is not None
    assert told == [f"validating, recording {i} of {count}" for i in range(1, count + 1)]
    told.clear()
    model = Amplitude()
    assert validate(model, dev, config(), WEIGHT, alive=told.append, stop=lambda: len(told) == 2) is None
    assert len(told) == 2
    assert model.training


def test_recordings_that_nobody_annotated_are_not_scored(dev: Cache) -> None:
    dev.recordings = {**dev.recordings, "status": dev.recordings["status"].copy()}
    dev.recordings["status"][0], dev.recordings["status"][1] = "unlabelled", "failed"
    found = validate(Amplitude(), dev, config(), WEIGHT)
    assert found is not None
    assert found.recordings == len(dev.recordings["id"]) - 2


def without_seizures(dev: Cache) -> Cache:
    dev.events = {name: column[:0] for name, column in dev.events.items()}
    return dev


def test_what_is_not_defined_is_nan_and_nothing_crashes(dev: Cache) -> None:
    nan = nn.Parameter(torch.tensor(math.nan))
    broken = Amplitude()
    broken.scale = nan
    found = validate(broken, dev, config(), WEIGHT)
    assert found is not None
    assert found.metrics["sensitivity_at_10_fa"] == 0.0
    assert all(math.isnan(found.metrics[name]) for name in ("auroc", "loss", "brier", "calibration_error"))
    found = validate(Amplitude(), without_seizures(dev), config(), WEIGHT)
    assert found is not None
    assert math.isnan(found.metrics["sensitivity_at_10_fa"])
    assert math.isnan(found.metrics["auroc"])
    assert math.isfinite(found.metrics["loss"])


def test_a_detector_that_is_surer_than_float32_has_a_finite_loss(dev: Cache) -> None:
    sure = Amplitude()
    sure.scale = nn.Parameter(torch.tensor(1e6))
    found = validate(sure, dev, config(), WEIGHT)
    assert found is not None
    assert 0 < found.metrics["loss_unweighted"] < 17


@pytest.fixture
def damaged(store: Path, tmp_path: Path) -> Path:
    """The store with other bytes where its first recording begins."""
    shutil.copytree(store, tmp_path / "cache")
    (shard,) = (path for path in (tmp_path / "cache").rglob("*") if path.is_file() and path.stat().st_size > 1e6)
    with shard.open("r+b") as file:
        file.seek(100)
        file.write(bytes(100))
    return tmp_path / "cache"


def test_a_recording_that_cannot_be_read_is_named(damaged: Path) -> None:
    dev = open_cache(damaged, split="dev")
    model = Amplitude()
    with pytest.raises(CacheError, match=f"recording {dev.recordings['id'][0]}: "):
        validate(model, dev, config(), WEIGHT)
    assert model.training


class Listed:
    """As much of a store as the choice of recordings looks at."""

    def __init__(self, with_seizures: list[bool]) -> None:
        self.usable = np.ones(len(with_seizures), bool)
        self.recordings = {"samples": np.full(len(with_seizures), 256)}
        self.events = {"recording": np.repeat(np.flatnonzero(with_seizures), 2)}


@pytest.mark.parametrize(
    ("with_seizures", "most", "wanted"),
    [
        ("nsnsnsns", None, [0, 1, 2, 3, 4, 5, 6, 7]),
        ("nsnsnsns", 99, [0, 1, 2, 3, 4, 5, 6, 7]),
        ("nnnnssss", 4, [0, 1, 4, 5]),
        ("nnnnssss", 3, [0, 4, 5]),
        ("nnnnssss", 1, [4]),
        ("nnnnnnns", 4, [0, 1, 2, 7]),
        ("sssssnss", 4, [0, 1, 2, 5]),
        ("nnnnnnnn", 3, [0, 1, 2]),
        ("ssssssss", 3, [0, 1, 2]),
    ],
)
def test_of_fewer_recordings_half_have_seizures(with_seizures: str, most: int | None, wanted: list[int]) -> None:
    listed: Any = Listed([kind == "s" for kind in with_seizures])
    assert chosen_recordings(listed, most).tolist() == wanted


def test_a_validation_can_be_of_fewer_recordings(dev: Cache) -> None:
    found = validate(Amplitude(), dev, config(validation={"max_recordings": 2}), WEIGHT)
    assert found is not None
    assert found.recordings == 2


@pytest.mark.parametrize("world", [1, 2, 3, 8, 40])
def test_recordings_are_shared_evenly_by_length_each_to_one_rank(world: int) -> None:
    lengths = np.random.default_rng(0).integers(1, 1000, 30)
    made = shares(lengths, world)
    assert len(made) == world
    assert sorted(i for each in made for i in each) == list(range(30))
    assert all(each == sorted(each) for each in made)
    loads = [lengths[each].sum() for each in made]
    assert max(loads) <= lengths.sum() / world + lengths.max()
    assert made == shares(lengths.tolist(), world)


def test_two_processes_give_the_numbers_of_one_and_stop_together(store: Path, damaged: Path) -> None:
    alone = validated_on_ranks(Ranks(), str(store), str(damaged))
    both = on_ranks(2, validated_on_ranks, str(store), str(damaged))
    for found in both:
        assert found["all"] == alone["all"]
        assert found["one"] == alone["one"]
        assert found["stopped"] is None
        assert found["failed"] is not None
    told = [found["told"] for found in both]
    assert [each[0].startswith("validating, recording 1 of ") for each in told] == [True, True]
    assert [each[0].endswith(f" of rank {rank}") for rank, each in enumerate(told)] == [True, True]
    assert len(told[0]) + len(told[1]) == len(alone["told"])
    assert sum("another rank" in found["failed"] for found in both) == 1


def validated_on_ranks(ranks: Ranks, store: str, damaged: str) -> dict[str, Any]:
    """What one rank has of a whole validation, of one recording, of one that rank 1 stops, and of a damaged store."""
    dev = open_cache(store, split="dev")
    told: list[str] = []

    def scores(found: Validation | None) -> Any:
        return None if found is None else (found.metrics, found.threshold, found.recordings)

    made = {
        "all": scores(validate(Amplitude(), dev, config(), WEIGHT, ranks, alive=told.append)),
        # one of the ranks has nothing to do
        "one": scores(validate(Amplitude(), dev, config(validation={"max_recordings": 1}), WEIGHT, ranks)),
        "stopped": scores(validate(Amplitude(), dev, config(), WEIGHT, ranks, stop=lambda: ranks.rank == 1)),
        "told": told,
        "failed": None,
    }
    try:
        validate(Amplitude(), open_cache(damaged, split="dev"), config(), WEIGHT, ranks)
    except CacheError as error:
        made["failed"] = str(error)
    return made
