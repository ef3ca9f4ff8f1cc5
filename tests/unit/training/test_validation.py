"""Validation: every metric against a plain computation, and two processes against one."""

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
from rank_processes import run_on_ranks
from seizurekit.cache.store import Cache, open_cache
from seizurekit.config import Config
from seizurekit.detection.events import detect_events
from seizurekit.detection.stitch import seizure_probability
from seizurekit.errors import CacheError
from seizurekit.recordings.synthetic import write_synthetic_corpus
from seizurekit.scoring.curves import MAX_MATCH_RATIO, THRESHOLDS
from seizurekit.scoring.overlap import Score, matched_seconds, score_by_overlap
from seizurekit.training.ranks import Ranks
from seizurekit.training.validation import Validation, choose_recordings, divide_by_length, validate
from tiny import tiny_config

WEIGHT = 2.3


def config(**sections: Any) -> Config:
    return tiny_config(cache={"window": 20.0}, **sections)


class Amplitude(nn.Module):
    """Its logits rise with the amplitude of the signal: it finds some seizures, and has false alarms."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(2.0))

    def forward(self, x_BCT: Tensor) -> Tensor:
        power = nn.functional.avg_pool1d(x_BCT.abs().mean(1, keepdim=True), 513, stride=1, padding=256)
        return self.scale * (power[:, 0] - 0.9) * 4.0


def plain_metrics(dev: Cache, settings: Config, weight: float) -> dict[str, float]:
    """Every metric, computed from all samples at once, and from the events at one threshold after another."""
    recordings = []
    for index in np.flatnonzero((dev.recordings["status"] == "ok") & (dev.recordings["samples"] > 0)):
        probability = seizure_probability(Amplitude(), dev.read(int(index)), 20 * 256)
        own = dev.events["recording"] == index
        recordings.append((probability, np.stack([dev.events["start"][own], dev.events["stop"][own]], axis=1)))
    p = np.concatenate([probability for probability, _ in recordings]).astype(np.float64)
    y = np.zeros(0, bool)
    for probability, events in recordings:
        at = np.arange(len(probability))[:, None]
        y = np.append(y, ((at >= np.floor(events[:, 0] * 256)) & (at < np.floor(events[:, 1] * 256))).any(1))

    sensitivity = dict.fromkeys(settings.validation.false_alarm_rates, 0.0)
    for threshold in THRESHOLDS:
        score, matched = Score(), np.zeros(2)
        for probability, events in recordings:
            found = detect_events(probability, 256.0, float(threshold), settings.detection)
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
    gamma = settings.training.focal_gamma if settings.training.loss == "focal" else 0.0
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


def assert_close(found: dict[str, float], expected: dict[str, float]) -> None:
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        # the AUROC is computed from 65,536 bins of probability
        assert found[name] == pytest.approx(value, rel=1e-9, abs=1e-4 if name == "auroc" else 0.0), name


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six recordings of dev of 102 to 250 s, three of them with seizures."""
    folder = tmp_path_factory.mktemp("validation")
    write_synthetic_corpus(
        folder / "edf", seed=4, train_patients=1, dev_patients=6, eval_patients=1, minutes=3.0, workers=2
    )
    sk.build_cache(folder / "edf", folder / "cache", split="dev")
    return folder / "cache"


@pytest.fixture
def dev(store: Path) -> Cache:
    return open_cache(store, split="dev")


@pytest.mark.slow
@pytest.mark.parametrize("loss", ["bce", "focal"])
def test_every_metric_equals_a_plain_computation(dev: Cache, loss: str) -> None:
    rates = [500.0, 100.0, 10.0, 2.5]
    settings = config(
        validation={"false_alarm_rates": rates, "metric": "auroc"}, training={"loss": loss, "focal_gamma": 1.5}
    )
    found = validate(Amplitude(), dev, settings, WEIGHT)
    assert found is not None
    assert tuple(found.metrics) == settings.validation.metrics
    assert_close(found.metrics, plain_metrics(dev, settings, WEIGHT))
    assert found.metrics["sensitivity_at_500_fa"] > 0
    assert found.recordings == np.count_nonzero(dev.recordings["status"] == "ok")
    assert found.threshold in THRESHOLDS
    assert found.seconds > 0


def test_a_threshold_in_the_configuration_is_used(dev: Cache) -> None:
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


def test_each_recording_is_reported_and_a_stop_ends_the_validation_between_two(dev: Cache) -> None:
    reported: list[str] = []
    count = np.count_nonzero(dev.usable)
    assert validate(Amplitude(), dev, config(), WEIGHT, note_activity=reported.append) is not None
    assert reported == [f"validating, recording {i} of {count}" for i in range(1, count + 1)]
    reported.clear()
    model = Amplitude()
    assert (
        validate(model, dev, config(), WEIGHT, note_activity=reported.append, stop=lambda: len(reported) == 2) is None
    )
    assert len(reported) == 2
    assert model.training


