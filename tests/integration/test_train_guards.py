"""What `train` does about a manifest that is not as it should be, and about data without seizures."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import seizurekit as sk
from seizurekit.cli.app import main
from seizurekit.recordings.annotations import SEIZURE_LABELS

DEMO = Path(__file__).resolve().parents[2] / "configs" / "demo.yaml"
TINY = (
    "name=tiny",
    "cache.window=20",
    "training.epochs=1",
    "training.device=cpu",
    "loader.batch_size=8",
    "model={widths: [8, 8, 16], layers: 1, headdim: 4, d_state: 4}",
    "detection.threshold=0.4",
)


def remove(path: Path) -> None:
    path.unlink()


def empty(path: Path) -> None:
    path.write_text("")


def damage(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def make_stale(path: Path) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), "seizures": 0, "counted_from": "0" * 64}))


@pytest.fixture
def store(small_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return shutil.copytree(small_store, tmp_path / "cache")


def train(store: Path, monkeypatch: pytest.MonkeyPatch, *overrides: str) -> int:
    monkeypatch.setattr("sys.argv", ["seizurekit", "train", str(DEMO), *TINY, f"cache.dir={store}", *overrides])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


@pytest.mark.parametrize("spoil", [remove, empty, damage, make_stale])
def test_train_counts_a_manifest_that_does_not_fit_anew_and_says_so_once(
    store: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, spoil: Callable[[Path], None]
) -> None:
    path = store / "train" / "manifest.json"
    good = path.read_bytes()
    spoil(path)
    assert train(store, monkeypatch) == 0
    assert caplog.text.count("counted anew") == 1
    assert path.read_bytes() == good


def test_train_counts_anew_where_that_is_asked_for(
    store: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path = store / "train" / "manifest.json"
    good = path.read_bytes()
    path.write_text(json.dumps({**json.loads(good), "partial": 0}))  # wrong, and its hash does not tell
    monkeypatch.setenv("BGB_FORCE_MANIFEST_REBUILD", "1")
    assert train(store, monkeypatch) == 0
    assert "BGB_FORCE_MANIFEST_REBUILD" in caplog.text
    assert path.read_bytes() == good


def test_a_store_that_cannot_be_written_is_trained_on_all_the_same(
    store: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seizures = sk.open_cache(store).manifest.seizures
    (store / "train" / "manifest.json").unlink()

    def read_only(folder: object, name: str, content: bytes) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), name)

    monkeypatch.setattr("seizurekit.storage.local.LocalFolder.write", read_only)
    assert train(store, monkeypatch) == 0
    assert f"{seizures} seizures" in capsys.readouterr().err
    assert not (store / "train" / "manifest.json").exists()


@pytest.mark.parametrize("kind", ["threads", "torch"])
@pytest.mark.parametrize("annotated", [True, False])
def test_training_on_no_seizure_is_refused_with_what_to_check(
    small_corpus: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    annotated: bool,
    kind: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    corpus = shutil.copytree(small_corpus, tmp_path / "edf")
    for path in (*(corpus / "train").rglob("*.csv_bi"), *(corpus / "train").rglob("*.csv")):
        if annotated:
            lines = path.read_text().splitlines()
            kept = [line for line in lines if not any(f",{label}," in line for label in SEIZURE_LABELS)]
            path.write_text("\n".join(kept) + "\n")
        else:
            path.unlink()
    sk.build_cache(corpus, tmp_path / "cache")
    capsys.readouterr()
    assert train(tmp_path / "cache", monkeypatch, f"loader.kind={kind}") == 1
    (line,) = capsys.readouterr().err.strip().splitlines()
    for word in ("split train", "no window with a seizure", ".csv_bi", "label"):
        assert word in line
    assert not (tmp_path / "runs").exists()
