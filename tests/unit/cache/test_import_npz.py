"""Old caches of overlapping windows, turned into a store."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import seizurekit as sk
from seizurekit.cache.import_npz import import_npz, joined
from seizurekit.errors import CacheError, CorpusError

Save = Callable[..., Path]


@pytest.fixture
def old_cache(small_store: Path, tmp_path: Path) -> Path:
    """`small_store` as the old system would have kept it."""
    for split in ("train", "dev"):
        cache = sk.open_cache(small_store, split)
        windows = cache.windows()
        (tmp_path / "old" / split).mkdir(parents=True)
        for number, name in enumerate(cache.recordings["id"]):
            own = np.flatnonzero(windows.recording == number)
            x, y = windows.read(own)
            np.savez(tmp_path / "old" / split / f"{name}_windows.npz", windows=x, labels=y)
    return tmp_path / "old"


def test_an_imported_store_has_the_windows_of_the_old_one(old_cache: Path, small_store: Path, tmp_path: Path) -> None:
    report = import_npz(old_cache, tmp_path / "cache")
    assert [split.split for split in report.splits] == ["train", "dev"]
    for split in ("train", "dev"):
        old, new = sk.open_cache(small_store, split), sk.open_cache(tmp_path / "cache", split)
        assert sorted(new.recordings["id"]) == sorted(old.recordings["id"])
        assert set(new.recordings["patient"]) == set(old.recordings["patient"])
        numbers = {name: number for number, name in enumerate(new.recordings["id"])}
        for number, name in enumerate(old.recordings["id"]):
            samples = int(new.recordings["samples"][numbers[name]])
            np.testing.assert_array_equal(new.read(numbers[name]), old.read(number, 0, samples))
            np.testing.assert_array_equal(new.mask(numbers[name]), old.mask(number)[:samples])
        assert new.manifest.full == old.manifest.full
        assert new.manifest.partial == old.manifest.partial


def test_a_finished_import_is_left_as_it_is(old_cache: Path, tmp_path: Path) -> None:
    import_npz(old_cache, tmp_path / "cache")
    assert all(split.was_complete for split in import_npz(old_cache, tmp_path / "cache").splits)


def save(path: Path, **arrays: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, **arrays)
    return path


X = np.zeros((2, 19, 5120), np.float32)
Y = np.zeros((2, 5120), np.uint8)


@pytest.mark.parametrize(
    ("arrays", "told"),
    [
        ({"windows": X, "labels": Y[:1]}, r"labels: found \(1, 5120\), wanted \(2, 5120\)"),
        ({"windows": X[:, :18], "labels": Y}, r"windows: found float32 \(2, 18, 5120\), wanted floats \[window, 19"),
        ({"windows": X.astype(np.int16), "labels": Y}, "windows: found int16"),
        (
            {"windows": X[..., :100], "labels": Y[:, :100]},
            "found 100 samples a window, wanted at least",
        ),
        ({"signal": X, "labels": Y}, "found arrays signal, labels, wanted the windows as windows, X, x, data"),
        ({"X": X}, "wanted the masks as labels, y, Y, masks, mask"),
        ({"X": X * np.nan, "y": Y}, "differ by up to nan|no numbers"),
        (
            {"X": X + np.arange(2, dtype=np.float32)[:, None, None], "y": Y},
            "windows 0 and 1 that differ by up to 1",
        ),
        ({"X": X, "y": Y + np.arange(2, dtype=np.uint8)[:, None]}, "y: found windows 0 and 1 that differ by up to 1"),
    ],
)
def test_a_file_that_cannot_be_used_is_listed_with_its_reason(
    tmp_path: Path, arrays: dict[str, np.ndarray], told: str
) -> None:
    save(tmp_path / "old" / "aaaaaaaa_s001_t000_windows.npz", X=X, y=Y)
    bad = save(tmp_path / "old" / "aaaaaaab_s001_t000_windows.npz", **arrays)
    report = import_npz(tmp_path / "old", tmp_path / "cache")
    ((name, reason),) = report.splits[0].failed
    assert name == "aaaaaaab_s001_t000"
    assert str(bad) in reason
    assert re.search(told, reason), reason
    assert report.failed_share == 0.5


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04 not really", b"\0" * 5000])
def test_a_file_that_is_no_npz_is_listed(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "old" / "a_windows.npz"
    path.parent.mkdir()
    path.write_bytes(data)
    ((_, reason),) = import_npz(tmp_path / "old", tmp_path / "cache").splits[0].failed
    assert reason.startswith(f"{path}: not an NPZ file that can be read")


def test_a_file_cut_within_its_arrays_is_listed(tmp_path: Path) -> None:
    path = save(tmp_path / "old" / "a_windows.npz", X=X + 1, y=Y)
    content = bytearray(path.read_bytes())
    content[3000:3010] = b"\xff" * 10
    path.write_bytes(content)
    ((_, reason),) = import_npz(tmp_path / "old", tmp_path / "cache").splits[0].failed
    assert "a_windows.npz" in reason
    assert "CRC" in reason


def test_a_folder_without_such_files_and_a_patient_in_two_splits_are_refused(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    with pytest.raises(CacheError, match=r"found no files \*_windows\.npz, wanted some"):
        import_npz(tmp_path / "old", tmp_path / "cache")
    for split in ("train", "dev"):
        save(tmp_path / "old" / split / "aaaaaaaa_s001_t000_windows.npz", X=X, y=Y)
    with pytest.raises(CorpusError, match=r"aaaaaaaa \(train, dev\)"):
        import_npz(tmp_path / "old", tmp_path / "cache")


@given(st.integers(1, 6), st.integers(1, 9), st.integers(0, 9), st.integers(0, 99))
def test_overlaps_are_undone(count: int, hop: int, overlap: int, seed: int) -> None:
    length = hop + overlap
    whole = np.random.default_rng(seed).normal(size=(2, (count - 1) * hop + length)).astype(np.float32)
    windows = np.stack([whole[:, i * hop : i * hop + length] for i in range(count)])
    np.testing.assert_array_equal(joined(windows, hop, Path("x"), "windows"), whole)
    if count > 1 and overlap:
        windows[1, 0, 0] += 1
        with pytest.raises(CacheError, match="windows 0 and 1"):
            joined(windows, hop, Path("x"), "windows")
