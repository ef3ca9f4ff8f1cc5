"""Files that the fuzzer found, whose repair changed the meaning or needed a second repair."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import seizurekit as sk
from edf_bytes import EdfBytes, Recording, tal

RECORDING = Recording("EDF")


def timed(*onsets: str) -> list[bytes]:
    return [tal(onset, "") if onset else b"no onset at all" for onset in onsets]


ODD: dict[str, EdfBytes] = {
    "a first record without an onset before a gap": RECORDING.plus(timed("", "+1", "+2", "+3", "+9")),
    "a label that is reserved after conversion to ASCII": RECORDING.plus().with_signal(2, label=b"EDF Annotations\xa0"),
    "a huge onset": RECORDING.plus(timed("+9999999999.9", "", "", "", ""), start_time="09:01:17"),
    "an invalid date hidden by an EDF+ date": RECORDING.plus(start_date="1e5    2").with_signal(3, label="AUX"),
}


@pytest.fixture(params=ODD)
def odd(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return ODD[request.param].write(tmp_path / "odd.edf")


def test_the_copy_has_the_same_content(odd: Path, tmp_path: Path) -> None:
    assert sk.repair_edf(odd, tmp_path / "copy.edf")
    with sk.open_edf(odd) as source, sk.open_edf(tmp_path / "copy.edf") as copy:
        assert copy.is_discontinuous == source.is_discontinuous
        assert len(copy.channels) == len(source.channels)
        assert copy.annotations == source.annotations
        assert copy.start_time == source.start_time
        for channel in range(len(source.channels)):
            found, expected = (edf.read(channel, dtype="int32", gaps="join") for edf in (copy, source))
            np.testing.assert_array_equal(found, expected)


def test_the_copy_needs_no_repair(odd: Path, tmp_path: Path) -> None:
    sk.repair_edf(odd, tmp_path / "first.edf")
    assert sk.repair_edf(tmp_path / "first.edf", tmp_path / "second.edf") == []
