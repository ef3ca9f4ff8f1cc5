"""Scores of a detector on whole recordings of ``dev``: by events, by samples, and by the loss of the training.

Each recording is stitched from overlapping windows to its last sample and scored on its own, so that nothing is counted
twice or joined across recordings. Counts and sums are then pooled.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from seizurekit.cache.store import Cache
from seizurekit.config import Config
from seizurekit.config.sections import sensitivity_at
from seizurekit.errors import CacheError, SeizurekitError
from seizurekit.evaluation.recordings import Recording, bounds, cached_recording, probability_of
from seizurekit.models.device import autocast
from seizurekit.recordings.annotations import Event
from seizurekit.scoring.calibration import BINS, calibration_error, calibration_sums, squared_error
from seizurekit.scoring.curves import CurveBuilder
from seizurekit.signal.chain import Chain
from seizurekit.training.loss import seizure_loss
from seizurekit.training.ranks import Ranks

Float32 = npt.NDArray[np.float32]
UInt8 = npt.NDArray[np.uint8]

ONE_PROCESS = Ranks()

SMALLEST_PROBABILITY = 2.0**-24
"""The loss clamps probabilities to this distance from 0 and 1, which is the resolution of float32 near 1."""


@dataclass(frozen=True)
class Validation:
    """Result of a validation.

    Attributes:
        metrics: scores by the names in ``config.validation.metrics``; NaN if one is not defined.
        threshold: ``detection.threshold``, or if that is null the threshold that keeps to ``detection.max_fa_per_24h``.
        recordings: number of scored recordings, on all ranks together.
        seconds: duration on this rank, including the wait for other ranks.
    """

    metrics: dict[str, float]
    threshold: float
    recordings: int
    seconds: float


def validate(
    model: nn.Module,
    dev: Cache,
    config: Config,
    pos_weight: float,
    ranks: Ranks = ONE_PROCESS,
    *,
    note_activity: Callable[[str], None] = lambda _: None,
    stop: Callable[[], bool] = lambda: False,
) -> Validation | None:
    """Scores a detector on the annotated recordings of a split.

    Every rank must call this. Each rank reads and computes some of the recordings, and all get the same result,
    which equals that of one process: counts are exact, and sums over samples are added in the order of the store.

    ``loss`` is the loss of the training (``training.loss``, weighted) and ``loss_unweighted`` the plain binary
    cross-entropy, both as means over the samples of the stitched output.

    Args:
        model: windows float32 [B, 19, T] to logits [B, T]. It runs on the device of its parameters, in evaluation mode
            and in ``training.precision``; its mode is restored. Not wrapped for several devices.
        dev: the split.
        config: the metrics, the rules for events, and the number of recordings.
        pos_weight: weight of a seizure sample in ``loss``.
        ranks: the ranks that share the work.
        note_activity: called for each recording with a line about it, for the heartbeat.
        stop: asked before each recording whether to stop.

    Returns:
        The scores; None on every rank if `stop` was true on any of them.

    Raises:
        CacheError: a recording cannot be read, here or on another rank; this rank's message names it.
        StorageError: the object store cannot be reached.
    """
    began = time.monotonic()
    chosen = choose_recordings(dev, config.validation.max_recordings)
    rows = divide_by_length(dev.recordings["samples"][chosen], ranks.world)[ranks.rank]
    totals = _Totals(config, pos_weight, len(chosen))
    of_rank = f" of rank {ranks.rank}" if ranks.world > 1 else ""
    stopped, failure = not rows and stop(), None
    was_training = model.training
    model.eval()
    recordings = read_ahead(dev, [int(chosen[row]) for row in rows])
    scorer = ThreadPoolExecutor(1, thread_name_prefix="scoring")
    scored: Future[None] | None = None
    try:
        for count, row in enumerate(rows, 1):
            if stopped := stop():
                break
            note_activity(f"validating, recording {count} of {len(rows)}{of_rank}")
            recording = next(recordings)
            probability = predict(model, recording, config)
            if scored is not None:
                scored.result()
            # Scores one recording while the model runs on the next, so that a GPU does not wait.
            mask = dev.mask(int(chosen[row]))
            scored = scorer.submit(totals.add, row, probability, mask, recording.annotated or ())
        if scored is not None:
            scored.result()
    except SeizurekitError as error:
        failure = error  # raised below, once the other ranks know; they would wait for this rank's sums
    finally:
        recordings.close()
        scorer.shutdown()
        model.train(was_training)

    any_stopped, any_failed = ranks.sum([stopped, failure is not None]) > 0
    if failure is not None:
        raise failure
    if any_failed:
        raise CacheError("validation: another rank could not read a recording; see the errors of the other ranks above")
    if any_stopped:
        return None
    metrics, threshold = totals.scores(ranks)
    return Validation(metrics, threshold, len(chosen), time.monotonic() - began)


class _Totals:
    """Counts and sums of the recordings that this rank scored, from which the metrics are computed.

    Sums over samples have one row per recording. The sum over ranks then adds only zeros to a row, and rows are added
    in the order of the store, so the last bit does not depend on the division into ranks.
    """

    def __init__(self, config: Config, pos_weight: float, recordings: int) -> None:
        self._config, self._pos_weight = config, pos_weight
        self._curve = CurveBuilder(config.detection)
        self._sums = np.zeros((recordings, 4))  # loss, plain loss, squared error, samples
        self._calibrations = np.zeros((recordings, 3, BINS))

    def add(self, row: int, probability: Float32, mask: UInt8, annotated: Sequence[Event]) -> None:
        """Adds a recording; not from two threads at the same time."""
        self._curve.add(probability, bounds(annotated), Chain().sampling_rate)
        losses = loss_sums(probability, mask, self._config, self._pos_weight)
        self._sums[row] = (*losses, squared_error(probability, mask), len(mask))
        self._calibrations[row] = calibration_sums(probability, mask)

    def scores(self, ranks: Ranks) -> tuple[dict[str, float], float]:
        """Metrics and threshold over all ranks."""
        config = self._config
        curve = CurveBuilder.from_sums(config.detection, ranks.sum(self._curve.sums())).curve()
        *sums, samples = ranks.sum(self._sums).sum(0)
        loss, loss_unweighted, brier = np.array(sums) / (samples or np.nan)
        metrics = {
            **{sensitivity_at(fa): curve.sensitivity_at(fa) for fa in config.validation.false_alarm_rates},
            "auroc": curve.auroc,
            "loss": float(loss),
            "loss_unweighted": float(loss_unweighted),
            "brier": float(brier),
            "calibration_error": calibration_error(ranks.sum(self._calibrations).sum(0)),
        }
        return metrics, config.detection.threshold or curve.threshold_at(config.detection.max_fa_per_24h)


def choose_recordings(dev: Cache, limit: int | None) -> npt.NDArray[np.int64]:
    """Indices of the recordings to score, ascending: those that are readable and annotated.

    With a limit, half of them, rounded up, are the first recordings with seizures, and the rest are the first without;
    if there are too few of one kind, more of the other are taken.
    """
    indices = np.flatnonzero(dev.usable & (dev.recordings["samples"] > 0))
    if limit is None or len(indices) <= limit:
        return indices
    has_seizures = np.isin(indices, dev.events["recording"])
    with_seizures, without = indices[has_seizures], indices[~has_seizures]
    half = max(min(len(with_seizures), (limit + 1) // 2), limit - len(without))
    return np.sort(np.concatenate([with_seizures[:half], without[: limit - half]]))


def divide_by_length(lengths: npt.ArrayLike, world: int) -> list[list[int]]:
    """Positions of each rank's recordings, ascending; each, longest first, goes to the rank with the least so far."""
    samples = np.asarray(lengths, np.int64)
    shares: list[list[int]] = [[] for _ in range(world)]
    load = np.zeros(world, np.int64)
    for i in np.argsort(-samples, kind="stable"):
        rank = int(load.argmin())
        shares[rank].append(int(i))
        load[rank] += samples[i]
    return [sorted(share) for share in shares]


