"""One recording through a trained detector, from the EDF file to events."""

from __future__ import annotations

from os import PathLike
from pathlib import Path

from seizurekit.detection.events import detect_events
from seizurekit.detection.export import Detection
from seizurekit.detection.report import ReportPage
from seizurekit.errors import OutputError
from seizurekit.evaluation.detector_file import Checkpoint
from seizurekit.evaluation.recordings import Recording, probability_of
from seizurekit.recordings.annotations import Event, read_annotations
from seizurekit.recordings.edf import open_edf
from seizurekit.signal.chain import Chain
from seizurekit.signal.preprocess import preprocess


def detect_recording(checkpoint: Checkpoint, path: str | PathLike[str]) -> tuple[Detection, ReportPage]:
    """Detects the seizures in an EDF or BDF file.

    Args:
        checkpoint: the detector.
        path: the recording; a ``.csv_bi`` or ``.csv`` file of the same name beside it is taken as its annotations.

    Returns:
        What was detected, and what a report of it shows.

    Raises:
        EdfError: the file cannot be read.
        ChannelError: an electrode is missing.
        AnnotationError: there are annotations beside it that cannot be read.
    """
    path, chain = Path(path), Chain()
    with open_edf(path) as edf:
        start_time = edf.start_time
        signal = preprocess(edf, chain)
    duration = signal.shape[1] / chain.sampling_rate
    annotated = _annotations_beside(path, duration)
    probability = probability_of(checkpoint.model, Recording(path.stem, signal, annotated), checkpoint.config)
    events = detect_events(probability, chain.sampling_rate, checkpoint.threshold, checkpoint.config.detection)
    detection = Detection(path.stem, duration, start_time, checkpoint.threshold, events)
    page = ReportPage(path.stem, signal, chain.sampling_rate, probability, checkpoint.threshold, annotated, events)
    return detection, page


def check_output_path(recording: Path, out: Path) -> None:
    """Raises an OutputError if the events would replace the recording or its annotation file."""
    for kept in (recording, *_annotation_files(recording)):
        if out.resolve() == kept.resolve():
            raise OutputError(f"{out}: this is the recording or its annotations, choose another name for the events")


def _annotation_files(recording: Path) -> list[Path]:
    beside = (recording.with_suffix(suffix) for suffix in (".csv_bi", ".csv"))
    return [path for path in beside if path.is_file()]


def _annotations_beside(recording: Path, duration: float) -> tuple[Event, ...] | None:
    for path in _annotation_files(recording):
        return read_annotations(path).clip(duration).seizures()
    return None
