"""The core's batch reader: chunks compared with numcodecs, batches with NumPy, and damage to every byte."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import google_crc32c
import ml_dtypes
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numcodecs import blosc, lz4

from seizurekit import _core
from seizurekit._core import cache as core
from seizurekit.cache.build.shard_writer import open_shard
from seizurekit.cache.layout import CHUNKS_PER_SHARD, NOT_STORED
from seizurekit.cache.shard_file import encode_chunk, encode_index
from seizurekit.storage.local import LocalFolder

CHANNELS, CHUNK = 3, 40
STEP = 1 / 512
NO_LABELS = core.Labels(np.empty(0, np.int64), np.empty(0, np.int64))


@pytest.fixture(params=_core.support.isas())
def isa(request: pytest.FixtureRequest) -> Iterator[str]:
    before = _core.support.build_config()["isa"]
    _core.support.use_isa(request.param)
    yield request.param
    _core.support.use_isa(before)


def signal_of(seed: int, chunks: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    smooth = np.cumsum(rng.integers(-9, 10, (CHANNELS, chunks * CHUNK)), axis=1)
    scaled = np.asarray(smooth * rng.choice([1, 7, 300]) % 65536, np.uint16)
    return scaled.view(np.int16)


def write(folder: Path, signal: np.ndarray, first_chunk: int = 0, absent: tuple[int, ...] = ()) -> None:
    chunks = range(signal.shape[1] // CHUNK)
    for shard in {(first_chunk + chunk) // CHUNKS_PER_SHARD for chunk in chunks}:
        with open_shard(LocalFolder(folder), str(shard)) as writer:
            for chunk in chunks:
                if (first_chunk + chunk) // CHUNKS_PER_SHARD == shard and chunk not in absent:
                    part = signal[:, chunk * CHUNK : (chunk + 1) * CHUNK]
                    writer.add((first_chunk + chunk) % CHUNKS_PER_SHARD, part)


def geometry_of(channels: int = CHANNELS, chunk: int = CHUNK) -> core.Geometry:
    return core.Geometry(channels=channels, chunk=chunk, chunks_per_shard=CHUNKS_PER_SHARD, step=STEP)


def read(
    files: core.ShardFiles, first: list[int], length: int, dtype: Any = np.float32, threads: int = 2
) -> tuple[np.ndarray, list[tuple[int, int, int, int, str]]]:
    x = np.full((len(first), CHANNELS, length), 77, dtype)
    y = np.empty((len(first), length), np.uint8)
    where = np.array(first, np.int64)
    return x, files.read(core.ReadRequest(where, x, NO_LABELS, where, y), threads)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_batch_equals_slices_of_the_signal(
    tmp_path_factory: pytest.TempPathFactory, isa: str, data: st.DataObject
) -> None:
    chunks = data.draw(st.integers(1, 6))
    before = data.draw(st.sampled_from([0, 3, CHUNKS_PER_SHARD - 2]))
    absent = tuple(data.draw(st.sets(st.integers(0, chunks - 1), max_size=2)))
    signal = signal_of(data.draw(st.integers(0, 99)), chunks)
    for chunk in absent:
        signal[:, chunk * CHUNK : (chunk + 1) * CHUNK] = 0
    folder = tmp_path_factory.mktemp("shards")
    write(folder, signal, before, absent)
    files = core.ShardFiles(geometry_of(), str(folder), [(folder / str(shard)).exists() for shard in range(3)])
    length = data.draw(st.integers(1, chunks * CHUNK))
    starts = data.draw(st.lists(st.integers(0, chunks * CHUNK - length), min_size=1, max_size=9))
    dtype = data.draw(st.sampled_from([np.float32, np.float16, ml_dtypes.bfloat16, np.int16]))
    threads = data.draw(st.integers(1, 4))
    found, failed = read(files, [before * CHUNK + start for start in starts], length, dtype, threads)
    assert failed == []
    for row, start in zip(found, starts, strict=True):
        cut = signal[:, start : start + length]
        expected = cut if dtype is np.int16 else (cut * np.float32(STEP)).astype(dtype)
        np.testing.assert_array_equal(row.view(np.uint8), np.ascontiguousarray(expected).view(np.uint8))


def test_a_batch_that_is_written_past_the_processors_cache_equals_slices_too(tmp_path: Path, isa: str) -> None:
    signal = signal_of(2, 6)
    write(tmp_path, signal)
    starts = [i % 8 for i in range(1600)]
    found, failed = read(core.ShardFiles(geometry_of(), str(tmp_path), [True]), starts, 231)
    assert found.nbytes > 4 << 20
    assert failed == []
    expected = [signal[:, start : start + 231] * np.float32(STEP) for start in starts]
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("dtype", [np.float16, ml_dtypes.bfloat16, np.float32])
@pytest.mark.parametrize("step", [1.0, 1 / 512, 1 / 3, 2.0**-20])
def test_every_integer_is_rounded_as_numpy_rounds_it(tmp_path: Path, isa: str, dtype: Any, step: float) -> None:
    values = np.arange(-32768, 32768, dtype=np.int32).astype(np.int16)[None]
    with open_shard(LocalFolder(tmp_path), "0") as writer:
        writer.add(0, values)
    geometry = core.Geometry(channels=1, chunk=65536, chunks_per_shard=CHUNKS_PER_SHARD, step=step)
    files = core.ShardFiles(geometry, str(tmp_path), [True])
    x = np.empty((1, 1, 65536), dtype)
    assert not files.read(core.ReadRequest(np.zeros(1, np.int64), x), 1)
    expected = (values.astype(np.float32) * np.float32(step)).astype(dtype)
    np.testing.assert_array_equal(x[0].view(np.uint8), expected.view(np.uint8))


@pytest.mark.slow
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.integers(1, 3000),
    st.integers(0, 999),
    st.integers(0, 9),
    st.sampled_from([0, 16, 64, 256, 1000, 4096]),
    st.sampled_from(["noise", "smooth", "constant", "runs"]),
)
def test_blosc_frames_of_any_settings_are_decoded(
    isa: str, samples: int, seed: int, level: int, block: int, kind: str
) -> None:
    rng = np.random.default_rng(seed)
    values = {
        "noise": rng.integers(-32768, 32768, samples),
        "smooth": np.cumsum(rng.integers(-3, 4, samples)),
        "constant": np.full(samples, rng.integers(-9, 9)),
        "runs": np.repeat(rng.integers(-900, 900, samples // 37 + 1), 37)[:samples],
    }[kind].astype(np.int16)
    frame = blosc.compress(values, b"lz4", level, blosc.BITSHUFFLE, block)
    np.testing.assert_array_equal(decode(frame, samples), values)


def decode(frame: bytes, samples: int) -> np.ndarray:
    stored = frame + int(google_crc32c.value(frame)).to_bytes(4, "little")
    geometry = core.Geometry(channels=1, chunk=samples, chunks_per_shard=1, step=1.0)
    x = np.empty((1, 1, samples), np.int16)
    failed = core.read_chunks(geometry, [0], [stored], [0], core.ReadRequest(np.zeros(1, np.int64), x), 1)
    assert failed == []
    return x.reshape(samples)


@pytest.mark.parametrize("samples", [2 * 32768, 50_000, 50_003])
def test_blosc_frames_of_several_blocks_are_decoded(isa: str, samples: int) -> None:
    values = np.cumsum(np.random.default_rng(0).integers(-3, 4, samples)).astype(np.int16)
    frame = blosc.compress(values, b"lz4", 1, blosc.BITSHUFFLE)  # higher levels have larger blocks
    size, block = np.frombuffer(frame[4:12], "<u4").tolist()
    assert block < size
    np.testing.assert_array_equal(decode(frame, samples), values)


@given(st.lists(st.tuples(st.binary(min_size=1, max_size=40), st.integers(1, 60)), max_size=20))
def test_lz4_blocks_are_decoded_as_by_liblz4(runs: list[tuple[bytes, int]]) -> None:
    data = b"".join(pattern * count for pattern, count in runs)
    block = lz4.compress(data)[4:] if data else b"\0"
    assert core.lz4_decode(block, len(data)).tobytes() == data
    with pytest.raises(ValueError, match="expected an LZ4 block"):
        core.lz4_decode(block, len(data) + 1)


@pytest.mark.parametrize("distance", range(1, 20))
def test_lz4_matches_that_overlap_themselves_are_repeated(distance: int) -> None:
    noise = np.random.default_rng(distance).integers(0, 256, 64, np.uint8).tobytes()
    for length in range(4, 40):
        data = (noise[:distance] * 40)[: distance + length] + noise
        assert core.lz4_decode(lz4.compress(data)[4:], len(data)).tobytes() == data


@given(st.binary(max_size=20_000))
def test_the_checksum_agrees_with_google_crc32c(data: bytes) -> None:
    assert core.crc32c(data) == google_crc32c.value(data)
    assert core.crc32c(memoryview(data)[len(data) // 3 :]) == google_crc32c.value(data[len(data) // 3 :])


def test_the_checksum_is_equal_on_every_instruction_set(isa: str) -> None:
    data = np.random.default_rng(0).integers(0, 256, 100_003, np.uint8).tobytes()
    assert core.crc32c(data) == google_crc32c.value(data)


@pytest.fixture
def stored(tmp_path: Path) -> tuple[Path, np.ndarray]:
    signal = signal_of(1, 4)
    write(tmp_path, signal)
    return tmp_path, signal


@pytest.mark.slow
@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(position=st.integers(0, 2**20), bit=st.integers(0, 7))
def test_a_flipped_bit_anywhere_is_found_by_reading_and_by_verifying(
    stored: tuple[Path, np.ndarray], position: int, bit: int
) -> None:
    folder, _ = stored
    path = folder / "0"
    whole = path.read_bytes()
    content = bytearray(whole)
    content[position % len(content)] ^= 1 << bit
    try:
        path.write_bytes(content)
        _, failed = read(core.ShardFiles(geometry_of(), str(folder), [True]), [0], 4 * CHUNK)
        damage = core.find_damage(bytes(content), CHANNELS, CHUNK, CHUNKS_PER_SHARD)
    finally:
        path.write_bytes(whole)
    assert damage
    assert failed
    assert all("damaged" in reason for *_, reason in failed)
    chunk, first, end, _reason = damage[0]
    assert first <= position % len(content) < end
    assert chunk in {-1, *(chunk for _, chunk, *_ in failed)}


@pytest.mark.parametrize("size", [0, 10, 4000])
def test_a_truncated_shard_is_reported(tmp_path: Path, size: int) -> None:
    (tmp_path / "0").write_bytes(b"x" * size)
    _, failed = read(core.ShardFiles(geometry_of(), str(tmp_path), [True]), [0], CHUNK)
    assert failed == [(0, 0, 0, size, "damaged: shard is shorter than its index")]
    assert core.find_damage(b"x" * size, CHANNELS, CHUNK, CHUNKS_PER_SHARD) == [
        (-1, 0, size, "shard is shorter than its index")
    ]


def test_an_index_entry_without_bytes_is_reported(tmp_path: Path) -> None:
    index = np.full((CHUNKS_PER_SHARD, 2), NOT_STORED, np.uint64)
    index[1] = 0
    (tmp_path / "0").write_bytes(encode_index(index))
    _, failed = read(core.ShardFiles(geometry_of(), str(tmp_path), [True]), [0], 2 * CHUNK)
    assert failed == [(0, 1, 0, 0, "damaged: chunk offset is outside the shard")]


def test_a_missing_shard_is_reported_and_the_other_windows_are_read(stored: tuple[Path, np.ndarray]) -> None:
    folder, signal = stored
    files = core.ShardFiles(geometry_of(), str(folder), [True, True])
    beyond = CHUNKS_PER_SHARD * CHUNK
    x, failed = read(files, [0, beyond], CHUNK)
    assert failed == [(1, CHUNKS_PER_SHARD, 0, 0, "missing shard")]
    np.testing.assert_array_equal(x[0], signal[:, :CHUNK] * np.float32(STEP))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda frame: frame[:3], "too short"),
        (lambda frame: frame[:4] + b"\xff" + frame[5:], "wrong number of samples"),
        (lambda frame: frame[:12] + b"\xff" + frame[13:], "wrong frame length"),
        (lambda frame: frame[:2] + b"\x44" + frame[3:], "not bit-shuffled LZ4"),
        (lambda frame: frame[:8] + b"\0\0\0\0" + frame[12:], "invalid block size"),
        (lambda frame: frame[:16] + b"\xff\xff" + frame[18:], "outside"),
    ],
)
def test_a_malformed_frame_with_a_valid_checksum_is_rejected(change: Any, message: str) -> None:
    frame = change(encode_chunk(signal_of(0, 1))[:-4])
    data = frame + int(google_crc32c.value(frame)).to_bytes(4, "little")
    x = np.empty((1, CHANNELS, CHUNK), np.float32)
    failed = core.read_chunks(geometry_of(), [0], [data], [0], core.ReadRequest(np.zeros(1, np.int64), x), 1)
    assert message in failed[0][-1]


@given(
    st.lists(st.integers(0, 400), max_size=12, unique=True).filter(lambda edges: len(edges) % 2 == 0),
    st.integers(0, 300),
    st.integers(1, 120),
)
def test_masks_are_drawn_from_intervals(edges: list[int], first: int, length: int) -> None:
    edges.sort()
    axis = np.zeros(500, np.uint8)
    for start, stop in zip(edges[::2], edges[1::2], strict=True):
        axis[start:stop] = 1
    mask = np.full(length, 9, np.uint8)
    core.Labels(np.array(edges[::2], np.int64), np.array(edges[1::2], np.int64)).draw(first, mask)
    np.testing.assert_array_equal(mask, axis[first : first + length])


def test_arrays_that_do_not_fit_are_rejected(stored: tuple[Path, np.ndarray]) -> None:
    files = core.ShardFiles(geometry_of(), str(stored[0]), [True])
    first = np.zeros(2, np.int64)
    y = np.empty((2, CHUNK), np.uint8)
    for x, message in (
        (np.empty((1, CHANNELS, CHUNK), np.float32), "x: expected a contiguous array"),
        (np.empty((2, CHANNELS, 2 * CHUNK), np.float32)[:, :, ::2], "x: expected a contiguous array"),
        (np.empty((2, CHANNELS, CHUNK), np.float64), "x: dtype is float64, expected float32"),
        (np.empty((2, CHANNELS + 1, CHUNK), np.float32), "x: array has 4 channels, expected 3"),
    ):
        with pytest.raises(ValueError, match=message):
            files.read(core.ReadRequest(first, x, NO_LABELS, first, y), 1)
    x = np.empty((2, CHANNELS, CHUNK), np.float32)
    with pytest.raises(ValueError, match="y: expected"):
        core.ReadRequest(first, x, NO_LABELS, first, y[:1])
    with pytest.raises(ValueError, match="y: expected"):
        core.ReadRequest(first, x, NO_LABELS, first[:1], y)
    with pytest.raises(ValueError, match="y: expected"):
        core.ReadRequest(first, x, NO_LABELS)
    with pytest.raises(ValueError, match="first: expected"):
        core.ReadRequest(first - 1, x)
    with pytest.raises(TypeError):
        core.ReadRequest(first, x, NO_LABELS, first, y.astype(np.int64))  # would be a copy
    with pytest.raises(ValueError, match="ascending, disjoint"):
        core.Labels(np.array([5], np.int64), np.array([5], np.int64))
