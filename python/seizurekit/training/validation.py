"""How good a detector is on whole recordings of ``dev``: by events, by samples, and by the loss of its training.

Each recording is stitched from overlapping windows to its last sample and scored by itself, so that nothing is counted
twice or joined across recordings; counts and sums are then pooled.
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
from seizurekit.recordings.annotations import Event
from seizurekit.scoring.calibration import BINS, calibration_error, calibration_sums, squared_error
from seizurekit.scoring.curves import CurveBuilder
from seizurekit.signal.chain import Chain
from seizurekit.training.loss import seizure_loss
from seizurekit.training.precision import autocast
from seizurekit.training.ranks import Ranks

Float32 = npt.NDArray[np.float32]
UInt8 = npt.NDArray[np.uint8]

ALONE = Ranks()

SUREST = 2.0**-24
"""What float32 can tell of a probability near 1, and so the nearest to 0 or 1 that the loss takes one to be."""


@dataclass(frozen=True)
class Validation:
    """A detector's scores.

    Attributes:
        metrics: by the names of ``config.validation.metrics``; NaN where one is not defined.
        threshold: ``detection.threshold``, or where that is null the one that keeps to ``detection.max_fa_per_24h``.
        recordings: that were scored, on all ranks together.
        seconds: that it took this rank, waiting for the others included.
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
    ranks: Ranks = ALONE,
    *,
    alive: Callable[[str], None] = lambda _: None,
    stop: Callable[[], bool] = lambda: False,
) -> Validation | None:
    """Scores a detector on the annotated recordings of a split.

    Every rank must ask, each reads and computes its share of the recordings, and all end with the same numbers, which
    are those of one process: counts are exact, and sums over samples are added in the store's order.

    ``loss`` is that of the training (``training.loss``, weighted) and ``loss_unweighted`` the plain binary
    cross-entropy, both the mean over the samples of the stitched output.

    Args:
        model: windows float32 [B, 19, T] to logits [B, T]; run where its parameters are, in evaluation mode and the
            precision of ``training.precision``, and given back in its mode. Not wrapped for several devices.
        dev: the split.
        config: which metrics, how events are made, which recordings.
        pos_weight: weight of a seizure sample in ``loss``.
        ranks: those that share the work.
        alive: is told at each recording which one it is.
        stop: is asked before each recording whether to give up.

    Returns:
        None on every rank if any was told to stop.

    Raises:
        CacheError: a recording cannot be read, here or on another rank; this rank's message names it.
        StorageError: the object store cannot be reached.
    """
    began = time.monotonic()
    chosen = chosen_recordings(dev, config.validation.max_recordings)
    own = shares(dev.recordings["samples"][chosen], ranks.world)[ranks.rank]
    totals = _Totals(config, len(chosen))
    of_rank = f" of rank {ranks.rank}" if ranks.world > 1 else ""
    stopped, failed = not own and stop(), None
    was_training = model.training
    model.eval()
    recordings = read_ahead(dev, [int(chosen[i]) for i in own])
    scorer = ThreadPoolExecutor(1, thread_name_prefix="scoring")
    scored: Future[None] | None = None
    try:
        for done, i in enumerate(own, 1):
            if stopped := stop():
                break
            alive(f"validating, recording {done} of {len(own)}{of_rank}")
            recording = next(recordings)
            probability = stitched(model, recording, config)
            if scored is not None:
                scored.result()
            # One recording behind the model, so that an accelerator need not wait for it.
            mask = dev.mask(int(chosen[i]))
            scored = scorer.submit(totals.add, i, probability, mask, recording.annotated or (), pos_weight)
        if scored is not None:
            scored.result()
    except SeizurekitError as error:
        failed = error  # raised once the other ranks know, which would else wait for this one's sums
    finally:
        recordings.close()
        scorer.shutdown()
        model.train(was_training)

    any_stopped, any_failed = ranks.sum([stopped, failed is not None]) > 0
    if failed is not None:
        raise failed
    if any_failed:
        raise CacheError("validation: a recording could not be read on another rank, whose message names it")
    if any_stopped:
        return None
    metrics, threshold = totals.scores(ranks)
    return Validation(metrics, threshold, len(chosen), time.monotonic() - began)


