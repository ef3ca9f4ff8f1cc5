"""Reading: channels, times, dtypes, output arrays, threads, and all layouts of records."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import seizurekit as sk
from edf_bytes import WIDTHS, EdfBytes, Recording, signal
from seizurekit._core import support
from seizurekit.recordings.edf import EdfFile

Open = Callable[[EdfBytes | bytes], EdfFile]


@pytest.fixture
def edf(recording: Recording, opened: Open) -> EdfFile:
    return opened(recording.plain())


def row(recording: Recording, channel: int) -> np.ndarray:
    return recording.digital[channel].reshape(-1)


def test_channels_are_selected_by_label_name_or_index(recording: Recording, edf: EdfFile) -> None:
    by_position = edf.read([1, 0], dtype="int32")
    assert np.array_equal(by_position, [row(recording, 1), row(recording, 0)])
    for channels in (["EEG FP2-REF", "EEG FP1-REF"], ["Fp2", "Fp1"], ("fp2", 0), np.array([1, 0])):
        assert np.array_equal(edf.read(channels, dtype="int32"), by_position)
    assert np.array_equal(edf.read("Fp2", dtype="int32"), by_position[:1])
    assert np.array_equal(edf.read([0, 0], dtype="int32")[1], row(recording, 0))


def test_a_label_with_another_reference_is_not_found(edf: EdfFile) -> None:
    with pytest.raises(ValueError, match=r"'EEG FP1-LE'.*labels in the file: EEG FP1-REF, EEG FP2-REF, IBI"):
        edf.read(["EEG FP1-LE"])


@pytest.mark.parametrize("channel", ["Cz", "", "ibi", 3, -1])
def test_a_missing_channel_is_rejected_by_name(edf: EdfFile, channel: str | int) -> None:
    with pytest.raises(ValueError, match=f"channel {channel!r}"):
        edf.read([channel])


def test_channels_of_several_sampling_rates_are_rejected(edf: EdfFile) -> None:
    with pytest.raises(ValueError, match=r"2, 8 Hz"):
        edf.read()
    assert edf.read([0, 1]).shape == (2, 40)
    assert edf.read(["IBI"]).shape == (1, 10)


def test_an_empty_list_of_channels_gives_no_rows(edf: EdfFile) -> None:
    assert edf.read([]).shape[0] == 0


@pytest.mark.parametrize(
    ("start", "stop", "first", "last"),
    [
        (0.0, None, 0, 40),
        (0.0, 5.0, 0, 40),
        (1.0, 2.0, 8, 16),
        (0.125, 0.25, 1, 2),
        (0.1, 0.3, 1, 2),  # 0.8 and 2.4 samples
        (0.0625, 0.1875, 1, 2),  # halves are rounded up
        (0.1 + 0.2, 4.875 + 1e-12, 2, 39),
        (2.5, 2.5, 20, 20),
        (5.0, None, 40, 40),
        (-1e-9, 5.0 + 1e-9, 0, 40),
    ],
)
def test_times_are_rounded_to_the_nearest_sample(
    recording: Recording, edf: EdfFile, start: float, stop: float | None, first: int, last: int
) -> None:
    assert np.array_equal(edf.read([0], start, stop, "int32")[0], row(recording, 0)[first:last])


@pytest.mark.parametrize(
    ("start", "stop", "name"),
    [
        (-0.1, None, "start"),
        (5.1, None, "start"),
        (0.0, 5.1, "stop"),
        (float("nan"), None, "start"),
        (0.0, float("inf"), "stop"),
        (3.0, 2.0, "stop"),
        (0.0, -1.0, "stop"),
    ],
)
def test_times_outside_the_recording_are_rejected(edf: EdfFile, start: float, stop: float | None, name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} is"):
        edf.read([0], start, stop)


def test_physical_values_are_computed_in_float64_and_rounded_once(recording: Recording, edf: EdfFile) -> None:
    channel = edf.channels[0]
    gain = (channel.physical_max - channel.physical_min) / (channel.digital_max - channel.digital_min)
    expected = (row(recording, 0) + (channel.physical_max / gain - channel.digital_max)) * gain
    assert np.array_equal(edf.read([0], dtype="float64")[0], expected)
    assert np.array_equal(edf.read([0])[0], expected.astype(np.float32))
    assert edf.read([0]).dtype == np.float32


def test_every_instruction_set_gives_the_same_bytes(opened: Open, recording: Recording) -> None:
    random = np.random.default_rng(1)
    limit = 1 << (8 * WIDTHS[recording.format] - 1)
    values = random.integers(-limit, limit, (3, 1037))
    edf = opened(EdfBytes([signal(values, recording.format, physical_max="1234.567")], recording.format))
    read = {}
    try:
        for isa in support.isas():
            support.use_isa(isa)
            read[isa] = [edf.read(dtype=dtype).tobytes() for dtype in ("float32", "float64", "int32")]
    finally:
        support.use_isa(support.isas()[-1])
    assert all(each == read["baseline"] for each in read.values())
    assert np.array_equal(edf.read(dtype="int32")[0], values.reshape(-1))


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32"])
def test_out_is_filled_and_returned(edf: EdfFile, dtype: str) -> None:
    expected = edf.read([0, 1], dtype=dtype)
    whole = np.full((2, 50), 77, dtype)
    out = whole[:, 5:45]
    assert edf.read([0, 1], dtype=dtype, out=out) is out
    assert np.array_equal(out, expected)
    assert (whole[:, :5] == 77).all()
    assert (whole[:, 45:] == 77).all()


def test_an_unsuitable_out_is_rejected(edf: EdfFile) -> None:
    read_only = np.empty((2, 40), np.float32)
    read_only.flags.writeable = False
    for out in (
        np.empty((2, 39), np.float32),
        np.empty((1, 40), np.float32),
        np.empty((2, 40), np.float64),
        np.empty((2, 40), ">f4"),
        np.empty((40, 2), np.float32).T,
        np.empty((2, 80), np.float32)[:, ::2],
        read_only,
        [[0.0] * 40] * 2,
    ):
        with pytest.raises(ValueError, match="out is"):
            edf.read([0, 1], out=out)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="out is"):
        edf.read([0, 1], stop=0.25, out=np.empty((2, 4), np.float32)[:, ::2])


@pytest.mark.parametrize("dtype", ["int64", "float16", "uint16", "complex64", ">f4"])
def test_other_dtypes_are_rejected(edf: EdfFile, dtype: str) -> None:
    with pytest.raises(ValueError, match="dtype is"):
        edf.read([0], dtype=dtype)


def test_an_unknown_value_of_gaps_is_rejected(edf: EdfFile) -> None:
    with pytest.raises(ValueError, match="gaps is 'fill', expected 'error', 'nan' or 'join'"):
        edf.read([0], gaps="fill")  # type: ignore[arg-type]


def test_a_closed_file_cannot_be_read(edf: EdfFile) -> None:
    with edf as same:
        assert same is edf
    with pytest.raises(ValueError, match="closed"):
        edf.read([0])
    edf.close()


def test_a_pickled_file_is_opened_again(edf: EdfFile) -> None:
    assert np.array_equal(pickle.loads(pickle.dumps(edf)).read([0]), edf.read([0]))


def test_a_file_that_became_shorter_is_rejected(recording: Recording, opened: Open, tmp_path: Path) -> None:
    edf = opened(recording.plain())
    with (tmp_path / "recording.edf").open("r+b") as file:
        file.truncate(256 * 4 + 10)
    with pytest.raises(sk.EdfError, match="file size"):
        edf.read([0])


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_the_result_does_not_depend_on_the_number_of_threads(recording: Recording, opened: Open, threads: int) -> None:
    random = np.random.default_rng(2)
    many = [signal(random.integers(-3000, 3000, (40, 500)), recording.format, label=f"C{i}") for i in range(6)]
    edf = opened(EdfBytes(many, recording.format))
    expected = edf.read(threads=1)
    assert np.array_equal(edf.read(threads=threads), expected)
    with ThreadPoolExecutor(4) as pool:
        for read in pool.map(lambda _: edf.read(), range(8)):
            assert np.array_equal(read, expected)


@pytest.mark.parametrize("threads", [1, 3])
def test_records_larger_than_the_scratch_block_are_read_in_parts(
    recording: Recording, opened: Open, threads: int
) -> None:
    values = [np.arange(i, 300_000 + i).reshape(2, 150_000) % 30_000 for i in range(3)]
    edf = opened(EdfBytes([signal(v, recording.format, label=f"C{i}") for i, v in enumerate(values)], recording.format))
    rate = 150_000.0
    for start, stop in [(0.0, 2.0), (0.3, 1.7), (0.99, 1.01), (1.5, 1.5 + 1 / rate)]:
        read = edf.read([2, 0], start, stop, "int32", threads=threads)
        first, last = round(start * rate), round(stop * rate)
        assert np.array_equal(read, [values[2].reshape(-1)[first:last], values[0].reshape(-1)[first:last]])


@st.composite
def layouts(draw: st.DrawFn) -> tuple[str, list[int], int, float]:
    rates = draw(st.lists(st.sampled_from([0, 1, 2, 7, 250, 3000]), min_size=1, max_size=8).filter(any))
    return (
        draw(st.sampled_from(["EDF", "BDF"])),
        rates,
        draw(st.integers(1, 6)),
        draw(st.sampled_from([0.5, 1, 1.7, 10])),
    )


@pytest.mark.slow
@settings(deadline=None, max_examples=80)
@given(layout=layouts(), data=st.data())
def test_reads_return_what_was_written_for_any_range_channels_and_layout(
    layout: tuple[str, list[int], int, float], data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    file_format, rates, records, duration = layout
    random = np.random.default_rng(3)
    values = [random.integers(-30_000, 30_000, (records, rate)) for rate in rates]
    signals = [signal(v, file_format, label=f"S{i}") for i, v in enumerate(values)]
    content = EdfBytes(signals, file_format, record_duration=str(duration))
    edf = sk.open_edf(content.write(tmp_path_factory.getbasetemp() / "layout.edf"))
    rate = data.draw(st.sampled_from([each for each in rates if each]))
    same = [i for i, each in enumerate(rates) if each == rate]
    channels = data.draw(st.lists(st.sampled_from(same), min_size=1, max_size=6))
    first = data.draw(st.integers(0, records * rate))
    last = data.draw(st.integers(first, records * rate))
    read = edf.read(
        channels, first * duration / rate, last * duration / rate, "int32", threads=data.draw(st.integers(1, 3))
    )
    assert np.array_equal(read, [values[channel].reshape(-1)[first:last] for channel in channels])
