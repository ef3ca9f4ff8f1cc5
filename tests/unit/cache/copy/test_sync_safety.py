"""A copy never changes its source, never removes files of others, and stops at Ctrl-C."""

from __future__ import annotations

import functools
import http.server
import json
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import seizurekit as sk
from seizurekit.cache.copy.split_files import split_files
from seizurekit.cache.copy.sync import sync_cache
from seizurekit.cache.layout import SHARDS, shard_name
from seizurekit.errors import CacheError
from seizurekit.storage.local import LocalFolder

Files = Callable[[Path], dict[str, bytes]]


@pytest.fixture
def source(small_store: Path, tmp_path: Path) -> Path:
    return shutil.copytree(small_store, tmp_path / "source")


def test_the_metadata_name_all_files_of_a_split(small_store: Path) -> None:
    for split in ("train", "dev", "eval"):
        folder = LocalFolder(small_store / split)
        names = split_files("x", folder.read("zarr.json"))
        assert len(names) == len(set(names))
        assert set(folder.files()) <= set(names)


@pytest.mark.parametrize("name", ["../../secret", "/etc", "a//b", "."])
def test_metadata_with_names_outside_the_store_are_rejected(small_store: Path, name: str) -> None:
    group = json.loads((small_store / "dev" / "zarr.json").read_text())
    group["consolidated_metadata"]["metadata"][name] = {"node_type": "group"}
    with pytest.raises(CacheError, match="is not inside the store"):
        split_files("x", json.dumps(group).encode())


@pytest.mark.parametrize("linked", ["train", "train/signal", "train/signal/c/0"])
def test_a_link_into_the_source_is_rejected_even_by_force(
    source: Path, tmp_path: Path, files_of: Files, linked: str
) -> None:
    before = files_of(source)
    link = tmp_path / "copy" / linked
    link.parent.mkdir(parents=True)
    link.symlink_to(source / linked)
    with pytest.raises(CacheError, match=r"the source .*: use another folder"):
        sync_cache(source, tmp_path / "copy", split="train", force=True)
    assert files_of(source) == before


def test_only_files_of_the_store_are_copied(source: Path, small_store: Path, tmp_path: Path, files_of: Files) -> None:
    for name in ("notes.txt", ".zarr.json.123.tmp", "recordings/mine.csv"):
        (source / "train" / name).write_text("not a file of the store")
    sync_cache(source, tmp_path / "copy")
    assert files_of(tmp_path / "copy") == files_of(small_store)


def test_a_foreign_file_among_the_shards_is_rejected_and_kept(source: Path, tmp_path: Path) -> None:
    foreign = tmp_path / "copy" / "train" / SHARDS / "mine.bin"
    foreign.parent.mkdir(parents=True)
    foreign.write_text("mine")
    for force in (False, True):
        with pytest.raises(CacheError, match=r"c/0/mine\.bin: does not belong to this store"):
            sync_cache(source, tmp_path / "copy", force=force)
    assert foreign.read_text() == "mine"


def test_leftovers_of_a_killed_copy_are_removed(source: Path, tmp_path: Path, files_of: Files) -> None:
    shards = tmp_path / "copy" / "train" / SHARDS
    shards.mkdir(parents=True)
    for name in (".seizurekit-0.01234567.tmp", ".0.4711.tmp"):  # the second one as earlier revisions named it
        (shards / name).write_bytes(b"half a shard")
    sync_cache(source, tmp_path / "copy")
    assert files_of(tmp_path / "copy") == files_of(source)


def test_force_removes_the_earlier_store_and_nothing_else(source: Path, tmp_path: Path, files_of: Files) -> None:
    copy = shutil.copytree(source, tmp_path / "copy")
    group = json.loads((copy / "train" / "zarr.json").read_text())
    group["attributes"]["plan_hash"] = "0" * 64
    group["consolidated_metadata"]["metadata"]["recordings/age"] = group["consolidated_metadata"]["metadata"][
        "recordings/samples"
    ]
    (copy / "train" / "zarr.json").write_text(json.dumps(group))
    shutil.copytree(copy / "train" / "recordings" / "samples", copy / "train" / "recordings" / "age")
    (copy / "train" / "recordings" / "mine.csv").write_text("mine")
    sync_cache(source, copy, force=True)
    assert files_of(copy) == files_of(source) | {"train/recordings/mine.csv": b"mine"}


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_shard_with_a_flipped_bit_anywhere_is_not_written(
    small_store: Path, tmp_path: Path, data: st.DataObject
) -> None:
    source = tmp_path / "flipped"
    if not source.exists():
        shutil.copytree(small_store / "eval", source / "eval")
    path = source / "eval" / shard_name(0)
    whole = path.read_bytes()
    byte = data.draw(st.one_of(st.integers(0, len(whole) - 1), st.integers(len(whole) - 8196, len(whole) - 1)))
    flipped = bytearray(whole)
    flipped[byte] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(flipped)
    try:
        with pytest.raises(CacheError, match=r"flipped/eval/signal/c/0/0: (chunk \d+|index) \(bytes \d+ to \d+\): dam"):
            sync_cache(source, tmp_path / "copy")
    finally:
        path.write_bytes(whole)
    assert not (tmp_path / "copy" / "eval" / shard_name(0)).exists()