class _Totals:
    """What the metrics are made of, of the recordings that this rank scored.

    Sums over samples have a row a recording: to add the ranks' then adds nothing but zeros to a row, and rows are added
    in the store's order, so that the last bit does not depend on how recordings were divided.
    """

    def __init__(self, config: Config, recordings: int) -> None:
        self._config = config
        self._curve = CurveBuilder(config.detection)
        self._sums = np.zeros((recordings, 4))  # of loss, plain loss, squared error, samples
        self._calibrations = np.zeros((recordings, 3, BINS))

    def add(self, row: int, probability: Float32, mask: UInt8, annotated: Sequence[Event], pos_weight: float) -> None:
        """Adds a recording; from one thread at a time."""
        self._curve.add(probability, bounds(annotated), Chain().sampling_rate)
        losses = loss_sums(probability, mask, self._config, pos_weight)
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


def chosen_recordings(dev: Cache, most: int | None) -> npt.NDArray[np.int64]:
    """Numbers of the recordings that are scored, ascending: those that could be read and that somebody annotated.

    With `most` the first so many, half of them, or one more, with seizures; where there are too few of one kind, more
    of the other.
    """
    numbers = np.flatnonzero(dev.usable & (dev.recordings["samples"] > 0))
    if most is None or len(numbers) <= most:
        return numbers
    has_seizures = np.isin(numbers, dev.events["recording"])
    with_seizures, without = numbers[has_seizures], numbers[~has_seizures]
    half = max(min(len(with_seizures), (most + 1) // 2), most - len(without))
    return np.sort(np.concatenate([with_seizures[:half], without[: most - half]]))


def shares(lengths: npt.ArrayLike, world: int) -> list[list[int]]:
    """Which recordings each rank takes, by position, ascending: the longest first, to whoever has least so far."""
    samples = np.asarray(lengths, np.int64)
    taken: list[list[int]] = [[] for _ in range(world)]
    load = np.zeros(world, np.int64)
    for i in np.argsort(-samples, kind="stable"):
        rank = int(load.argmin())
        taken[rank].append(int(i))
        load[rank] += samples[i]
    return [sorted(each) for each in taken]


def read_ahead(dev: Cache, numbers: Sequence[int]) -> Generator[Recording, None, None]:
    """The recordings with those numbers; while one is used, a thread reads the next."""
    with ThreadPoolExecutor(1, thread_name_prefix="validation") as pool:
        ahead: Future[Recording] | None = None
        for number in numbers:
            read, ahead = ahead, pool.submit(cached_recording, dev, number)
            if read is not None:
                yield read.result()
        if ahead is not None:
            yield ahead.result()


def stitched(model: nn.Module, recording: Recording, config: Config) -> Float32:
    """Probability of a seizure at every sample, float32 [sample], in the training's precision."""
    device = next(model.parameters()).device
    with autocast(device, config.training.precision):
        return probability_of(model, recording, config)


def loss_sums(probability: Float32, mask: UInt8, config: Config, pos_weight: float) -> tuple[float, float]:
    """The loss as it is trained with, and the plain cross-entropy, each summed over a recording's samples."""
    p = torch.from_numpy(probability).double().clamp(SUREST, 1.0 - SUREST)
    logits_BT, mask_BT = torch.logit(p)[None], torch.from_numpy(mask)[None]
    gamma = config.training.focal_gamma if config.training.loss == "focal" else None
    trained, plain = seizure_loss(logits_BT, mask_BT, pos_weight, gamma), seizure_loss(logits_BT, mask_BT, 1.0)
    return trained.item() * len(mask), plain.item() * len(mask)
