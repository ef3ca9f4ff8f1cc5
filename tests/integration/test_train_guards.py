"""`train` with a manifest that is missing, damaged or stale, and with a store without seizures."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import seizurekit as sk
from commands import Result, run_command
from seizurekit.recordings.annotations import SEIZURE_LABELS
from tiny import DEMO, tiny_overrides

pytestmark = pytest.mark.slow


def remove(path: Path) -> None:
    path.unlink()


def empty(path: Path) -> None:
    path.write_text("")


def damage(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def make_stale(path: Path) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), "seizures": 0, "counted_from": "0" * 64}))


@pytest.fixture
def store(small_store: Path, tmp_path: Path) -> Path:
    return shutil.copytree(small_store, tmp_path / "cache")


def train(store: Path, *overrides: str, **environment: str) -> Result:
    arguments = tiny_overrides(store, "training.max_steps=1", *overrides)
    return run_command("train", DEMO, *arguments, cwd=store.parent, **environment)


@pytest.mark.parametrize("spoil", [remove, empty, damage, make_stale])
def test_train_rebuilds_an_unusable_manifest_and_reports_it_once(store: Path, spoil: Callable[[Path], None]) -> None:
    path = store / "train" / "manifest.json"
    original = path.read_bytes()
    spoil(path)
    result = train(store)
    assert result.returncode == 0, result.stderr
    assert sum("manifest" in line for line in result.stderr.splitlines()) == 1
    assert path.read_bytes() == original


def test_train_rebuilds_a_manifest_on_request(store: Path) -> None:
    path = store / "train" / "manifest.json"
    original = path.read_bytes()
    path.write_text(json.dumps({**json.loads(original), "partial": 0}))  # wrong, but the hash still matches
    result = train(store, BGB_FORCE_MANIFEST_REBUILD="1")
    assert result.returncode == 0, result.stderr
    assert "BGB_FORCE_MANIFEST_REBUILD" in result.stderr
    assert path.read_bytes() == original


def test_train_works_with_a_store_that_cannot_be_written(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seizures = sk.open_cache(store).manifest.seizures
    (store / "train" / "manifest.json").unlink()

    def write(folder: object, name: str, content: bytes) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), name)

    monkeypatch.setattr("seizurekit.storage.local.LocalFolder.write", write)
    result = train(store)
    assert result.returncode == 0, result.stderr
    assert f"{seizures} seizures" in result.stderr
    assert not (store / "train" / "manifest.json").exists()


@pytest.fixture(scope="module")
def stores_without_seizures(small_corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A store whose training recordings have no annotations, and one whose annotations have no seizures."""
    stores = {}
    for name in ("no annotations", "no seizures"):
        folder = tmp_path_factory.mktemp("without")
        corpus = shutil.copytree(small_corpus, folder / "edf")
        for path in (*(corpus / "train").rglob("*.csv_bi"), *(corpus / "train").rglob("*.csv")):
            if name == "no annotations":
                path.unlink()
                continue
            lines = path.read_text().splitlines()
            kept = [line for line in lines if not any(f",{label}," in line for label in SEIZURE_LABELS)]
            path.write_text("\n".join(kept) + "\n")
        sk.build_cache(corpus, folder / "cache")
        stores[name] = folder / "cache"
    return stores


@pytest.mark.parametrize("kind", ["threads", "torch"])
@pytest.mark.parametrize("name", ["no annotations", "no seizures"])
def test_training_without_seizures_is_refused_with_a_list_of_things_to_check(
    stores_without_seizures: dict[str, Path], name: str, kind: str
) -> None:
    store = stores_without_seizures[name]
    line = train(store, f"loader.kind={kind}").error_line(1)
    for words in ("split train", "has a seizure", ".csv_bi", "label"):
        assert words in line
    assert not (store.parent / "runs").exists()