def test_recordings_without_annotations_are_not_scored(dev: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    status = dev.recordings["status"].copy()
    status[0], status[1] = "unlabelled", "failed"
    monkeypatch.setattr(dev, "recordings", {**dev.recordings, "status": status})
    found = validate(Amplitude(), dev, config(), WEIGHT)
    assert found is not None
    assert found.recordings == len(dev.recordings["id"]) - 2


@pytest.mark.slow
def test_an_undefined_metric_is_nan(dev: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = Amplitude()
    broken.scale = nn.Parameter(torch.tensor(math.nan))
    found = validate(broken, dev, config(), WEIGHT)
    assert found is not None
    assert found.metrics["sensitivity_at_10_fa"] == 0.0
    assert all(math.isnan(found.metrics[name]) for name in ("auroc", "loss", "brier", "calibration_error"))
    monkeypatch.setattr(dev, "events", {name: column[:0] for name, column in dev.events.items()})
    found = validate(Amplitude(), dev, config(), WEIGHT)
    assert found is not None
    assert math.isnan(found.metrics["sensitivity_at_10_fa"])
    assert math.isnan(found.metrics["auroc"])
    assert math.isfinite(found.metrics["loss"])


def test_probabilities_that_round_to_0_or_1_have_a_finite_loss(dev: Cache) -> None:
    certain = Amplitude()
    certain.scale = nn.Parameter(torch.tensor(1e6))
    found = validate(certain, dev, config(), WEIGHT)
    assert found is not None
    assert 0 < found.metrics["loss_unweighted"] < 17


@pytest.fixture
def damaged(store: Path, tmp_path: Path) -> Path:
    """The store with other bytes at the start of its first recording."""
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
    """The parts of a store that `choose_recordings` reads."""

    def __init__(self, with_seizures: list[bool]) -> None:
        self.usable = np.ones(len(with_seizures), bool)
        self.recordings = {"samples": np.full(len(with_seizures), 256)}
        self.events = {"recording": np.repeat(np.flatnonzero(with_seizures), 2)}


@pytest.mark.parametrize(
    ("with_seizures", "limit", "expected"),
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
def test_half_of_a_limited_number_of_recordings_have_seizures(
    with_seizures: str, limit: int | None, expected: list[int]
) -> None:
    listed: Any = Listed([kind == "s" for kind in with_seizures])
    assert choose_recordings(listed, limit).tolist() == expected


def test_the_number_of_recordings_can_be_limited(dev: Cache) -> None:
    found = validate(Amplitude(), dev, config(validation={"max_recordings": 2}), WEIGHT)
    assert found is not None
    assert found.recordings == 2


@pytest.mark.parametrize("world", [1, 2, 3, 8, 40])
def test_recordings_are_divided_evenly_by_length_each_to_one_rank(world: int) -> None:
    lengths = np.random.default_rng(0).integers(1, 1000, 30)
    shares = divide_by_length(lengths, world)
    assert len(shares) == world
    assert sorted(i for share in shares for i in share) == list(range(30))
    assert all(share == sorted(share) for share in shares)
    loads = [lengths[share].sum() for share in shares]
    assert max(loads) <= lengths.sum() / world + lengths.max()
    assert shares == divide_by_length(lengths.tolist(), world)


@pytest.mark.slow
def test_two_processes_have_the_scores_of_one_and_stop_together(store: Path, damaged: Path) -> None:
    alone = run_validations(Ranks(), str(store), str(damaged))
    both = run_on_ranks(2, run_validations, str(store), str(damaged))
    for found in both:
        assert found["all"] == alone["all"]
        assert found["one"] == alone["one"]
        assert found["stopped"] is None
        assert found["failed"] is not None
    lines = [found["reported"] for found in both]
    assert [own[0].startswith("validating, recording 1 of ") for own in lines] == [True, True]
    assert [own[0].endswith(f" of rank {rank}") for rank, own in enumerate(lines)] == [True, True]
    assert len(lines[0]) + len(lines[1]) == len(alone["reported"])
    assert sum("another rank" in found["failed"] for found in both) == 1


def run_validations(ranks: Ranks, store: str, damaged: str) -> dict[str, Any]:
    """This rank's results for all recordings, for one, with a stop on rank 1, and for a damaged store."""
    dev = open_cache(store, split="dev")
    reported: list[str] = []

    def scores(found: Validation | None) -> Any:
        return None if found is None else (found.metrics, found.threshold, found.recordings)

    results = {
        "all": scores(validate(Amplitude(), dev, config(), WEIGHT, ranks, note_activity=reported.append)),
        # one of the ranks has no recording
        "one": scores(validate(Amplitude(), dev, config(validation={"max_recordings": 1}), WEIGHT, ranks)),
        "stopped": scores(validate(Amplitude(), dev, config(), WEIGHT, ranks, stop=lambda: ranks.rank == 1)),
        "reported": reported,
        "failed": None,
    }
    try:
        validate(Amplitude(), open_cache(damaged, split="dev"), config(), WEIGHT, ranks)
    except CacheError as error:
        results["failed"] = str(error)
    return results
