"""From a configuration to events by the commands alone, on a corpus of minutes."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import seizurekit as sk
from commands import Result, run_command

OVERRIDES = (
    "name=tiny",
    "cache.window=20",
    "training.epochs=1",
    "training.device=cpu",
    "loader.batch_size=8",
    "model={widths: [8, 8, 16], layers: 1, headdim: 4, d_state: 4}",
    "detection.threshold=0.4",
)
DEMO = Path(__file__).resolve().parents[2] / "configs" / "demo.yaml"


def seizurekit(folder: Path, *arguments: object) -> Result:
    return run_command(*arguments, cwd=folder)


def one_line(result: Result, code: int, *words: str) -> None:
    line = result.error_line(code)
    for word in words:
        assert word in line


@pytest.fixture(scope="module")
def trained(small_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which `train` was run."""
    folder = tmp_path_factory.mktemp("flow")
    command = [sys.executable, "-m", "seizurekit", "train", DEMO, *OVERRIDES, f"cache.dir={small_store}"]
    result = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
    assert result.returncode == 0, result.stderr
    assert "runs/tiny/best.safetensors" in result.stdout
    assert "epoch 1 of 1" in result.stderr
    return folder


@pytest.fixture
def checkpoint(trained: Path) -> Path:
    return trained / "runs" / "tiny" / "best.safetensors"


def test_train_leaves_a_checkpoint_and_a_log(trained: Path) -> None:
    left = {path.name for path in (trained / "runs" / "tiny").iterdir()}
    assert {"best.safetensors", "checkpoints", "metrics.jsonl", "tb"} <= left


def test_validate_tells_what_a_configuration_would_train_on(small_store: Path, tmp_path: Path) -> None:
    result = seizurekit(tmp_path, "validate", DEMO, *OVERRIDES, f"cache.dir={small_store}")
    assert result.returncode == 0, result.stderr
    assert "balanced set" in result.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("source", ["--cache-dir", "--data-dir"])
def test_evaluate_writes_metrics_curve_report_and_events(
    checkpoint: Path, small_corpus: Path, small_store: Path, tmp_path: Path, source: str
) -> None:
    data = small_store if source == "--cache-dir" else small_corpus
    result = seizurekit(tmp_path, "evaluate", checkpoint, source, data, "--split", "dev", "--out", "out")
    assert result.returncode == 0, result.stderr
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    cache = sk.open_cache(small_store, split="dev")
    assert [row["id"] for row in metrics["recordings"]] == cache.recordings["id"].tolist()
    assert metrics["score"]["tp"] + metrics["score"]["fn"] == len(cache.events["start"])
    assert metrics["hours"] == pytest.approx(cache.recordings["samples"].sum() / 256 / 3600)
    assert metrics["threshold"] == 0.4
    assert "any overlap" in metrics["scorer"]
    for row in metrics["recordings"]:
        events = sk.read_annotations(tmp_path / "out" / "events" / f"{row['id']}.csv_bi")
        assert len(events.seizures()) == row["detected"]
        assert events.duration == pytest.approx(row["duration"], abs=1e-4)
    for name in ("curve.png", "report.png"):
        assert (tmp_path / "out" / name).read_bytes().startswith(b"\x89PNG")
        assert f"out/{name}" in result.stdout


def test_evaluating_the_store_and_the_files_it_was_built_from_agrees(
    checkpoint: Path, small_corpus: Path, small_store: Path, tmp_path: Path
) -> None:
    aurocs = []
    for source, data in (("--cache-dir", small_store), ("--data-dir", small_corpus)):
        assert seizurekit(tmp_path, "evaluate", checkpoint, source, data, "--out", source).returncode == 0
        aurocs.append(json.loads((tmp_path / source / "metrics.json").read_text())["auroc"])
    assert aurocs[0] == pytest.approx(aurocs[1], abs=0.002)


def test_without_annotations_there_is_no_score_and_that_is_said(
    checkpoint: Path, small_corpus: Path, tmp_path: Path
) -> None:
    bare = tmp_path / "edf" / "eval"
    shutil.copytree(small_corpus / "eval", bare, ignore=shutil.ignore_patterns("*.csv*"))
    result = seizurekit(
        tmp_path, "evaluate", checkpoint, "--data-dir", tmp_path / "edf", "--split", "eval", "--out", "o"
    )
    assert result.returncode == 0, result.stderr
    assert "no recording has annotations" in result.stdout
    metrics = json.loads((tmp_path / "o" / "metrics.json").read_text())
    assert (metrics["score"], metrics["auroc"], metrics["curve"]) == (None, None, None)
    assert not (tmp_path / "o" / "curve.png").exists()


