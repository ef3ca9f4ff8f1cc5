"""Evaluation of a trained detector on the whole recordings of a split, and the files with its results."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seizurekit.atomic import write_atomic
from seizurekit.cache.store import open_cache
from seizurekit.detection.events import detect_events
from seizurekit.detection.export import Detection, write_detection
from seizurekit.detection.report import ReportPage, write_report
from seizurekit.errors import CacheError, CorpusError
from seizurekit.evaluation.detector_file import TrainedDetector
from seizurekit.evaluation.recordings import Recording, bounds, cached_recordings, corpus_recordings, probability_of
from seizurekit.json_files import without_nan
from seizurekit.recordings.annotations import Event
from seizurekit.recordings.corpus import find_recordings
from seizurekit.scoring.curves import Curve, CurveBuilder
from seizurekit.scoring.overlap import Score, score_by_overlap
from seizurekit.scoring.plot import write_curve
from seizurekit.signal.chain import Chain
from seizurekit.version import __version__

SCORER = f"seizurekit {__version__}, events by any overlap"
CURVE_RATES = (1.0, 5.0, 10.0, 24.0)
"""False alarms per 24 h at which the sensitivity is reported."""


@dataclass(frozen=True)
class RecordingResult:
    """Result of one recording: its duration in seconds, detected events and score; None if it has no annotations."""

    id: str
    duration: float
    events: tuple[Event, ...]
    score: Score | None


@dataclass(frozen=True)
class Evaluation:
    """Result of an evaluation.

    Attributes:
        results: one for each recording.
        score: score of all annotated recordings together, at the threshold of the detector; None if there are none.
        curve: their scores over all thresholds; None if there are none.
        failed: the recordings that could not be read, each with the reason.
        files: output files: metrics, events, report, and the curve if there is one.
    """

    results: tuple[RecordingResult, ...]
    score: Score | None
    curve: Curve | None
    failed: tuple[str, ...]
    files: tuple[Path, ...]


def evaluate_cache(detector: TrainedDetector, cache_dir: str, split: str, out: Path) -> Evaluation:
    """Evaluates a detector on a split of a store and writes the results into the folder `out`.

    Raises:
        CacheError: the store or split is missing, has no recordings, or was built with another chain.
    """
    recordings = cached_recordings(open_cache(cache_dir, split=split, chain=Chain()))
    scored = _score_recordings(detector, recordings)
    if scored.page is None:
        raise CacheError(f"{cache_dir}: split {split}: no recording has a signal, expected one or more")
    return _write_results(detector, split, out, scored, scored.page, ())


def evaluate_corpus(detector: TrainedDetector, data_dir: str, split: str, out: Path) -> Evaluation:
    """Evaluates a detector on a split of a folder of EDF files; the rest is as in `evaluate_cache`.

    Raises:
        CorpusError: the folder or split is missing, or none of its recordings can be read.
    """
    failed: list[str] = []
    files = find_recordings(data_dir, split).recordings
    recordings = corpus_recordings(files, lambda file, error: failed.append(f"{file.id}: {error}"))
    scored = _score_recordings(detector, recordings)
    if scored.page is None:
        raise CorpusError(
            f"{data_dir}: split {split}: none of the {len(files)} recordings can be read; first error: {failed[0]}"
        )
    return _write_results(detector, split, out, scored, scored.page, failed)


@dataclass(frozen=True)
class _Scored:
    """The results, the curve over the annotated recordings, and a report page of the most interesting recording."""

    results: list[RecordingResult]
    curve: Curve | None
    page: ReportPage | None


def _score_recordings(detector: TrainedDetector, recordings: Iterable[Recording]) -> _Scored:
    """Scores recordings; no more than two of them are in memory at a time."""
    rate, config, threshold = Chain().sampling_rate, detector.config, detector.threshold
    results: list[RecordingResult] = []
    curve = CurveBuilder(config.detection)
    page, best_interest = None, -1
    for recording in recordings:
        probability = probability_of(detector.model, recording, config)
        events = detect_events(probability, rate, threshold, config.detection)
        duration, score = len(probability) / rate, None
        if recording.annotated is not None:
            curve.add(probability, bounds(recording.annotated), rate)
            score = score_by_overlap(bounds(recording.annotated), bounds(events), duration)
        results.append(RecordingResult(recording.id, duration, events, score))
        if (interest := _interest(score, events)) > best_interest:
            best_interest = interest
            page = ReportPage(recording.id, recording.signal, rate, probability, threshold, recording.annotated, events)
    annotated = any(result.score is not None for result in results)
    return _Scored(results, curve.curve() if annotated else None, page)


def _interest(score: Score | None, events: Sequence[Event]) -> int:
    """How much a recording is worth a report page: found seizures first, then missed ones, then other detections."""
    if score is not None and score.tp + score.fn:
        return 3 if score.tp else 2
    return 1 if events else 0


def _write_results(
    detector: TrainedDetector, split: str, out: Path, scored: _Scored, page: ReportPage, failed: Sequence[str]
) -> Evaluation:
    scores = [result.score for result in scored.results if result.score is not None]
    score = sum(scores, Score()) if scores else None
    for result in scored.results:
        events = Detection(result.id, result.duration, None, detector.threshold, result.events)
        write_detection(out / "events" / f"{result.id}.csv_bi", events)
    files = [out / "metrics.json", out / "events", out / "report.png"]
    write_report(out / "report.png", page)
    if scored.curve is not None and score is not None:
        operating_point = (score.sensitivity, score.fa_per_24h)
        write_curve(out / "curve.png", scored.curve, operating_point, f"{detector.config.name}, {split}")
        files.append(out / "curve.png")
    evaluation = Evaluation(tuple(scored.results), score, scored.curve, tuple(failed), tuple(files))
    metrics = json.dumps(without_nan(_metrics(detector, split, evaluation)), indent=2, allow_nan=False)
    write_atomic(out / "metrics.json", (metrics + "\n").encode())
    return evaluation


def _metrics(detector: TrainedDetector, split: str, evaluation: Evaluation) -> dict[str, Any]:
    """Content of metrics.json."""
    curve = evaluation.curve
    return {
        "scorer": SCORER,
        "name": detector.config.name,
        "epoch": detector.epoch,
        "split": split,
        "hours": sum(result.duration for result in evaluation.results) / 3600.0,
        "threshold": detector.threshold,
        "score": _score_values(evaluation.score),
        "auroc": curve.auroc if curve else None,
        "sensitivity_at_fa_per_24h": {f"{fa:g}": curve.sensitivity_at(fa) for fa in CURVE_RATES} if curve else None,
        "curve": [
            {
                "threshold": float(threshold),
                "sensitivity": score.sensitivity,
                "fa_per_24h": score.fa_per_24h,
                "usable": bool(usable),
            }
            for threshold, score, usable in zip(curve.thresholds, curve.scores, curve.usable, strict=True)
        ]
        if curve
        else None,
        "recordings": [
            {"id": r.id, "duration": r.duration, "detected": len(r.events), "score": _score_values(r.score)}
            for r in evaluation.results
        ],
        "failed": list(evaluation.failed),
    }


def _score_values(score: Score | None) -> dict[str, Any] | None:
    """A score in JSON; null, not zeros, if there are no annotations to score against."""
    if score is None:
        return None
    return {
        "tp": score.tp,
        "fp": score.fp,
        "fn": score.fn,
        "sensitivity": score.sensitivity,
        "precision": score.precision,
        "f1": score.f1,
        "fa_per_24h": score.fa_per_24h,
    }
