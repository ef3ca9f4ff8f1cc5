"""The shard writer, compared with zarr-python."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st

from seizurekit.cache.build.shard_writer import open_shard
from seizurekit.cache.layout import CHUNKS_PER_SHARD, signal_metadata
from seizurekit.storage.local import LocalFolder

CHANNELS, CHUNK = 3, 16


def write(path: Path, chunks: dict[int, np.ndarray]) -> None:
    with open_shard(LocalFolder(path.parent), path.name) as writer:
        for number, samples in chunks.items():
            writer.add(number, samples)


@pytest.mark.slow
@settings(max_examples=15)
@given(st.dictionaries(st.integers(0, CHUNKS_PER_SHARD - 1), st.integers(0, 2**32), max_size=6), st.integers(0, 2))
def test_zarr_python_reads_written_shards(
    tmp_path_factory: pytest.TempPathFactory, chunks: dict[int, int], shard: int
) -> None:
    folder = tmp_path_factory.mktemp("array")
    samples = {
        number: np.random.default_rng(seed).integers(-32768, 32767, (CHANNELS, CHUNK), np.int16)
        for number, seed in sorted(chunks.items())
    }
    write(folder / "c" / "0" / str(shard), samples)
    width = 3 * CHUNKS_PER_SHARD * CHUNK
    (folder / "zarr.json").write_text(json.dumps(signal_metadata(CHANNELS, width, CHUNK)))
    found = zarr.open_array(folder, mode="r")[:]
    expected = np.zeros((CHANNELS, width), np.int16)
    for number, values in samples.items():
        first = (shard * CHUNKS_PER_SHARD + number) * CHUNK
        expected[:, first : first + CHUNK] = values
    np.testing.assert_array_equal(found, expected)


def test_a_shard_without_chunks_has_no_file(tmp_path: Path) -> None:
    write(tmp_path / "0", {3: np.zeros((CHANNELS, CHUNK), np.int16)})
    assert not list(tmp_path.iterdir())


def test_a_shard_that_is_not_finished_leaves_no_file(tmp_path: Path) -> None:
    def interrupted() -> None:
        with open_shard(LocalFolder(tmp_path), "0") as writer:
            writer.add(0, np.ones((CHANNELS, CHUNK), np.int16))
            assert list(tmp_path.iterdir())
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        interrupted()
    assert not list(tmp_path.iterdir())
