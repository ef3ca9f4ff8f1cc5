"""Windows and their kinds, against masks drawn sample by sample."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import seizurekit as sk
from seizurekit.cache.seizures import Seizures
from seizurekit.cache.windows import WindowKind, Windows

events = st.lists(st.tuples(st.integers(0, 3), st.floats(0, 60), st.floats(0, 60)), max_size=12)


@given(events, st.lists(st.integers(0, 500), min_size=4, max_size=4))
def test_seizures_agree_with_masks_drawn_sample_by_sample(
    rows: list[tuple[int, float, float]], lengths: list[int]
) -> None:
    rate = 10
    samples = np.array(lengths)
    recording = np.array([row[0] for row in rows], np.int64)
    start = np.array([min(row[1:]) for row in rows])
    stop = np.array([max(row[1:]) for row in rows])
    seizures = Seizures(samples, recording, start, stop, rate)
    masks = [np.zeros(length, np.uint8) for length in lengths]
    for number, begin, end in zip(recording, start, stop, strict=True):
        masks[number][int(begin * rate) : int(end * rate)] = 1
    axis = np.concatenate(masks)
    first = np.arange(0, len(axis) + 1, 7)
    end = np.minimum(first + 23, len(axis))
    counted = [int(axis[a:b].sum()) for a, b in zip(first, end, strict=True)]
    np.testing.assert_array_equal(seizures.count(first, end), counted)
    for number, mask in enumerate(masks):
        drawn = np.zeros_like(mask)
        seizures.draw(int(seizures.offsets[number]), drawn)
        np.testing.assert_array_equal(drawn, mask)


@pytest.mark.parametrize(("window", "stride"), [(60.0, 10.0), (10.0, 10.0), (30.0, 7.5), (1.0, 0.5)])
def test_positions_and_kinds_agree_with_a_plain_loop(small_store: Path, window: float, stride: float) -> None:
    cache = sk.open_cache(small_store, "train")
    windows = cache.windows(window, stride)
    length, step = round(window * 256), round(stride * 256)
    expected = []
    for number, samples in enumerate(cache.recordings["samples"]):
        mask = cache.mask(number)
        for start in range(0, int(samples) - length + 1, step):
            share = mask[start : start + length].mean()
            expected.append((number, start, 0 if share == 0 else 2 if share >= 0.99 else 1))
    found = list(zip(windows.recording.tolist(), windows.start.tolist(), windows.kind.tolist(), strict=True))
    assert found == expected
    assert len(windows) == len(expected)


@pytest.mark.parametrize(("samples", "kind"), [(6336, WindowKind.FULL), (6335, WindowKind.PARTIAL)])
def test_a_window_is_full_from_exactly_99_percent_on(samples: int, kind: WindowKind) -> None:
    length = np.array([6400])
    seizures = Seizures(length, np.array([0]), np.array([0.0]), np.array([samples / 256]), 256)
    split: Any = SimpleNamespace(
        sampling_rate=256, usable=np.array([True]), recordings={"samples": length}, seizures=seizures
    )
    assert Windows(split, window=25.0, stride=25.0).kind.tolist() == [kind]


def test_windows_are_read_with_their_masks(small_store: Path) -> None:
    cache = sk.open_cache(small_store, "train")
    windows = cache.windows()
    partial = np.flatnonzero(windows.kind == WindowKind.PARTIAL)
    indices = [0, int(partial[0]), -1]
    x, y = windows.read(indices)
    assert x.shape == (3, 19, 15360)
    assert x.dtype == np.float32
    assert y.dtype == np.uint8
    for row, index in enumerate(indices):
        recording, start = windows.recording[index], int(windows.start[index])
        np.testing.assert_array_equal(x[row], cache.read(recording)[:, start : start + 15360])
        np.testing.assert_array_equal(y[row], cache.mask(recording)[start : start + 15360])
    out = np.empty_like(x)
    assert windows.read(indices, out=out)[0] is out
    np.testing.assert_array_equal(out, x)


def test_a_recording_shorter_than_a_window_has_no_windows(small_store: Path) -> None:
    assert len(sk.open_cache(small_store, "train").windows(window=4000.0)) == 0


def test_invalid_indices_buffers_and_lengths_are_rejected(small_store: Path) -> None:
    windows = sk.open_cache(small_store, "train").windows()
    with pytest.raises(IndexError, match=f"expected a range within -{len(windows)} to {len(windows) - 1}"):
        windows.read([len(windows)])
    with pytest.raises(ValueError, match="out is float32"):
        windows.read([0], out=np.empty((1, 19, 5), np.float32))
    with pytest.raises(ValueError, match="window is 0 s"):
        sk.open_cache(small_store, "train").windows(window=0)
