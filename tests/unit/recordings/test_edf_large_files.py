"""Sparse files of more than 2 and 4 GiB."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import seizurekit as sk
from edf_bytes import WIDTHS, EdfBytes, Recording, packed, signal

RATE = 500_000


@pytest.mark.parametrize("size", [2 << 30, 4 << 30, 6 << 30])
def test_samples_beyond_any_32_bit_offset_are_read(recording: Recording, tmp_path: Path, size: int) -> None:
    width = WIDTHS[recording.format]
    record_bytes = 2 * RATE * width
    records = size // record_bytes + 3
    template = np.zeros((1, RATE), np.int64)
    content = EdfBytes(
        [signal(template, recording.format), signal(template, recording.format, label="Fp2")],
        recording.format,
        records=str(records),
    )
    path = tmp_path / "large.edf"
    header = content.header()
    values = np.random.default_rng(5).integers(-30_000, 30_000, (2, RATE))
    at = records - 2  # the last record but one, which starts after `size`
    with path.open("wb") as file:
        file.write(header)
        file.truncate(len(header) + records * record_bytes)
        file.seek(len(header) + at * record_bytes)
        file.write(b"".join(packed(values, width)))
    edf = sk.open_edf(path)
    assert edf.issues == ()
    assert edf.duration == records
    assert np.array_equal(edf.read(start=at, stop=at + 1, dtype="int32"), values)
    assert np.array_equal(edf.read(["Fp2"], at + 0.5, at + 1.25, "int32")[0, : RATE // 2], values[1, RATE // 2 :])
    assert (edf.read(["Fp2"], at + 1.0, at + 1.25, "int32") == 0).all()
