"""Importing old caches of overlapping windows: recordings are restored, and unusable files are named."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

import seizurekit as sk
from seizurekit.cache.build.build_cache import BuildProgress
from seizurekit.cache.layout import STEP
from seizurekit.cache.npz.import_npz import import_npz
from seizurekit.cache.npz.window_file import NpzError, Windowing, intervals, open_windows, undo_overlap
from seizurekit.errors import CacheError, CorpusError, SeizurekitError
from seizurekit.signal.preprocess import quantize

RATE, LENGTH, STRIDE = 256, 15360, 2560
SMALL = Windowing(channels=("Fz", "Cz", "Pz"), sampling_rate=1, stride=4, clip=10.0)
Floats = NDArray[np.float32]


def cut(x: NDArray[Any], length: int = LENGTH, stride: int = STRIDE) -> NDArray[Any]:
    """The windows [window, ..., sample] of a recording [..., sample], as the old system cut them."""
    starts = range(0, x.shape[-1] - length + 1, stride)
    return np.array([x[..., start : start + length] for start in starts], x.dtype).reshape(-1, *x.shape[:-1], length)


def recording(seconds: int = 90, seed: int = 0) -> tuple[Floats, NDArray[np.uint8]]:
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((19, seconds * RATE), np.float32)
    y = np.zeros(seconds * RATE, np.uint8)
    y[20 * RATE : 31 * RATE + 7] = 1
    return x, y


def save(folder: Path, name: str = "aaaaaaaa_s001_t000", /, **arrays: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}_windows.npz"
    np.savez(path, **arrays)
    return path


@pytest.fixture(scope="session")
def old_cache(small_corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The corpus as the old system stored it."""
    folder = tmp_path_factory.mktemp("old")
    for path in sorted(small_corpus.rglob("*.edf")):
        with sk.open_edf(path) as edf:
            x = sk.preprocess(edf)
        mask = np.zeros(x.shape[1], np.float32)
        for event in sk.read_annotations(path.with_suffix(".csv_bi")).seizures():
            mask[int(event.start * RATE) : int(event.stop * RATE)] = 1
        split = path.relative_to(small_corpus).parts[0]
        save(folder / split, path.stem, windows=cut(x), labels=cut(mask))
    return folder


@pytest.mark.slow
def test_an_imported_store_equals_one_built_from_the_recordings(
    old_cache: Path, small_store: Path, tmp_path: Path
) -> None:
    report = import_npz(old_cache, tmp_path)
    assert report.failed_share == 0
    for split in ("train", "dev", "eval"):
        imported, built = sk.open_cache(tmp_path, split, chain=sk.Chain()), sk.open_cache(small_store, split)
        for name in ("id", "patient", "session"):
            assert imported.recordings[name].tolist() == built.recordings[name].tolist()
        ours, theirs = imported.windows(), built.windows()
        assert ours.kind.tolist() == theirs.kind.tolist()
        x, y = ours.read(range(len(ours)))
        expected_x, expected_y = theirs.read(range(len(theirs)))
        assert np.abs(x - expected_x).max() <= STEP / 2
        assert np.array_equal(y, expected_y)
        assert np.isnan(imported.recordings["mean"]).all()
        assert np.isnan(imported.recordings["source_rate"]).all()
        assert set(imported.events["label"].tolist()) <= {"seiz"}
        assert set(imported.events["confidence"].tolist()) <= {1.0}


def test_windows_of_a_store_are_imported_as_the_same_integers(small_store: Path, tmp_path: Path) -> None:
    cache = sk.open_cache(small_store, "dev")
    windows = cache.windows()
    for number, name in enumerate(cache.recordings["id"].tolist()):
        x, y = windows.read(np.flatnonzero(windows.recording == number))
        save(tmp_path / "npz", name, windows=x, labels=y)
    import_npz(tmp_path / "npz", tmp_path / "cache", "dev")
    imported = sk.open_cache(tmp_path / "cache", "dev")
    for number, samples in enumerate(imported.recordings["samples"].tolist()):
        assert np.array_equal(imported.read(number), cache.read(number, 0, samples))


def small_file(folder: Path, x: NDArray[Any], y: NDArray[Any] | None, stride: int = 4) -> Path:
    labels = {} if y is None else {"labels": cut(y, 12, stride)}
    return save(folder, windows=cut(x, 12, stride), **labels)


