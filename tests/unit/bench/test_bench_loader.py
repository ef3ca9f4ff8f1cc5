"""The benchmark of loaders: its corpus, that all contenders agree, and what it reports."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from bench.corpus import make_corpus
from bench.loader.__main__ import OURS, main
from bench.loader.webdataset import write_tars
from bench.servers.local_s3 import local_s3, variables
from bench.servers.slow_proxy import Faults

import seizurekit as sk
from seizurekit.errors import StorageError
from seizurekit.storage.folder import Span
from seizurekit.storage.open import open_folder

SMALL = ["--hours", "0.34", "--batches", "2", "--batch-size", "2"]


def test_the_corpus_is_the_same_in_every_layout(tmp_path: Path) -> None:
    corpus = make_corpus(tmp_path, 0.34, old=True)
    cache = sk.open_cache(corpus.store)
    signal = cache.read(0)
    np.testing.assert_array_equal(np.fromfile(corpus.memmap / "0.f32", np.float32).reshape(19, -1), signal)
    with np.load(corpus.npz / "0_windows.npz") as arrays:
        np.testing.assert_array_equal(arrays["windows"][3], signal[:, 3 * 2560 : 3 * 2560 + 15360])
    assert cache.manifest.partial
    before = sorted(path.stat().st_mtime_ns for path in tmp_path.rglob("*"))
    assert make_corpus(tmp_path, 0.34, old=True) == corpus
    assert sorted(path.stat().st_mtime_ns for path in tmp_path.rglob("*")) == before


def test_contenders_agree_and_are_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = "reader,WindowLoader,zarr-python,TensorStore,memmap,NPZ"
    plot = tmp_path / "out.png"
    main([*SMALL, "--data", str(tmp_path), "--only", names, "--json", "--plot", str(plot)])
    found = json.loads(capsys.readouterr().out)
    timed = {result["name"]: result for result in found["results"]}
    assert {OURS, "seizurekit WindowLoader", "zarr-python", "TensorStore", "float32 memmap"} <= set(timed)
    assert all(0 < result["p50"] <= result["p95"] for result in timed.values())
    assert found["ratios"][f"{OURS} / memcpy"] > 0
    assert plot.read_bytes().startswith(b"\x89PNG")


def test_webdataset_gives_every_window_as_the_store_does(tmp_path: Path) -> None:
    pytest.importorskip("webdataset")
    windows = sk.open_cache(make_corpus(tmp_path, 0.34, old=False).store).windows()
    tars = write_tars(windows, tmp_path / "tars", windows_a_tar=40)
    # WebDataset leaves its files to the garbage collector, so it runs where that is no error.
    code = (
        "import sys, pathlib, numpy, bench.loader.webdataset as w\n"
        "tars = [pathlib.Path(each) for each in sys.argv[2:]]\n"
        "numpy.save(sys.argv[1], numpy.concatenate([x for (x,) in w.batches_of(tars, 8)]))\n"
    )
    output = tmp_path / "found.npy"
    subprocess.run([sys.executable, "-c", code, str(output), *map(str, tars)], check=True)
    found = np.load(output)
    assert len(found) == len(windows)
    wanted, _ = windows.read(np.arange(len(windows)))
    assert sorted(hash(x.tobytes()) for x in found) == sorted(hash(x.tobytes()) for x in wanted)


def test_an_object_store_with_a_waiting_consumer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    only = "reader,WindowLoader,obstore"
    main([*SMALL, "--data", str(tmp_path), "--source", "s3", "--latency-ms", "5", "--step-ms", "5", "--only", only])
    told = capsys.readouterr().out
    assert "ranged reads through obstore alone" in told
    assert "local S3 server, 5 ms a request" in told
    assert "waits" in told


def test_the_proxy_does_what_it_is_told_and_counts_it() -> None:
    kinds = ("500", "503", "cut", "short", "reset", "delay")
    with local_s3(faults=Faults(share=0.5, kinds=kinds, delay_s=0.01, seed=3)) as s3:
        with variables(s3.environment()):
            folder = open_folder(s3.url("x"))
            folder.write("name", b"0123456789" * 100)
            for _ in range(60):
                assert bytes(folder.read_spans([Span("name", 1, 900)])[0]) == (b"0123456789" * 100)[1:900]
        counts = s3.proxy.counts()
    assert all(counts[kind] for kind in kinds), counts
    assert counts["requests"] > 100


def test_a_proxy_that_only_fails_is_an_error_in_the_end() -> None:
    options = {"retry_config": {"max_retries": 2}}
    with (
        local_s3(faults=Faults(share=1.0, kinds=("503",))) as s3,
        variables(s3.environment()),
        pytest.raises(StorageError, match="x/name: 503"),
    ):
        open_folder(s3.url("x"), options).read("name")