@pytest.fixture
def many_shards(tmp_path: Path) -> Path:
    """A store of 24 shards, of one chunk each."""
    rng = np.random.default_rng(1)
    folder = tmp_path / "npz" / "train"
    folder.mkdir(parents=True)
    x = rng.standard_normal((1, 19, 15360), np.float32)
    np.savez(folder / "aaaaaaaa_s001_t000_windows.npz", windows=x, labels=np.zeros((1, 15360), np.uint8))
    from seizurekit.cache.npz.import_npz import import_npz

    import_npz(folder.parent, tmp_path / "many")
    split = tmp_path / "many" / "train"
    whole = (split / shard_name(0)).read_bytes()
    for number in range(1, 24):
        (split / shard_name(number)).write_bytes(whole)
    group = json.loads((split / "zarr.json").read_text())
    group["attributes"]["shards"] = list(range(24))
    (split / "zarr.json").write_text(json.dumps(group))
    return tmp_path / "many"


def test_ctrl_c_stops_a_copy_before_the_waiting_shards(many_shards: Path, tmp_path: Path, files_of: Files) -> None:
    def interrupt(split: str, done: int, shards: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sync_cache(many_shards, tmp_path / "copy", workers=1, on_shard=interrupt)
    assert len(list((tmp_path / "copy" / "train" / SHARDS).iterdir())) < 24  # how many depends on the machine
    sync_cache(many_shards, tmp_path / "copy")
    assert files_of(tmp_path / "copy") == files_of(many_shards)


def test_a_killed_copy_is_not_a_store_and_can_be_resumed(many_shards: Path, tmp_path: Path, files_of: Files) -> None:
    program = (
        "import sys, time; from seizurekit.cache.copy.sync import sync_cache\n"
        "sync_cache(sys.argv[1], sys.argv[2], workers=1, on_shard=lambda *progress: time.sleep(0.2))"
    )
    copying = subprocess.Popen([sys.executable, "-c", program, str(many_shards), str(tmp_path / "copy")])
    shards = tmp_path / "copy" / "train" / SHARDS
    while copying.poll() is None and not (shards.is_dir() and len(list(shards.iterdir())) > 3):
        time.sleep(0.02)
    copying.kill()
    assert copying.wait() == -signal.SIGKILL
    with pytest.raises(CacheError, match="copy incomplete: run the same sync-cache command again"):
        sk.open_cache(tmp_path / "copy")
    existing = len([path for path in shards.iterdir() if path.name.isdigit()])
    (copied,) = sync_cache(many_shards, tmp_path / "copy")
    assert copied.copied == 24 - existing
    assert files_of(tmp_path / "copy") == files_of(many_shards)


@pytest.fixture
def web(small_store: Path) -> Iterator[str]:
    """The URL of a plain web server, which cannot list folders for a program."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *arguments: object) -> None:
            pass

    class Server(http.server.ThreadingHTTPServer):
        request_queue_size = 128

    handler = functools.partial(Quiet, directory=str(small_store.parent))
    with Server(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/{small_store.name}"
        server.shutdown()
        thread.join()


@pytest.mark.slow
def test_a_store_is_copied_from_a_plain_web_server(
    web: str, small_store: Path, tmp_path: Path, files_of: Files
) -> None:
    assert [copy.split for copy in sync_cache(web, tmp_path / "copy")] == ["train", "dev", "eval"]
    assert files_of(tmp_path / "copy") == files_of(small_store)
    assert all(copy.was_complete for copy in sync_cache(web, tmp_path / "copy"))
