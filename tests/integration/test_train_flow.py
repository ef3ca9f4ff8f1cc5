"""Train, evaluate and detect by commands, from a configuration to events, on a few minutes of recordings."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import seizurekit as sk
from commands import run_command
from tiny import DEMO, tiny_overrides

pytestmark = pytest.mark.slow

OVERRIDES = ("training.epochs=1", "telemetry.tensorboard=true", "detection.threshold=0.4")


@pytest.fixture(scope="module")
def trained(small_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which `train` has run, as a program of its own."""
    folder = tmp_path_factory.mktemp("flow")
    command = [sys.executable, "-m", "seizurekit", "train", str(DEMO), *tiny_overrides(small_store, *OVERRIDES)]
    result = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
    assert result.returncode == 0, result.stderr
    assert "runs/tiny/best.safetensors" in result.stdout
    assert "epoch 1 of 1" in result.stderr
    return folder


@pytest.fixture
def detector(trained: Path) -> Path:
    return trained / "runs" / "tiny" / "best.safetensors"


def test_train_writes_a_detector_states_and_logs(trained: Path) -> None:
    names = {path.name for path in (trained / "runs" / "tiny").iterdir()}
    assert {"best.safetensors", "checkpoints", "metrics.jsonl", "tb"} <= names


def test_validate_describes_the_training_and_writes_nothing(small_store: Path, tmp_path: Path) -> None:
    result = run_command("validate", DEMO, *tiny_overrides(small_store), cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "balanced set" in result.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def evaluated(trained: Path, small_corpus: Path, small_store: Path) -> dict[str, Path]:
    """The results of `evaluate` on the store and on the EDF files that it was built from."""
    detector = trained / "runs" / "tiny" / "best.safetensors"
    for source, data in (("--cache-dir", small_store), ("--data-dir", small_corpus)):
        out = trained / source
        result = run_command("evaluate", detector, source, data, "--split", "dev", "--out", out, cwd=trained)
        assert result.returncode == 0, result.stderr
        for name in ("curve.png", "report.png"):
            assert f"{out}/{name}" in result.stdout
    return {source: trained / source for source in ("--cache-dir", "--data-dir")}


@pytest.mark.parametrize("source", ["--cache-dir", "--data-dir"])
def test_evaluate_writes_metrics_curve_report_and_events(
    evaluated: dict[str, Path], small_store: Path, source: str
) -> None:
    out = evaluated[source]
    metrics = json.loads((out / "metrics.json").read_text())
    cache = sk.open_cache(small_store, split="dev")
    assert [row["id"] for row in metrics["recordings"]] == cache.recordings["id"].tolist()
    assert metrics["score"]["tp"] + metrics["score"]["fn"] == len(cache.events["start"])
    assert metrics["hours"] == pytest.approx(cache.recordings["samples"].sum() / 256 / 3600)
    assert metrics["threshold"] == 0.4
    assert "any overlap" in metrics["scorer"]
    for row in metrics["recordings"]:
        events = sk.read_annotations(out / "events" / f"{row['id']}.csv_bi")
        assert len(events.seizures()) == row["detected"]
        assert events.duration == pytest.approx(row["duration"], abs=1e-4)
    for name in ("curve.png", "report.png"):
        assert (out / name).read_bytes().startswith(b"\x89PNG")


def test_a_store_and_the_files_it_was_built_from_have_the_same_scores(evaluated: dict[str, Path]) -> None:
    aurocs = [json.loads((out / "metrics.json").read_text())["auroc"] for out in evaluated.values()]
    assert aurocs[0] == pytest.approx(aurocs[1], abs=0.002)


def test_without_annotations_there_is_no_score(detector: Path, small_corpus: Path, tmp_path: Path) -> None:
    split = tmp_path / "edf" / "eval"
    shutil.copytree(small_corpus / "eval", split, ignore=shutil.ignore_patterns("*.csv*"))
    result = run_command(
        "evaluate", detector, "--data-dir", tmp_path / "edf", "--split", "eval", "--out", "o", cwd=tmp_path
    )
    assert result.returncode == 0, result.stderr
    assert "no recording has annotations" in result.stdout
    metrics = json.loads((tmp_path / "o" / "metrics.json").read_text())
    assert (metrics["score"], metrics["auroc"], metrics["curve"]) == (None, None, None)
    assert not (tmp_path / "o" / "curve.png").exists()


def test_detect_writes_events_and_a_page_of_eeg(detector: Path, small_corpus: Path, tmp_path: Path) -> None:
    recording = sorted((small_corpus / "eval").rglob("*.edf"))[0]
    edf = sk.open_edf(recording)
    for suffix in ("tsv", "csv_bi", "json", "edf"):
        report = ("--report", "page.png") if suffix == "tsv" else ()
        result = run_command("detect", detector, recording, f"e.{suffix}", *report, cwd=tmp_path)
        assert result.returncode == 0, result.stderr
        assert f"e.{suffix}" in result.stdout
    with (tmp_path / "e.tsv").open(newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    content = json.loads((tmp_path / "e.json").read_text())
    assert len(content["events"]) == sum(row["eventType"] == "sz" for row in rows)
    assert content["duration"] == pytest.approx(edf.duration, abs=0.01)
    assert len(sk.read_annotations(tmp_path / "e.csv_bi").seizures()) == len(content["events"])
    assert (tmp_path / "page.png").read_bytes().startswith(b"\x89PNG")


def test_detect_finds_the_events_of_evaluate(
    detector: Path, evaluated: dict[str, Path], small_corpus: Path, tmp_path: Path
) -> None:
    for recording in sorted((small_corpus / "dev").rglob("*.edf")):
        assert run_command("detect", detector, recording, "e.csv_bi", cwd=tmp_path).returncode == 0
        alone = sk.read_annotations(tmp_path / "e.csv_bi").seizures()
        in_split = sk.read_annotations(evaluated["--cache-dir"] / "events" / f"{recording.stem}.csv_bi").seizures()
        assert [event.start for event in alone] == pytest.approx([event.start for event in in_split], abs=0.5)


@pytest.mark.parametrize("suffix", [".edf", ".csv_bi"])
def test_detect_never_replaces_the_recording_or_its_annotations(
    detector: Path, small_corpus: Path, tmp_path: Path, suffix: str
) -> None:
    recording = sorted((small_corpus / "eval").rglob("*.edf"))[0]
    before = recording.with_suffix(suffix).read_bytes()
    result = run_command("detect", detector, recording, recording.with_suffix(suffix), cwd=tmp_path)
    assert "another name" in result.error_line(2)
    assert recording.with_suffix(suffix).read_bytes() == before


def test_evaluate_skips_unreadable_recordings_and_reports_them(
    detector: Path, small_corpus: Path, tmp_path: Path
) -> None:
    split = tmp_path / "edf" / "dev"
    shutil.copytree(small_corpus / "dev", split)
    (split / "broken.edf").write_bytes(b"PK")
    result = run_command("evaluate", detector, "--data-dir", tmp_path / "edf", "--out", "o", cwd=tmp_path)
    assert result.returncode == 0
    assert "skipped: broken" in result.stderr
    (failed,) = json.loads((tmp_path / "o" / "metrics.json").read_text())["failed"]
    assert "broken.edf" in failed


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("train", "{demo}", "trainin.lr=1"), 1, ("trainin", "did you mean training?")),
        (("train", "{demo}", "cache.dir=nowhere"), 1, ("nowhere", "no such store")),
        (("train", "nothing.yaml"), 1, ("nothing.yaml",)),
        (("validate", "{demo}", "cache.dir=nowhere"), 1, ("nowhere",)),
        (("validate", "{demo}", "cache.dir={store}", "cache.window=599"), 1, ("has a seizure",)),
        (("validate", "{demo}", "cache.dir={store}", "training.device=cuda:99"), 1, ("cuda:99",)),
        (("evaluate", "nothing", "--cache-dir", "{store}"), 1, ("nothing", "no such file")),
        (("evaluate", "{detector}"), 2, ("--cache-dir", "--data-dir")),
        (("evaluate", "{detector}", "--cache-dir", "a", "--data-dir", "b"), 2, ("--cache-dir",)),
        (("evaluate", "{detector}", "--cache-dir", "{store}", "--split", "test"), 1, ("test", "train, dev, eval")),
        (("evaluate", "{detector}", "--data-dir", "nowhere"), 1, ("nowhere",)),
        (("detect", "{detector}", "nothing.edf", "out.tsv"), 1, ("nothing.edf",)),
        (("detect", "{detector}", "{demo}", "out.tsv"), 1, ("demo.yaml",)),
        (("detect", "{demo}", "nothing.edf", "out.tsv"), 1, ("demo.yaml", "safetensors")),
        (("detect", "{detector}", "nothing.edf", "out.txt"), 2, ("out.txt", ".tsv")),
        (("detect", "{detector}", "nothing.edf", "out.tsv", "--report", "a.pdf"), 2, ("a.pdf", ".png")),
    ],
)
def test_bad_input_is_reported_in_one_line_and_writes_nothing(
    arguments: tuple[str, ...],
    code: int,
    words: tuple[str, ...],
    detector: Path,
    small_store: Path,
    tmp_path: Path,
) -> None:
    paths = {"demo": DEMO, "store": small_store, "detector": detector}
    line = run_command(*(argument.format(**paths) for argument in arguments), cwd=tmp_path).error_line(code)
    for word in words:
        assert word in line
    assert list(tmp_path.iterdir()) == []


def test_a_loss_that_is_not_finite_ends_with_exit_code_5(small_store: Path, tmp_path: Path) -> None:
    diverging = ("training.lr=1e30", "training.stop_after_nonfinite=3")
    result = run_command("train", DEMO, *tiny_overrides(small_store, *diverging), cwd=tmp_path)
    assert result.returncode == 5, result.stderr
    last = result.stderr.strip().splitlines()[-1]
    assert last.startswith("seizurekit: error: step")
    assert "windows [" in last
