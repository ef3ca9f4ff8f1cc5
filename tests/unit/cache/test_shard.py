"""The shard writer and reader, against zarr-python."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

from seizurekit.cache.layout import CHUNKS_A_SHARD, signal_metadata
from seizurekit.cache.shard import Shard, ShardWriter
from seizurekit.errors import CacheError

CHANNELS, CHUNK = 3, 16


def write(path: Path, chunks: dict[int, np.ndarray]) -> None:
    with ShardWriter(path) as writer:
        for number, samples in chunks.items():
            writer.add(number, samples)
        writer.commit()


@settings(max_examples=25)
@given(st.dictionaries(st.integers(0, CHUNKS_A_SHARD - 1), st.integers(0, 2**32), max_size=6), st.integers(0, 2))
def test_zarr_python_reads_what_the_writer_wrote(
    tmp_path_factory: pytest.TempPathFactory, chunks: dict[int, int], shard: int
) -> None:
    folder = tmp_path_factory.mktemp("array")
    samples = {
        number: np.random.default_rng(seed).integers(-32768, 32767, (CHANNELS, CHUNK), np.int16)
        for number, seed in sorted(chunks.items())
    }
    write(folder / "c" / "0" / str(shard), samples)
    width = 3 * CHUNKS_A_SHARD * CHUNK
    (folder / "zarr.json").write_text(json.dumps(signal_metadata(CHANNELS, width, CHUNK)))
    found = zarr.open_array(folder, mode="r")[:]
    expected = np.zeros((CHANNELS, width), np.int16)
    for number, values in samples.items():
        first = (shard * CHUNKS_A_SHARD + number) * CHUNK
        expected[:, first : first + CHUNK] = values
    np.testing.assert_array_equal(found, expected)


def test_chunks_come_back_and_absent_ones_are_none(tmp_path: Path) -> None:
    samples = np.arange(CHANNELS * CHUNK, dtype=np.int16).reshape(CHANNELS, CHUNK)
    write(tmp_path / "0", {5: samples, 6: np.zeros_like(samples)})
    shard = Shard(tmp_path / "0", (CHANNELS, CHUNK))
    np.testing.assert_array_equal(shard.read(5), samples)
    assert shard.read(6) is None
    assert list(shard.chunks()) == [5]


def test_a_shard_without_chunks_has_no_file_and_reads_as_empty(tmp_path: Path) -> None:
    write(tmp_path / "0", {3: np.zeros((CHANNELS, CHUNK), np.int16)})
    assert not list(tmp_path.iterdir())
    assert Shard(tmp_path / "0", (CHANNELS, CHUNK)).read(3) is None


def test_a_shard_that_is_not_committed_leaves_nothing_behind(tmp_path: Path) -> None:
    with ShardWriter(tmp_path / "0") as writer:
        writer.add(0, np.ones((CHANNELS, CHUNK), np.int16))
        assert list(tmp_path.iterdir())
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("place", [0, 30, -1, -500])
def test_a_flipped_bit_is_named_with_shard_and_bytes(tmp_path: Path, place: int) -> None:
    path = tmp_path / "0"
    write(path, {0: np.random.default_rng(0).integers(-99, 99, (CHANNELS, CHUNK)).astype(np.int16)})
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)
    with pytest.raises(CacheError, match=r"0: .*damaged"):
        Shard(path, (CHANNELS, CHUNK)).read(0)


@pytest.mark.parametrize("size", [0, 10, 4000])
def test_a_cut_shard_is_named(tmp_path: Path, size: int) -> None:
    (tmp_path / "0").write_bytes(b"x" * size)
    with pytest.raises(CacheError, match=f"found {size} bytes"):
        Shard(tmp_path / "0", (CHANNELS, CHUNK))
