"""Preprocessed recordings for evaluation, one at a time, from a store or from EDF files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from seizurekit.cache.layout import FAILED, UNLABELLED
from seizurekit.cache.store import Cache
from seizurekit.config import Config
from seizurekit.detection.stitch import seizure_probability
from seizurekit.errors import SeizurekitError
from seizurekit.recordings.annotations import Event, read_annotations
from seizurekit.recordings.corpus import RecordingFile
from seizurekit.recordings.edf import open_edf
from seizurekit.signal.chain import Chain
from seizurekit.signal.preprocess import preprocess

Float32 = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Recording:
    """A preprocessed recording.

    Attributes:
        id: its name in the corpus.
        signal: float32 [19, sample] at the sampling rate of the chain.
        annotated: its seizures in order of time; None if it has no annotations.
    """

    id: str
    signal: Float32
    annotated: tuple[Event, ...] | None


def cached_recordings(cache: Cache) -> Iterator[Recording]:
    """The readable recordings of a split of a store, in order."""
    columns = cache.recordings
    for index in np.flatnonzero((columns["status"] != FAILED) & (columns["samples"] > 0)):
        yield cached_recording(cache, int(index))


def cached_recording(cache: Cache, index: int) -> Recording:
    """One recording of a split of a store, by its index in the split.

    Raises:
        CacheError: a chunk is damaged; the message names recording, shard, chunk and bytes.
        StorageError: the object store cannot be reached.
    """
    events, columns = cache.events, cache.recordings
    own = np.flatnonzero(events["recording"] == index)
    seizures = (Event(float(events["start"][i]), float(events["stop"][i]), str(events["label"][i])) for i in own)
    annotated = None if columns["status"][index] == UNLABELLED else tuple(seizures)
    return Recording(str(columns["id"][index]), cache.read(index), annotated)


def corpus_recordings(
    files: Iterable[RecordingFile], on_failure: Callable[[RecordingFile, Exception], None]
) -> Iterator[Recording]:
    """The recordings of EDF files, preprocessed; a recording that cannot be read goes to `on_failure` instead."""
    chain = Chain()
    for file in files:
        try:
            with open_edf(file.edf) as edf:
                signal = preprocess(edf, chain)
            annotated = None
            if file.annotations is not None:
                duration = signal.shape[1] / chain.sampling_rate
                annotated = read_annotations(file.annotations).clip(duration).seizures()
        except (SeizurekitError, OSError) as error:
            on_failure(file, error)
            continue
        yield Recording(file.id, signal, annotated)


def bounds(events: Iterable[Event]) -> npt.NDArray[np.float64]:
    """Starts and stops of events in seconds, float64 [event, 2]."""
    return np.array([(event.start, event.stop) for event in events], np.float64).reshape(-1, 2)


def probability_of(model: torch.nn.Module, recording: Recording, config: Config) -> Float32:
    """Probability of a seizure at every sample, float32 [sample], from windows of the length used in training."""
    return seizure_probability(model, recording.signal, int(config.cache.window * Chain().sampling_rate))
