"""Seizure detection in one recording, from the EDF file to events."""

from __future__ import annotations

from os import PathLike
from pathlib import Path

from seizurekit.detection.events import detect_events
from seizurekit.detection.export import Detection
from seizurekit.detection.report import ReportPage
from seizurekit.errors import OutputError
from seizurekit.evaluation.detector_file import TrainedDetector
from seizurekit.evaluation.recordings import Recording, probability_of
from seizurekit.recordings.annotations import Event, read_annotations
from seizurekit.recordings.edf import open_edf
from seizurekit.signal.chain import Chain
from seizurekit.signal.preprocess import preprocess


def detect_recording(detector: TrainedDetector, path: str | PathLike[str]) -> tuple[Detection, ReportPage]:
    """Detects the seizures in an EDF or BDF file.

    Args:
        detector: the detector.
        path: the recording; the report also shows its annotations, if there is a ``.csv_bi`` or ``.csv`` file of the
            same name.

    Returns:
        The detected events, and the content of a report page.

    Raises:
        EdfError: the recording cannot be read.
        ChannelError: an electrode is missing.
        AnnotationError: the annotation file cannot be read.
    """
    path, chain = Path(path), Chain()
    with open_edf(path) as edf:
        start_time = edf.start_time
        signal = preprocess(edf, chain)
    duration = signal.shape[1] / chain.sampling_rate
    annotated = _annotated_seizures(path, duration)
    probability = probability_of(detector.model, Recording(path.stem, signal, annotated), detector.config)
    events = detect_events(probability, chain.sampling_rate, detector.threshold, detector.config.detection)
    detection = Detection(path.stem, duration, start_time, detector.threshold, events)
    page = ReportPage(path.stem, signal, chain.sampling_rate, probability, detector.threshold, annotated, events)
    return detection, page


def check_output_path(recording: Path, out: Path) -> None:
    """Checks that writing `out` would not replace the recording or its annotations.

    Raises:
        OutputError: it would.
    """
    for source in (recording, *_annotation_files(recording)):
        if out.resolve() == source.resolve():
            raise OutputError(f"{out}: this is the recording or its annotations, choose another name for the events")


def _annotation_files(recording: Path) -> list[Path]:
    """The annotation files next to a recording, in the order of preference."""
    candidates = (recording.with_suffix(suffix) for suffix in (".csv_bi", ".csv"))
    return [path for path in candidates if path.is_file()]


def _annotated_seizures(recording: Path, duration: float) -> tuple[Event, ...] | None:
    for path in _annotation_files(recording):
        return read_annotations(path).clip(duration).seizures()
    return None
