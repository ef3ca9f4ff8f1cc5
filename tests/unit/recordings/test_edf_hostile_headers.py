"""Hostile headers neither allocate much memory nor crash the reader."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import seizurekit as sk
from edf_bytes import EdfBytes, Recording, annotation_signal, tal
from seizurekit.recordings.edf import EdfFile

Open = Callable[[EdfBytes | bytes], EdfFile]
VALID = {name: Recording(name).plus().to_bytes() for name in ("EDF", "BDF")}


def resident_bytes() -> int:
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024


@pytest.mark.parametrize("count", ["9999", "5000", "1e9", "1e3"])
def test_more_signals_than_fit_into_the_file_are_rejected(recording: Recording, opened: Open, count: str) -> None:
    before = resident_bytes()
    with pytest.raises(sk.EdfError, match="byte 252: number of signals is"):
        opened(recording.plain().with_fields(signal_count=count))
    assert resident_bytes() - before < 4 << 20


@pytest.mark.parametrize("samples", ["99999999", "1e300", "9e15", "9e18", "4294967"])
def test_records_that_do_not_fit_into_the_file_are_rejected(recording: Recording, opened: Open, samples: str) -> None:
    content = recording.plain()
    for position in range(3):
        content = content.with_signal(position, samples=samples)
    before = resident_bytes()
    with pytest.raises(sk.EdfError, match="number of samples in each data record of signal 1"):
        opened(content)
    assert resident_bytes() - before < 4 << 20


def test_signals_that_only_fit_one_by_one_are_rejected(opened: Open) -> None:
    recording = Recording("EDF")
    content = recording.plain()
    third = len(content.to_bytes()) // 2 // 3
    for position in range(3):
        content = content.with_signal(position, samples=str(third + 1))
    with pytest.raises(sk.EdfError, match="of signal 3"):
        opened(content)


def test_a_huge_record_count_is_replaced_by_that_of_the_file_size(recording: Recording, opened: Open) -> None:
    for records in ("99999999", "1e300", "9e15", "-9e15"):
        assert opened(recording.plain().with_fields(records=records)).duration == 5.0


@pytest.mark.parametrize("duration", ["1e-300", "1e-320", "1e-9"])
def test_a_huge_sampling_rate_is_rejected(recording: Recording, opened: Open, duration: str) -> None:
    with pytest.raises(sk.EdfError, match="sampling rate"):
        opened(recording.plain().with_fields(record_duration=duration))


@pytest.mark.parametrize("duration", ["1e300", "1e308", "1e8"])
def test_a_huge_record_duration_is_rejected(recording: Recording, opened: Open, duration: str) -> None:
    with pytest.raises(sk.EdfError, match="byte 244: duration of a data record is"):
        opened(recording.plain().with_fields(record_duration=duration))


def test_the_longest_record_duration_is_accepted(recording: Recording, opened: Open) -> None:
    edf = opened(recording.plain().with_fields(record_duration="99999999"))
    assert edf.duration == 5 * 99_999_999.0
    assert edf.read([0], dtype="int32").shape == (1, 40)


def test_a_huge_annotation_signal_is_rejected(tmp_path: Path) -> None:
    content = EdfBytes([annotation_signal([tal("+0", "")], samples="40000000")], reserved="EDF+C", records="1")
    path = content.write(tmp_path / "large.edf")
    with path.open("r+b") as file:
        file.truncate(512 + 80_000_000)
    with pytest.raises(sk.EdfError, match="64 MiB"):
        sk.open_edf(path)


def test_opening_reads_only_the_header(tmp_path: Path) -> None:
    recording = Recording("EDF", rates=(5000, 5000, 5000), records=400)
    path = recording.plus().write(tmp_path / "long.edf")
    sk.open_edf(path)
    read_before = int(Path("/proc/self/io").read_text().split("rchar: ")[1].split()[0])
    tracemalloc.start()
    sk.open_edf(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    read_after = int(Path("/proc/self/io").read_text().split("rchar: ")[1].split()[0])
    assert read_after - read_before < 16_000
    assert peak < 64_000


def use(path: Path) -> None:
    """Opens and reads a file. Only an EdfError may reject it."""
    try:
        edf = sk.open_edf(path)
    except sk.EdfError:
        return
    assert all(issue.field and issue.used for issue in edf.issues)
    assert all(np.isfinite(annotation.onset) for annotation in edf.annotations)
    for position, channel in enumerate(edf.channels):
        read = edf.read([position], gaps="join")
        assert channel.sampling_rate >= 0
        assert read.shape == (1, edf.samples(position, gaps="join"))


@pytest.mark.slow
@settings(deadline=None, max_examples=400)
@given(
    name=st.sampled_from(["EDF", "BDF"]),
    changes=st.lists(
        st.tuples(
            st.integers(0, 256 * 5 + 300),
            st.one_of(
                st.binary(min_size=1, max_size=12),
                st.sampled_from([b"99999999", b"-1      ", b"        ", b"1e308   ", b"\0" * 8, b"0,5     ", b"EDF+D"]),
            ),
        ),
        min_size=1,
        max_size=6,
    ),
    cut=st.one_of(st.none(), st.integers(0, 1600)),
)
def test_any_changed_file_is_read_or_is_an_edf_error(
    name: str, changes: list[tuple[int, bytes]], cut: int | None, tmp_path_factory: pytest.TempPathFactory
) -> None:
    content = bytearray(VALID[name])
    for at, replacement in changes:
        content[at : at + len(replacement)] = replacement
    path = tmp_path_factory.getbasetemp() / "hostile.edf"
    path.write_bytes(bytes(content[:cut]))
    use(path)


TAL_BYTES = st.one_of(st.binary(max_size=30), st.text("+-.,0123456789\x14\x15\0 ab", max_size=30).map(str.encode))


@pytest.mark.slow
@settings(deadline=None, max_examples=200)
@given(tals=st.lists(TAL_BYTES.filter(bool), min_size=5, max_size=5))
def test_any_annotation_signal_is_read_or_is_an_edf_error(
    tals: list[bytes], tmp_path_factory: pytest.TempPathFactory
) -> None:
    for kind in "CD":
        use(Recording("EDF").plus(tals, kind).write(tmp_path_factory.getbasetemp() / "tals.edf"))
