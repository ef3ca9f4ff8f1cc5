"""The recordings that a detector is scored on, one at a time, from a store or from a folder of EDF files."""

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
        signal: float32 [19, sample] at the chain's rate.
        annotated: its seizures in order of time; None where nobody annotated it.
    """

    id: str
    signal: Float32
    annotated: tuple[Event, ...] | None


def cached_recordings(cache: Cache) -> Iterator[Recording]:
    """The recordings of a split of a store that could be read."""
    columns = cache.recordings
    for number in np.flatnonzero((columns["status"] != FAILED) & (columns["samples"] > 0)):
        yield cached_recording(cache, int(number))


def cached_recording(cache: Cache, number: int) -> Recording:
    """The recording with that number in a split of a store.

    Raises:
        CacheError: a chunk is damaged; the message names recording, shard, chunk and bytes.
        StorageError: the object store cannot be reached.
    """
    events, columns = cache.events, cache.recordings
    own = np.flatnonzero(events["recording"] == number)
    seizures = (Event(float(events["start"][i]), float(events["stop"][i]), str(events["label"][i])) for i in own)
    annotated = None if columns["status"][number] == UNLABELLED else tuple(seizures)
    return Recording(str(columns["id"][number]), cache.read(number), annotated)


def corpus_recordings(
    files: Iterable[RecordingFile], failed: Callable[[RecordingFile, Exception], None]
) -> Iterator[Recording]:
    """The recordings of EDF files, preprocessed; `failed` is told of those that cannot be read, which are left out."""
    for file in files:
        try:
            with open_edf(file.edf) as edf:
                signal = preprocess(edf, Chain())
            annotated = None
            if file.annotations is not None:
                annotated = read_annotations(file.annotations).clip(signal.shape[1] / Chain().sampling_rate).seizures()
        except (SeizurekitError, OSError) as error:
            failed(file, error)
            continue
        yield Recording(file.id, signal, annotated)


def bounds(events: Iterable[Event]) -> npt.NDArray[np.float64]:
    """Starts and stops in seconds, float64 [event, 2]."""
    return np.array([(event.start, event.stop) for event in events], np.float64).reshape(-1, 2)


def probability_of(model: torch.nn.Module, recording: Recording, config: Config) -> Float32:
    """Probability of a seizure at every sample, float32 [sample], by windows as long as those of the training."""
    return seizure_probability(model, recording.signal, int(config.cache.window * Chain().sampling_rate))
