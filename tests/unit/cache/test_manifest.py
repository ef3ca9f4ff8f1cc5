"""The manifest is derived data: if it is lost or damaged, it is rebuilt."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import seizurekit as sk


def remove(path: Path) -> None:
    path.unlink()


def empty(path: Path) -> None:
    path.write_text("")


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def binary(path: Path) -> None:
    path.write_bytes(b"\xff\xfe\x00")


def another_list(path: Path) -> None:
    path.write_text("[1, 2]")


def make_stale(path: Path) -> None:
    manifest = json.loads(path.read_text())
    path.write_text(json.dumps({**manifest, "partial": 0, "counted_from": "0" * 64}))


@pytest.mark.parametrize("damage", [remove, empty, truncate, binary, another_list, make_stale])
def test_a_bad_manifest_is_rebuilt_with_one_log_line(
    small_store: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: Callable[[Path], None]
) -> None:
    copy = shutil.copytree(small_store, tmp_path / "cache")
    expected = sk.open_cache(copy).manifest
    damage(copy / "train" / "manifest.json")
    with caplog.at_level(logging.INFO):
        assert sk.open_cache(copy).manifest == expected
    assert len(caplog.records) == 1
    assert "rebuilding the manifest" in caplog.text
    assert sk.open_cache(copy).manifest == expected
    assert len(caplog.records) == 1


def test_a_rebuild_can_be_forced(
    small_store: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("BGB_FORCE_MANIFEST_REBUILD", "1")
    manifest = sk.open_cache(small_store).manifest
    assert "BGB_FORCE_MANIFEST_REBUILD" in caplog.text
    assert manifest.partial > 0


def test_the_counts_are_those_of_the_windows(small_store: Path) -> None:
    cache = sk.open_cache(small_store)
    kinds = np.bincount(cache.windows().kind, minlength=3)
    assert [cache.manifest.none, cache.manifest.partial, cache.manifest.full] == kinds.tolist()
    assert cache.manifest.seizures == len(cache.events["start"])
    assert cache.manifest.recordings == len(cache.recordings["id"])