def read_ahead(dev: Cache, indices: Sequence[int]) -> Generator[Recording, None, None]:
    """The recordings with these indices; a thread reads the next one while one is in use."""
    with ThreadPoolExecutor(1, thread_name_prefix="validation") as pool:
        ahead: Future[Recording] | None = None
        for index in indices:
            current, ahead = ahead, pool.submit(cached_recording, dev, index)
            if current is not None:
                yield current.result()
        if ahead is not None:
            yield ahead.result()


def predict(model: nn.Module, recording: Recording, config: Config) -> Float32:
    """Probability of a seizure at every sample, float32 [sample], in the precision of the training."""
    device = next(model.parameters()).device
    with autocast(device, config.training.precision):
        return probability_of(model, recording, config)


def loss_sums(probability: Float32, mask: UInt8, config: Config, pos_weight: float) -> tuple[float, float]:
    """The loss of the training and the plain cross-entropy, each summed over the samples of a recording."""
    p = torch.from_numpy(probability).double().clamp(SMALLEST_PROBABILITY, 1.0 - SMALLEST_PROBABILITY)
    logits_BT, mask_BT = torch.logit(p)[None], torch.from_numpy(mask)[None]
    gamma = config.training.focal_gamma if config.training.loss == "focal" else None
    loss, plain = seizure_loss(logits_BT, mask_BT, pos_weight, gamma), seizure_loss(logits_BT, mask_BT, 1.0)
    return loss.item() * len(mask), plain.item() * len(mask)
