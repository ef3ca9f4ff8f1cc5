"""Recordings with gaps between data records, and with wrong times."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

import seizurekit as sk
from edf_bytes import EdfBytes, annotation_signal, signal, tal
from seizurekit.errors import EdfError
from seizurekit.recordings.channels import CANONICAL_CHANNELS
from seizurekit.signal.preprocess import plan_preprocessing, preprocess_array, preprocess_edf

RATE = 250


def write_records(path: Path, onsets: Sequence[float]) -> Path:
    random = np.random.default_rng(1)
    rows = [
        signal(random.integers(-300, 300, (len(onsets), RATE)), label=f"EEG {name.upper()}-LE")
        for name in CANONICAL_CHANNELS
    ]
    times = annotation_signal([tal(f"+{onset:.12g}", "") for onset in onsets])
    return EdfBytes([*rows, times], reserved="EDF+D").write(path)


def test_gaps_of_a_file_equal_nan_in_an_array(tmp_path: Path) -> None:
    with sk.open_edf(write_records(tmp_path / "gaps.edf", [0, 1, 4, 5, 20.5])) as edf:
        found = preprocess_edf(edf)
        x = edf.read(list(range(19)), gaps="nan")
        assert plan_preprocessing(edf).samples == found.signal.shape[1]
    expected = preprocess_array(x, RATE, CANONICAL_CHANNELS)
    np.testing.assert_array_equal(found.signal, expected.signal)
    np.testing.assert_array_equal(found.std, expected.std)
    times = np.arange(found.signal.shape[1]) / 256
    in_gap = ((times >= 2) & (times < 4)) | ((times >= 6) & (times < 20.5))
    assert not found.signal[:, in_gap].any()
    assert (found.signal[:, ~in_gap] != 0).mean() > 0.99


@pytest.mark.parametrize("samples", [1, 255, 256, 257, 2047, 2048, 2049, 4096 + 13])
def test_gaps_at_block_boundaries_are_at_the_right_samples(samples: int) -> None:
    x = np.random.default_rng(0).normal(size=(19, 3 * 4200)).astype(np.float32)
    x[:, samples : 2 * samples] = np.nan
    zero = ~preprocess_array(x, 256, CANONICAL_CHANNELS).signal.any(axis=0)
    np.testing.assert_array_equal(np.flatnonzero(zero), np.arange(samples, 2 * samples))


def test_an_interpolated_electrode_has_a_gap_where_one_of_its_sources_has() -> None:
    labels = [name for name in CANONICAL_CHANNELS if name != "Pz"]
    x = np.random.default_rng(0).normal(size=(18, 5000)).astype(np.float32)
    x[labels.index("Fp1"), 1000:2000] = np.nan
    found = preprocess_array(x, 256, labels).signal
    zero = {name for name, row in zip(CANONICAL_CHANNELS, found, strict=True) if not row[1000:2000].any()}
    assert zero == {"Fp1", "Pz"}


def test_gaps_of_more_than_a_day_are_rejected(tmp_path: Path) -> None:
    with sk.open_edf(write_records(tmp_path / "clock.edf", [0, 1, 9e9])) as edf:
        for run in (plan_preprocessing, preprocess_edf, sk.preprocess):
            with pytest.raises(EdfError, match=r"clock\.edf: duration of the gaps is .* h, expected at most 24 h"):
                run(edf)


def test_gaps_of_exactly_a_day_are_accepted(tmp_path: Path) -> None:
    day = 24 * 3600
    with sk.open_edf(write_records(tmp_path / "day.edf", [0, 1, 2 + day])) as edf:
        assert plan_preprocessing(edf).samples == (3 + day) * 256
    with (
        sk.open_edf(write_records(tmp_path / "longer.edf", [0, 1, 3 + day])) as edf,
        pytest.raises(EdfError, match="at most 24 h"),
    ):
        plan_preprocessing(edf)


def test_a_recording_without_a_single_sample_is_zero() -> None:
    found = preprocess_array(np.full((19, 1000), np.nan), 250, CANONICAL_CHANNELS)
    assert found.signal.shape == (19, 1024)
    assert not found.signal.any()
    assert not found.std.any()
