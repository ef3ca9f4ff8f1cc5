"""The benchmark of loaders: its corpus, agreement of the contenders, and its report."""

from __future__ import annotations

import gc
import json
import warnings
from pathlib import Path

import numpy as np
import pytest
from bench.corpus import Corpus, make_corpus
from bench.loader.__main__ import LOADER, READER, main
from bench.loader.webdataset import iterate_batches, write_tars

import seizurekit as sk

SMALL = ["--batches", "2", "--batch-size", "2"]


def test_the_corpus_has_the_same_signal_in_every_layout_and_is_reused(corpus: Corpus) -> None:
    cache = sk.open_cache(corpus.store)
    signal = cache.read(0)
    np.testing.assert_array_equal(np.fromfile(corpus.memmap / "0.f32", np.float32).reshape(19, -1), signal)
    with np.load(corpus.npz / "0_windows.npz") as arrays:
        np.testing.assert_array_equal(arrays["windows"][3], signal[:, 3 * 2560 : 3 * 2560 + 15360])
    assert cache.manifest.partial
    root = corpus.store.parents[1]
    before = sorted(path.stat().st_mtime_ns for path in root.rglob("*"))
    assert make_corpus(root, corpus.hours, with_npz=True) == corpus
    assert sorted(path.stat().st_mtime_ns for path in root.rglob("*")) == before


def test_contenders_agree_and_are_reported(
    corpus_options: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = "reader,WindowLoader,zarr-python,TensorStore,memmap,NPZ"
    plot = tmp_path / "out.png"
    main([*SMALL, *corpus_options, "--only", names, "--json", "--plot", str(plot)])
    facts = json.loads(capsys.readouterr().out)
    values = {(row["contender"], row["metric"]): row["p50"] for row in facts["measurements"]}
    timed = {contender for contender, _ in values}
    assert {READER, LOADER, "zarr-python", "TensorStore", "float32 memmap"} <= timed
    assert all(0 < values[name, "time"] <= values[name, "p95 time"] for name in timed)
    assert next(each for each in facts["figures"] if each["name"] == f"{READER} / memcpy")["value"] > 0
    assert plot.read_bytes().startswith(b"\x89PNG")


def test_webdataset_returns_every_window_of_the_store(corpus: Corpus, tmp_path: Path) -> None:
    pytest.importorskip("webdataset")
    windows = sk.open_cache(corpus.store).windows()
    tars = write_tars(windows, tmp_path / "tars", windows_per_tar=10)
    assert len(tars) > 1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # WebDataset leaves its files open
        found = np.concatenate([x for (x,) in iterate_batches(tars, 8)])
        gc.collect()
    assert len(found) == len(windows)
    expected, _ = windows.read(np.arange(len(windows)))
    assert sorted(hash(x.tobytes()) for x in found) == sorted(hash(x.tobytes()) for x in expected)


def test_an_object_store_with_a_slow_consumer(corpus_options: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    only = "reader,WindowLoader,obstore,zarr-python,TensorStore"
    main([*SMALL, *corpus_options, "--source", "s3", "--latency-ms", "5", "--step-ms", "5", "--only", only])
    output = capsys.readouterr().out
    assert "ranged reads through obstore alone" in output
    assert "local S3 server, 5 ms per request" in output
    assert "waiting %" in output
    assert "skipped: TensorStore" not in output
    assert "skipped: zarr-python (" not in output
