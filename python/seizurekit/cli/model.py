"""Commands for a detector: `validate`, `train`, `evaluate`, `detect`."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seizurekit import settings

if TYPE_CHECKING:
    from seizurekit.evaluation.evaluate import Evaluation

ConfigFile = Annotated[Path, typer.Argument(metavar="CONFIG", help="YAML file, such as configs/demo.yaml.")]
Overrides = Annotated[
    list[str] | None, typer.Argument(metavar="SECTION.KEY=VALUE", help="Overrides of values in the file.")
]
DetectorFile = Annotated[
    Path, typer.Argument(metavar="DETECTOR", help="Detector file, such as runs/demo/best.safetensors.")
]


def validate(config: ConfigFile, overrides: Overrides = None) -> None:
    """Run the checks of train without training.

    Checks the configuration, the environment variables, the device, the splits train and dev of the store, the sizes of
    the model, that runs/NAME has no other run, and the Weights & Biases key and entity. Prints what would be trained
    on, and writes nothing. Kernels are not checked.

    Example: seizurekit validate configs/demo.yaml cache.dir=/data/cache
    """
    from seizurekit.config import load_config

    loaded = load_config(config, overrides or ())
    settings.check_training()
    from seizurekit.training.checks import check_before_training  # imports torch

    checked = check_before_training(loaded)
    dev = checked.data.dev
    typer.echo(f"{config}: OK")
    for line in checked.data.describe(checked.config):
        typer.echo(line)
    typer.echo(f"dev: {len(dev.recordings['id'])} recordings, {len(dev.events['start'])} seizures")
    typer.echo(f"device: {checked.device}")
    if checked.wandb is not None and checked.wandb.note:
        typer.echo(checked.wandb.note)


def train(
    config: ConfigFile,
    overrides: Overrides = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Resume from the newest training state in runs/NAME, if there is one.")
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the run in runs/NAME.")] = False,
) -> None:
    """Train a detector and write it to runs/NAME.

    Writes the best detector, training states to resume from, metrics.jsonl and TensorBoard files.

    SIGTERM and Ctrl-C finish the current step, save a training state and exit with code 143 and 130. Exit code 5: loss
    or gradient was not finite in too many consecutive steps.

    Several devices: torchrun --nproc-per-node N -m seizurekit train CONFIG

    Example: seizurekit train configs/demo.yaml --resume cache.dir=/data/cache training.epochs=12
    """
    if resume and overwrite:
        raise typer.BadParameter("cannot be combined with --overwrite", param_hint="--resume")
    from seizurekit.config import load_config
    from seizurekit.config.sections import sensitivity_at

    loaded = load_config(config, overrides or ())
    settings.check_training()
    from seizurekit.training.loop import train as run  # imports torch: slow, so configuration errors come first

    process = settings.torchrun()
    is_rank_0 = process is None or process.rank == 0
    if not is_rank_0:
        logging.getLogger("seizurekit").setLevel(logging.WARNING)
    result = run(loaded, resume=resume, overwrite=overwrite)
    if not is_rank_0:
        return
    _show(
        ("best epoch", f"{result.epoch} of {loaded.training.epochs}"),
        *(
            (f"sensitivity on dev at {rate:g} false alarms per 24 h", _percent(result.metrics[sensitivity_at(rate)]))
            for rate in loaded.validation.false_alarm_rates
        ),
        ("AUROC of samples on dev", f"{result.metrics['auroc']:.3f}"),
        ("threshold", f"{result.threshold:.3f}"),
        ("minutes", f"{result.seconds / 60:.1f}"),
        ("detector", str(result.detector)),
        ("metrics", str(result.log)),
    )


def evaluate(
    detector: DetectorFile,
    cache_dir: Annotated[str | None, typer.Option("--cache-dir", help="Store that build-cache wrote.")] = None,
    data_dir: Annotated[str | None, typer.Option("--data-dir", help="Folder of EDF files.")] = None,
    split: Annotated[str, typer.Option(help="Split to score: train, dev or eval.")] = "dev",
    out: Annotated[
        Path | None, typer.Option("--out", help="Output folder; default: evaluate-SPLIT in the detector file's folder.")
    ] = None,
) -> None:
    """Score a detector on whole recordings.

    Writes metrics, the sensitivity curve, a page of EEG, and the events of each recording.

    Example: seizurekit evaluate runs/demo/best.safetensors --cache-dir cache --split dev
    """
    if (cache_dir is None) == (data_dir is None):
        raise typer.BadParameter("expected either --cache-dir or --data-dir", param_hint="--cache-dir")
    from seizurekit.evaluation.detector_file import load_detector
    from seizurekit.evaluation.evaluate import evaluate_cache, evaluate_corpus

    loaded = load_detector(detector)
    folder = out or detector.parent / f"evaluate-{split}"
    if cache_dir is not None:
        evaluation = evaluate_cache(loaded, cache_dir, split, folder)
    else:
        evaluation = evaluate_corpus(loaded, str(data_dir), split, folder)
    for reason in evaluation.failed:
        typer.echo(f"skipped: {reason}", err=True)
    _show_evaluation(evaluation, loaded.threshold)


def _show_evaluation(evaluation: Evaluation, threshold: float) -> None:
    hours = sum(result.duration for result in evaluation.results) / 3600.0
    rows = [("recordings", f"{len(evaluation.results)}, {hours:.2f} h"), ("threshold", f"{threshold:.3f}")]
    score, curve = evaluation.score, evaluation.curve
    if score is None or curve is None:
        rows.append(("score", "none: no recording has annotations"))
    else:
        rows += [
            ("seizures detected", f"{score.tp} of {score.tp + score.fn}, {_percent(score.sensitivity)}"),
            ("false alarms", f"{score.fp}, {score.fa_per_24h:.1f} per 24 h"),
            ("precision, F1", f"{_percent(score.precision)}, {_percent(score.f1)}"),
            *(
                (f"sensitivity at {fa:g} false alarms per 24 h", _percent(curve.sensitivity_at(fa)))
                for fa in (10.0, 24.0)
            ),
            ("AUROC of samples", f"{curve.auroc:.3f}" if curve.auroc == curve.auroc else "n/a"),
        ]
    _show(*rows, *((path.stem, str(path)) for path in evaluation.files))


def detect(
    detector: DetectorFile,
    recording: Annotated[Path, typer.Argument(metavar="IN.edf", help="An EDF or BDF file.")],
    out: Annotated[
        Path,
        typer.Argument(metavar="OUT", help="Output file: .tsv (SzCORE), .csv_bi (TUSZ), .json, or .edf (annotations)."),
    ],
    report: Annotated[
        Path | None, typer.Option("--report", help="PNG file: a page of EEG with the seizures marked.")
    ] = None,
) -> None:
    """Detect the seizures in one recording.

    The report also shows the annotations of the recording's .csv_bi or .csv file, if there is one.

    Example: seizurekit detect runs/demo/best.safetensors recording.edf events.tsv --report page.png
    """
    from seizurekit.detection.export import check_suffix, write_detection
    from seizurekit.detection.report import write_report

    check_suffix(out)
    if report is not None and report.suffix.lower() != ".png":
        raise typer.BadParameter(f"{report}: suffix is {report.suffix!r}, expected .png", param_hint="--report")
    from seizurekit.evaluation.detect import check_output_path, detect_recording
    from seizurekit.evaluation.detector_file import load_detector

    check_output_path(recording, out)
    detection, page = detect_recording(load_detector(detector), recording)
    write_detection(out, detection)
    for event in detection.events:
        typer.echo(f"{event.start:10.2f} s to {event.stop:10.2f} s   confidence {event.confidence:.3f}")
    rows = [("recording", f"{detection.recording}, {detection.duration / 60:.1f} min")]
    rows.append(("detected", f"{len(detection.events)} seizure{'' if len(detection.events) == 1 else 's'}"))
    if page.annotated is not None:
        rows.append(("annotated", str(len(page.annotated))))
    rows.append(("events", str(out)))
    if report is not None:
        write_report(report, page)
        rows.append(("report", str(report)))
    _show(*rows)


def _percent(fraction: float) -> str:
    return f"{100 * fraction:.1f} %" if fraction == fraction else "n/a"


def _show(*rows: tuple[str, str]) -> None:
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        typer.echo(f"{name:<{width}}  {value}")


def register(app: typer.Typer) -> None:
    """Adds the commands of this file to the command line."""
    for command in (validate, train, evaluate, detect):
        app.command()(command)