def test_detect_writes_events_and_a_page_of_eeg(checkpoint: Path, small_corpus: Path, tmp_path: Path) -> None:
    recording = sorted((small_corpus / "eval").rglob("*.edf"))[0]
    edf = sk.open_edf(recording)
    for suffix in ("tsv", "csv_bi", "json", "edf"):
        result = seizurekit(tmp_path, "detect", checkpoint, recording, f"e.{suffix}", "--report", "page.png")
        assert result.returncode == 0, result.stderr
        assert f"e.{suffix}" in result.stdout
    with (tmp_path / "e.tsv").open(newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    content = json.loads((tmp_path / "e.json").read_text())
    assert len(content["events"]) == sum(row["eventType"] == "sz" for row in rows)
    assert content["duration"] == pytest.approx(edf.duration, abs=0.01)
    assert len(sk.read_annotations(tmp_path / "e.csv_bi").seizures()) == len(content["events"])
    assert (tmp_path / "page.png").read_bytes().startswith(b"\x89PNG")


def test_detect_finds_what_evaluate_finds(
    checkpoint: Path, small_corpus: Path, small_store: Path, tmp_path: Path
) -> None:
    assert seizurekit(tmp_path, "evaluate", checkpoint, "--cache-dir", small_store, "--out", "o").returncode == 0
    for recording in sorted((small_corpus / "dev").rglob("*.edf")):
        assert seizurekit(tmp_path, "detect", checkpoint, recording, "e.csv_bi").returncode == 0
        alone = sk.read_annotations(tmp_path / "e.csv_bi").seizures()
        among = sk.read_annotations(tmp_path / "o" / "events" / f"{recording.stem}.csv_bi").seizures()
        assert [event.start for event in alone] == pytest.approx([event.start for event in among], abs=0.5)


@pytest.mark.parametrize("suffix", [".edf", ".csv_bi"])
def test_detect_never_replaces_the_recording_or_its_annotations(
    checkpoint: Path, small_corpus: Path, tmp_path: Path, suffix: str
) -> None:
    recording = sorted((small_corpus / "eval").rglob("*.edf"))[0]
    before = recording.with_suffix(suffix).read_bytes()
    one_line(seizurekit(tmp_path, "detect", checkpoint, recording, recording.with_suffix(suffix)), 2, "another name")
    assert recording.with_suffix(suffix).read_bytes() == before


def test_evaluate_leaves_out_what_cannot_be_read_and_says_so(
    checkpoint: Path, small_corpus: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "edf" / "dev"
    shutil.copytree(small_corpus / "dev", folder)
    (folder / "broken.edf").write_bytes(b"PK")
    result = seizurekit(tmp_path, "evaluate", checkpoint, "--data-dir", tmp_path / "edf", "--out", "o")
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
        (("validate", "{demo}", "cache.dir={store}", "cache.window=599"), 1, ("no window with a seizure",)),
        (("validate", "{demo}", "cache.dir={store}", "training.device=cuda:99"), 1, ("cuda:99",)),
        (("evaluate", "nothing", "--cache-dir", "{store}"), 1, ("nothing", "no such file")),
        (("evaluate", "{checkpoint}"), 2, ("--cache-dir", "--data-dir")),
        (("evaluate", "{checkpoint}", "--cache-dir", "a", "--data-dir", "b"), 2, ("--cache-dir",)),
        (("evaluate", "{checkpoint}", "--cache-dir", "{store}", "--split", "test"), 1, ("test", "train, dev, eval")),
        (("evaluate", "{checkpoint}", "--data-dir", "nowhere"), 1, ("nowhere",)),
        (("detect", "{checkpoint}", "nothing.edf", "out.tsv"), 1, ("nothing.edf",)),
        (("detect", "{checkpoint}", "{demo}", "out.tsv"), 1, ("demo.yaml",)),
        (("detect", "{demo}", "nothing.edf", "out.tsv"), 1, ("demo.yaml", "safetensors")),
        (("detect", "{checkpoint}", "nothing.edf", "out.txt"), 2, ("out.txt", ".tsv")),
        (("detect", "{checkpoint}", "nothing.edf", "out.tsv", "--report", "a.pdf"), 2, ("a.pdf", ".png")),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing_behind(
    arguments: tuple[str, ...],
    code: int,
    words: tuple[str, ...],
    checkpoint: Path,
    small_store: Path,
    tmp_path: Path,
) -> None:
    places = {"demo": DEMO, "store": small_store, "checkpoint": checkpoint}
    one_line(seizurekit(tmp_path, *(argument.format(**places) for argument in arguments)), code, *words)
    assert list(tmp_path.iterdir()) == []


def test_a_loss_that_is_not_finite_ends_with_exit_code_5(small_store: Path, tmp_path: Path) -> None:
    far = ("training.lr=1e30", "training.stop_after_nonfinite=3")
    result = seizurekit(tmp_path, "train", DEMO, *OVERRIDES, f"cache.dir={small_store}", *far)
    assert result.returncode == 5, result.stderr
    last = result.stderr.strip().splitlines()[-1]
    assert last.startswith("seizurekit: error: step")
    assert "windows [" in last
