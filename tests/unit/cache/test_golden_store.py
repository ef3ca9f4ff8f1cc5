"""The store that version 1 of the format wrote: every later version opens it and reads the same values."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import zarr

import edf_bytes
import seizurekit as sk
from seizurekit.cache.verify import find_damage
from seizurekit.recordings.annotations import Event
from seizurekit.recordings.annotations_write import write_csv_bi

# What seizurekit before 0.1.0 read from the store that it wrote.
SIGNAL_SHA256 = "cff62a90cbd25eb64aea325caad8e28169bde0eb98a33c4edb6e91a7b7cd9354"
WINDOWS_SHA256 = "4cac4e25d22c0e418dd0d6e805bf23f31bf2ffa716cfa438905e0f47ebb1a7d1"
MASKS_SHA256 = "283d0eb8447cc00c10ad33945be900a09209d9cd500817789816a00bf7cf07b9"
FINGERPRINT = "1b4971bd77a6c7123861adbfd8a48aab1447a85fdc1817daf958d00facc71db2"
CHAIN_HASH = "32cbbc081beb656d1ccac6b885ff09e002914bcd284b972cb85de70a166c7975"

GOLDEN = Path(__file__).resolve().parents[2] / "golden" / "store-v1"
RATE = 256


def write_corpus(folder: Path) -> None:
    """Two patients: a recording of 130 s with a seizure, and one of 25 s without annotations.

    Each channel is a sine of its own amplitude, which changes after 60 s: chunks compress well and still differ.
    """
    for patient, seconds in (("aaaaaaaa", 130), ("aaaaaaab", 25)):
        session = folder / "train" / patient / "s001_2002" / "01_tcp_ar"
        session.mkdir(parents=True)
        path = session / f"{patient}_s001_t000.edf"
        signals = [
            edf_bytes.signal(sine(seconds, channel), label=f"EEG {name.upper()}-REF")
            for channel, name in enumerate(sk.Chain().channels)
        ]
        edf_bytes.EdfBytes(signals).write(path)
        if patient == "aaaaaaaa":
            write_csv_bi(path.with_suffix(".csv_bi"), [Event(62.25, 129.9, "seiz")], seconds)


def sine(seconds: int, channel: int) -> np.ndarray:
    """Digital values [data record, sample] of 0.1 µV: 8 Hz in even channels, 16 Hz in odd ones."""
    time = np.arange(seconds * RATE) / RATE
    amplitude = 200 + 10 * channel + 40 * (time >= 60)
    wave = amplitude * np.sin(2 * np.pi * (8 + channel % 2 * 8) * time)
    return np.asarray(np.rint(wave), np.int64).reshape(seconds, RATE)


def write_golden_store(folder: Path) -> None:
    """Writes the store of `write_corpus` to a new folder. It made tests/golden/store-v1 before 0.1.0."""
    corpus = folder.with_name(f"{folder.name}-corpus")
    write_corpus(corpus)
    sk.build_cache(corpus, folder, workers=1)
    shutil.rmtree(corpus)


def sha256(values: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(values).tobytes()).hexdigest()


def test_attributes_and_columns_are_read() -> None:
    cache = sk.open_cache(GOLDEN)
    assert cache.chain.to_dict() == json.loads((GOLDEN / "train" / "zarr.json").read_text())["attributes"]["chain"]
    assert cache.attributes["chain_hash"] == CHAIN_HASH
    assert (cache.split, cache.sampling_rate, cache.step, cache.shards) == ("train", 256, 1 / 512, (0,))
    assert " ".join(cache.channels) == "Fp1 F3 C3 P3 F7 T3 T5 O1 Fz Cz Pz Fp2 F4 C4 P4 F8 T4 T6 O2"
    columns = {name: values.tolist() for name, values in cache.recordings.items()}
    ok, unlabelled = columns.pop("reason")
    assert (ok, unlabelled[:18]) == ("", "no annotation file")
    mean, std = np.array(columns.pop("mean")), np.array(columns.pop("std"))
    assert columns == {
        "id": ["aaaaaaaa_s001_t000", "aaaaaaab_s001_t000"],
        "patient": ["aaaaaaaa", "aaaaaaab"],
        "session": ["s001", "s001"],
        "montage": ["01_tcp_ar", "01_tcp_ar"],
        "source": [
            "train/aaaaaaaa/s001_2002/01_tcp_ar/aaaaaaaa_s001_t000.edf",
            "train/aaaaaaab/s001_2002/01_tcp_ar/aaaaaaab_s001_t000.edf",
        ],
        "source_rate": [256.0, 256.0],
        "first_sample": [0, 33280],
        "samples": [33280, 6400],
        "reference": ["REF", "REF"],
        "interpolated": ["", ""],
        "repairs": ["", ""],
        "remarks": ["", ""],
        "status": ["ok", "unlabelled"],
    }
    assert mean.shape == std.shape == (2, 19)
    assert std[:, 0].tolist() == pytest.approx([15.72872646, 14.13359633])
    assert {name: values.tolist() for name, values in cache.events.items()} == {
        "recording": [0],
        "start": [62.25],
        "stop": [129.9],
        "label": ["seiz"],
        "confidence": [1.0],
    }
    assert cache.fingerprint == FINGERPRINT


@pytest.fixture
def golden_copy(tmp_path: Path) -> Path:
    """A copy of the golden store, in which a faulty revision may rewrite the manifest."""
    return shutil.copytree(GOLDEN, tmp_path / "golden")


def test_the_manifest_is_read_and_not_rebuilt(golden_copy: Path, caplog: pytest.LogCaptureFixture) -> None:
    manifest = sk.open_cache(golden_copy).manifest
    assert (manifest.recordings, manifest.usable, manifest.seizures) == (2, 1, 1)
    assert (manifest.none, manifest.partial, manifest.full) == (1, 6, 1)
    assert not caplog.records


@pytest.mark.parametrize("place", ["local", "s3"])
def test_signals_windows_and_masks_have_their_exact_values(place: str, request: pytest.FixtureRequest) -> None:
    root: Path | str = GOLDEN
    if place == "s3":
        s3: Callable[[str], str] = request.getfixturevalue("s3")
        upload: Callable[[Path, str], str] = request.getfixturevalue("upload")
        root = upload(GOLDEN, s3("golden/store-v1"))
    cache = sk.open_cache(root)
    signal = cache.read(0) / cache.step
    assert signal[[0, 9, 18], 5000:5003].tolist() == [[647, 623, 574], [-7, -264, -481], [681, 655, 603]]
    assert (cache.read(1)[3, 6000:6004] / cache.step).tolist() == [9, 284, 520, 671]
    windows = cache.windows()
    assert windows.start.tolist() == [number * 2560 for number in range(8)]
    assert windows.kind.tolist() == [0, 1, 1, 1, 1, 1, 1, 2]
    x, y = windows.read(range(8), dtype="int16")
    np.testing.assert_array_equal(x[0], signal[:, :15360])
    assert sha256(x) == WINDOWS_SHA256
    assert sha256(y) == MASKS_SHA256
    np.testing.assert_array_equal(windows.read(range(8))[0], x * np.float32(cache.step))


def test_every_chunk_is_verified_and_zarr_reads_the_same() -> None:
    cache = sk.open_cache(GOLDEN)
    assert list(find_damage(cache)) == []
    signal = np.asarray(zarr.open_array(GOLDEN / "train" / "signal", mode="r")[:])
    assert sha256(signal) == SIGNAL_SHA256
    np.testing.assert_array_equal(signal[:, :33280] * np.float32(cache.step), cache.read(0))


def test_a_chain_with_the_golden_hash_still_computes_the_golden_signal(tmp_path: Path, golden_copy: Path) -> None:
    if sk.Chain().hash != CHAIN_HASH:
        pytest.skip("the chain has changed, and its hash with it")
    write_golden_store(tmp_path / "rebuilt")
    rebuilt, golden = sk.open_cache(tmp_path / "rebuilt"), sk.open_cache(golden_copy)
    for recording in (0, 1):
        np.testing.assert_array_equal(rebuilt.read(recording), golden.read(recording))
    for name in ("first_sample", "samples", "mean", "std"):
        np.testing.assert_array_equal(rebuilt.recordings[name], golden.recordings[name])
    assert rebuilt.manifest == golden.manifest
    assert rebuilt.attributes["plan_hash"] == golden.attributes["plan_hash"]