@given(st.data())
def test_undoing_the_overlap_restores_all_samples_of_the_windows(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    stride, samples = data.draw(st.integers(1, 12)), data.draw(st.integers(0, 60))
    windowing = Windowing(SMALL.channels, 1, stride, 10.0)
    rng = np.random.default_rng(data.draw(st.integers(0, 100)))
    x = rng.uniform(-10, 10, (3, samples)).astype(np.float32)
    y = rng.integers(0, 2, samples).astype(data.draw(st.sampled_from(["u1", "f4", "f8", "?", "i8"])))
    file = open_windows(small_file(tmp_path_factory.mktemp("overlap"), x, y, stride), windowing)
    covered = file.samples
    assert max(samples - stride, 0) < covered <= samples if samples >= 12 else covered == 0
    if not covered:
        return
    signal, mask, clipped = undo_overlap(file, STEP)
    assert np.array_equal(signal, quantize(x[:, :covered], STEP))
    assert mask is not None
    assert np.array_equal(mask, y[:covered].astype(np.uint8))
    assert clipped == 0


@given(st.lists(st.integers(0, 1), max_size=40))
def test_intervals_restore_the_mask(values: list[int]) -> None:
    mask = np.array(values, np.uint8)
    drawn = np.zeros_like(mask)
    for first, end in intervals(mask):
        assert end > first
        drawn[first:end] = 1
    assert np.array_equal(drawn, mask)


@pytest.mark.parametrize(
    "transform",
    [
        lambda w: w.transpose(0, 2, 1),
        lambda w: w.transpose(1, 0, 2),
        lambda w: w.transpose(2, 1, 0),
        lambda w: w[None],
        lambda w: w[:, None],
        lambda w: np.asfortranarray(w),
        lambda w: w.astype(">f8"),
    ],
    ids=["time first", "channels first", "reversed", "leading axis", "inner axis", "Fortran", "big-endian double"],
)
@pytest.mark.parametrize(("windows", "labels"), [("windows", "labels"), ("X", "y"), ("data", "masks")])
def test_arrays_of_other_layouts_and_names_are_read(
    tmp_path: Path, transform: Callable[[Floats], Floats], windows: str, labels: str
) -> None:
    x, y = recording()
    path = save(tmp_path, **{windows: transform(cut(x[:3, :16], 12, 4)), labels: transposed_labels(cut(y[:16], 12, 4))})
    signal, mask, _ = undo_overlap(open_windows(path, SMALL), STEP)
    assert np.array_equal(signal, quantize(x[:3, :16], STEP))
    assert mask is not None
    assert np.array_equal(mask, y[:16])


def transposed_labels(labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return labels.T[None]


@pytest.mark.parametrize(("array", "by"), [("windows", 0.25), ("windows", 1e-6), ("labels", 1.0)])
def test_windows_that_differ_where_they_overlap_are_named(tmp_path: Path, array: str, by: float) -> None:
    x, y = recording(30)
    arrays = {"windows": cut(x[:3, :40], 12, 4), "labels": cut(y[:40], 12, 4).astype(np.float32)}
    arrays[array][5, ..., 1] += by
    path = save(tmp_path, **arrays)
    with pytest.raises(NpzError, match=rf"array {array}: windows 4 and 5 overlap and differ by up to") as caught:
        undo_overlap(open_windows(path, SMALL), STEP)
    assert str(path) in str(caught.value)
    found = float(str(caught.value).split("differ by up to ")[1].split(",")[0])
    assert found == pytest.approx(by, rel=0.1)


def zeros(shape: tuple[int, ...], dtype: str = "f4") -> NDArray[Any]:
    return np.zeros(shape, dtype)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"stuff": zeros((2, 3, 12))}, r"array windows is missing .*; arrays: stuff float32 \[2, 3, 12\]"),
        (
            {"windows": zeros((2, 4, 12))},
            r"is float32 \[2, 4, 12\], expected a float dtype \[window, channel, sample\] =",
        ),
        ({"windows": zeros((2, 3, 12), "i2")}, r"is int16 \[2, 3, 12\], expected a float dtype"),
        ({"windows": zeros((2, 3, 12)), "labels": zeros((2,))}, r"array labels is float32 \[2\], expected numbers"),
        ({"windows": zeros((2, 3, 12)), "labels": zeros((3, 12))}, r"array labels is .* = \[2, 12\]"),
        ({"windows": zeros((2, 3, 12)), "targets": zeros((2, 12))}, r"array targets has the shape of labels"),
        (
            {"windows": zeros((2, 3, 12)), "labels": zeros((2, 12)) + 2},
            r"array labels: a label is 2, expected 0 or 1",
        ),
        ({"windows": zeros((2, 3, 12)) * np.nan}, r"array windows: window 0 contains NaN or infinity"),
        ({"windows": zeros((2, 3, 12)) + 40}, r"100.0% of channel Fz is beyond ±10, expected a z-scored signal"),
        ({"windows": np.array([None, 1])}, r"array windows is object"),
    ],
    ids=["name", "channels", "type", "one label per window", "windows", "other", "label 2", "NaN", "scale", "object"],
)
def test_an_unusable_file_is_rejected_with_array_value_and_expected_value(
    tmp_path: Path, arrays: dict[str, NDArray[Any]], message: str
) -> None:
    path = save(tmp_path, **arrays)
    with pytest.raises(NpzError, match=message) as caught:
        undo_overlap(open_windows(path, SMALL), STEP)
    assert str(path) in str(caught.value)


