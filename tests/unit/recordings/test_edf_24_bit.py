"""Features of 24-bit files only."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from edf_bytes import EdfBytes, Recording, signal
from seizurekit.recordings.edf import EdfFile

Open = Callable[[EdfBytes | bytes], EdfFile]


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 15, 16, 17, 63, 64, 65])
def test_the_whole_range_is_read_with_the_correct_sign(opened: Open, count: int) -> None:
    extremes = np.array([-8388608, 8388607, -1, 0, 1, -8388607, 0x123456, -0x123456])
    values = np.resize(extremes, (2, count))
    edf = opened(EdfBytes([signal(values, "BDF"), signal(values[:, ::-1], "BDF", label="back")], "BDF"))
    assert np.array_equal(edf.read(dtype="int32"), [values.reshape(-1), values[:, ::-1].reshape(-1)])
    assert np.array_equal(edf.read(dtype="float64"), edf.read(dtype="int32"))


def test_float32_represents_every_digital_value_exactly(opened: Open) -> None:
    values = np.arange(-8388608, 8388608, 997).reshape(1, -1)
    edf = opened(EdfBytes([signal(values, "BDF")], "BDF"))
    assert np.array_equal(edf.read(), values)


def test_int16_is_rejected(opened: Open) -> None:
    edf = opened(Recording("BDF").plain())
    with pytest.raises(ValueError, match="dtype is int16, expected int32: BDF has 24-bit samples"):
        edf.read([0], dtype="int16")


@pytest.mark.parametrize("cut", [1, 2, 3, 4])
def test_a_record_cut_inside_a_sample_is_dropped(opened: Open, cut: int) -> None:
    recording = Recording("BDF")
    edf = opened(recording.plain().to_bytes()[:-cut])
    assert edf.duration == 4.0
    assert f"{18 * 3 - cut} bytes" in edf.issues[-1].found
    assert np.array_equal(edf.read([1], dtype="int32"), recording.digital[1][:4].reshape(1, -1))


def test_edf_annotations_is_an_annotation_label_in_bdf_files_too(opened: Open) -> None:
    content = Recording("BDF").plus().with_signal(3, label="EDF Annotations")
    assert len(opened(content).channels) == 3
