"""Reading a store with seizurekit, and with other libraries."""

from __future__ import annotations

import json
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
import tensorstore
import xarray
import zarr

import seizurekit as sk
from seizurekit.cache.store import splits_in
from seizurekit.errors import CacheError
from seizurekit.recordings.corpus import find_recordings
from seizurekit.storage.open import open_folder


def test_recordings_are_read_to_half_a_step(small_corpus: Path, small_store: Path) -> None:
    cache = sk.open_cache(small_store, "train")
    for number, file in enumerate(r for r in find_recordings(small_corpus).recordings if r.split == "train"):
        with sk.open_edf(file.edf) as edf:
            expected = sk.preprocess(edf)
        found = cache.read(number)
        assert cache.recordings["id"][number] == file.id
        assert np.abs(found - expected).max() <= cache.step / 2 + 1e-6
        error = np.sqrt(np.mean((found - expected) ** 2) / np.mean(expected**2))
        assert -20 * np.log10(error) >= 60


def test_part_of_a_recording_equals_that_part_of_the_whole(small_store: Path) -> None:
    cache = sk.open_cache(small_store, "train")
    whole = cache.read(1)
    for start, stop in [(0, 1), (2559, 2561), (100, 9000), (0, whole.shape[1]), (77, 77)]:
        np.testing.assert_array_equal(cache.read(1, start, stop), whole[:, start:stop])
    with pytest.raises(ValueError, match=r"samples are .*, expected a range within 0 to"):
        cache.read(1, 0, whole.shape[1] + 1)


def test_zarr_python_and_tensorstore_read_the_same_signal(small_store: Path) -> None:
    cache = sk.open_cache(small_store, "train")
    by_zarr = np.asarray(zarr.open_array(small_store / "train" / "signal", mode="r")[:])
    opened = tensorstore.open(
        {"driver": "zarr3", "kvstore": {"driver": "file", "path": str(small_store / "train" / "signal")}}, read=True
    ).result()
    np.testing.assert_array_equal(opened.read().result(), by_zarr)
    assert by_zarr.any()
    for number, first in enumerate(cache.recordings["first_sample"]):
        samples = cache.recordings["samples"][number]
        np.testing.assert_array_equal(by_zarr[:, first : first + samples] * np.float32(cache.step), cache.read(number))


def test_every_column_opens_in_zarr_tensorstore_and_xarray(small_store: Path) -> None:
    for group in ("recordings", "events"):
        folder = small_store / "train" / group
        for name, array in zarr.open_group(folder, mode="r").arrays():
            opened = tensorstore.open({"driver": "zarr3", "kvstore": {"driver": "file", "path": str(folder / name)}})
            np.testing.assert_array_equal(opened.result().read().result(), array[...])
        with xarray.open_zarr(folder, consolidated=False) as dataset:
            assert set(dataset.data_vars) == {name for name, _ in zarr.open_group(folder, mode="r").arrays()}
    with xarray.open_zarr(small_store / "train") as dataset:
        assert dataset["signal"].dims == ("channel", "sample")


def test_mean_and_standard_deviation_are_in_microvolts(small_corpus: Path, small_store: Path) -> None:
    cache = sk.open_cache(small_store, "dev")
    assert np.all(cache.recordings["std"] > 1)
    assert np.all(cache.recordings["std"] < 1000)
    assert cache.recordings["mean"].shape == (len(cache.recordings["id"]), 19)


def test_the_mask_is_drawn_from_the_events(small_store: Path) -> None:
    cache = sk.open_cache(small_store, "train")
    assert len(cache.events["start"])
    for number in range(len(cache.recordings["id"])):
        expected = np.zeros(cache.recordings["samples"][number], np.uint8)
        for row in np.flatnonzero(cache.events["recording"] == number):
            expected[int(cache.events["start"][row] * 256) : int(cache.events["stop"][row] * 256)] = 1
        np.testing.assert_array_equal(cache.mask(number), expected)


def test_an_open_store_can_be_pickled(small_store: Path) -> None:
    cache = sk.open_cache(small_store, "train")
    again = pickle.loads(pickle.dumps(cache))
    np.testing.assert_array_equal(again.read(0, 0, 100), cache.read(0, 0, 100))


def test_a_missing_split_is_reported_with_the_existing_ones(small_store: Path) -> None:
    assert splits_in(open_folder(small_store)) == ("train", "dev", "eval")
    with pytest.raises(CacheError, match="no split 'test'; its splits are train, dev, eval"):
        sk.open_cache(small_store, "test")


def test_a_folder_without_a_store_is_named(tmp_path: Path) -> None:
    with pytest.raises(CacheError, match="no such store"):
        sk.open_cache(tmp_path / "nothing")
    with pytest.raises(CacheError, match="it contains no store"):
        sk.open_cache(tmp_path)


def test_another_chain_is_rejected_and_both_are_named(small_store: Path) -> None:
    other = sk.Chain(notch=50.0)
    with pytest.raises(CacheError, match=r"notch: 60\.0, 50\.0") as error:
        sk.open_cache(small_store, "train", chain=other)
    assert other.hash[:12] in str(error.value)
    assert sk.Chain().hash[:12] in str(error.value)


def test_the_same_chain_with_an_older_arithmetic_is_rejected(small_store: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(small_store, tmp_path / "cache")
    group = json.loads((copy / "train" / "zarr.json").read_text())
    group["attributes"]["chain_hash"] = "0" * 64
    (copy / "train" / "zarr.json").write_text(json.dumps(group))
    with pytest.raises(CacheError, match="the arithmetic, which changed between versions"):
        sk.open_cache(copy, chain=sk.Chain())


@pytest.mark.parametrize("text", ["", "{", "[]", '{"attributes": {}}'])
def test_damaged_metadata_is_named(small_store: Path, tmp_path: Path, text: str) -> None:
    copy = shutil.copytree(small_store, tmp_path / "cache")
    (copy / "train" / "zarr.json").write_text(text)
    with pytest.raises(CacheError, match=r"zarr\.json: damaged"):
        sk.open_cache(copy)


def test_a_later_format_is_rejected(small_store: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(small_store, tmp_path / "cache")
    group = json.loads((copy / "train" / "zarr.json").read_text())
    group["attributes"]["format_version"] = 2
    (copy / "train" / "zarr.json").write_text(json.dumps(group))
    with pytest.raises(CacheError, match="format version is 2, expected 1"):
        sk.open_cache(copy)


def test_a_damaged_chunk_is_named_with_its_recording(small_store: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(small_store, tmp_path / "cache")
    shard = copy / "train" / "signal" / "c" / "0" / "0"
    data = bytearray(shard.read_bytes())
    data[100] ^= 0xFF
    shard.write_bytes(data)
    cache = sk.open_cache(copy)
    with pytest.raises(CacheError, match=rf"recording {cache.recordings['id'][0]}: .*chunk 0 \(bytes 0 to"):
        cache.read(0)


def test_a_flipped_bit_in_a_column_is_detected(small_store: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(small_store, tmp_path / "cache")
    for name in ("events/start", "recordings/samples", "recordings/id"):
        path = next(p for p in (copy / "train" / name).rglob("c/**/*") if p.is_file())
        whole = path.read_bytes()
        for position in (0, len(whole) // 2, len(whole) - 1):
            flipped = bytearray(whole)
            flipped[position] ^= 8
            path.write_bytes(flipped)
            group, _, column = name.partition("/")
            with pytest.raises(CacheError, match=rf"train/{name}: damaged"):
                _ = getattr(sk.open_cache(copy), group)[column]
        path.write_bytes(whole)