def test_samples_beyond_the_clip_are_clipped_and_counted(tmp_path: Path) -> None:
    x, y = recording()
    x[4, 1000] = 37.0
    save(tmp_path / "npz", windows=cut(x), labels=cut(y))
    import_npz(tmp_path / "npz", tmp_path / "cache")
    cache = sk.open_cache(tmp_path / "cache")
    assert cache.read(0)[4, 1000] == 10.0
    assert cache.recordings["remarks"].tolist() == [
        "imported from aaaaaaaa_s001_t000_windows.npz; 1 samples clipped to ±10"
    ]


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty"])
def test_a_damaged_file_is_listed_and_the_others_are_imported(tmp_path: Path, damage: str) -> None:
    x, y = recording()
    save(tmp_path / "npz", "aaaaaaaa_s001_t000", windows=cut(x), labels=cut(y))
    path = save(tmp_path / "npz", "aaaaaaab_s001_t000", windows=cut(x), labels=cut(y))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    contents = {"cut": bytes(data[: len(data) // 2]), "flipped": bytes(data), "empty": b""}
    path.write_bytes(contents[damage])
    report = import_npz(tmp_path / "npz", tmp_path / "cache")
    ((name, reason),) = report.splits[0].failed
    assert name == "aaaaaaab_s001_t000"
    assert str(path) in reason
    cache = sk.open_cache(tmp_path / "cache")
    assert cache.recordings["status"].tolist() == ["ok", "failed"]
    assert len(cache.windows()) == 4


def test_files_without_labels_are_unlabelled_and_files_without_windows_do_not_fail(tmp_path: Path) -> None:
    x, _ = recording()
    save(tmp_path / "npz", "aaaaaaaa_s001_t000", windows=cut(x))
    save(tmp_path / "npz", "aaaaaaab_s001_t000", windows=cut(x)[:0], labels=np.zeros((0, LENGTH), np.float32))
    report = import_npz(tmp_path / "npz", tmp_path / "cache")
    assert report.splits[0].failed == ()
    assert report.splits[0].unlabelled == ("aaaaaaaa_s001_t000",)
    cache = sk.open_cache(tmp_path / "cache")
    assert cache.recordings["samples"].tolist() == [90 * RATE, 0]
    assert cache.recordings["reason"].tolist()[1] == "no windows, the recording was shorter than 60 s"


def test_a_wrong_stride_is_detected(tmp_path: Path) -> None:
    x, y = recording(150)
    save(tmp_path / "npz", windows=cut(x, LENGTH, 30 * RATE), labels=cut(y, LENGTH, 30 * RATE))
    report = import_npz(tmp_path / "npz", tmp_path / "wrong")
    assert "was the cache made with another --stride?" in report.splits[0].failed[0][1]
    assert import_npz(tmp_path / "npz", tmp_path / "right", stride=30).failed_share == 0
    assert sk.open_cache(tmp_path / "right").recordings["samples"].tolist() == [150 * RATE]
    with pytest.raises(CacheError, match=r"stride is 0\.001 s"):
        import_npz(tmp_path / "npz", tmp_path / "none", stride=0.001)


def test_splits_come_from_folders_and_patients_must_not_cross_them(old_cache: Path, tmp_path: Path) -> None:
    import_npz(old_cache, tmp_path / "one", "dev")
    assert [path.name for path in (tmp_path / "one").iterdir()] == ["dev"]
    with pytest.raises(CacheError, match="no split 'test', expected one of train, dev, eval"):
        import_npz(old_cache, tmp_path / "none", "test")
    crossing = shutil.copytree(old_cache, tmp_path / "crossing")
    shutil.copy(next((crossing / "train").iterdir()), crossing / "dev")
    with pytest.raises(CorpusError, match="patients in more than one split"):
        import_npz(crossing, tmp_path / "none")
    with pytest.raises(CacheError, match="no such folder of"):
        import_npz(tmp_path / "nowhere", tmp_path / "none")
    with pytest.raises(CacheError, match=r"has no .* files"):
        import_npz(tmp_path / "one", tmp_path / "none")


class StopError(SeizurekitError):
    """Some error that ends an import."""


@pytest.mark.parametrize("at", [1, 2, 3])
def test_a_resumed_import_gives_the_same_bytes(
    old_cache: Path, tmp_path: Path, files_of: Callable[[Path], dict[str, bytes]], at: int
) -> None:
    def stop(progress: BuildProgress) -> None:
        if progress.recordings == at:
            raise StopError

    with pytest.raises(StopError):
        import_npz(old_cache, tmp_path / "stopped", "train", workers=1, on_progress=stop)
    with pytest.raises(CacheError, match="build incomplete"):
        sk.open_cache(tmp_path / "stopped")
    import_npz(old_cache, tmp_path / "stopped", "train")
    import_npz(old_cache, tmp_path / "straight", "train", workers=1)
    assert files_of(tmp_path / "stopped") == files_of(tmp_path / "straight")
    assert import_npz(old_cache, tmp_path / "stopped", "train").splits[0].was_complete
