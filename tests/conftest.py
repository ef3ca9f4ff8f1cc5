"""What tests of every folder use."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pytest
from bench.servers.s3 import S3Server, serve_folder

# A slow machine is no failure: timings are never asserted.
hypothesis.settings.register_profile("seizurekit", deadline=None)
hypothesis.settings.load_profile("seizurekit")
# Before torch is first imported: tests run side by side, and the threads of one would wait for those of another.
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session", autouse=True)
def _no_fsync() -> Iterator[None]:
    """Makes fsync free: it protects against power failures, which no test provokes, and is slow on a busy disk."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: None)
        yield


SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real recordings next to the checkout; tests that need it are skipped where it is absent."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"no folder of real recordings at {SHARED_DATA}")
    return SHARED_DATA


@pytest.fixture(scope="session")
def files_of() -> Callable[[Path], dict[str, bytes]]:
    """A folder's files with their bytes."""

    def read(folder: Path) -> dict[str, bytes]:
        return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}

    return read


@pytest.fixture(scope="session")
def small_corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A synthetic corpus in TUSZ's layout: patients in train, dev and eval, some minutes each."""
    from seizurekit.recordings.synthetic import write_synthetic_corpus

    folder = tmp_path_factory.mktemp("small") / "edf"
    write_synthetic_corpus(folder, seed=4, train_patients=3, dev_patients=2, eval_patients=1, minutes=4.0, workers=2)
    return folder


@pytest.fixture(scope="session")
def small_store(small_corpus: Path) -> Path:
    """The store of `small_corpus`."""
    import seizurekit as sk

    sk.build_cache(small_corpus, small_corpus.parent / "cache")
    return small_corpus.parent / "cache"


@pytest.fixture(scope="session")
def s3() -> Iterator[Callable[[str], str]]:
    """URL of a prefix on moto's S3 server, for tests that write; sets the variables by which clients find it."""
    import boto3
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        environment.setenv("AWS_ACCESS_KEY_ID", "AKIATESTTESTTEST")
        environment.setenv("AWS_SECRET_ACCESS_KEY", "a-secret-of-the-tests")
        environment.setenv("AWS_REGION", "us-east-1")
        boto3.client("s3", region_name="us-east-1").create_bucket(Bucket="bucket")
        yield lambda prefix: f"s3://bucket/{prefix}"
    server.stop()


@pytest.fixture(scope="session")
def upload() -> Callable[[Path, str], str]:
    """Puts a local folder into an object store; gives the URL back."""

    def put(folder: Path, url: str) -> str:
        from seizurekit.storage.open import open_folder

        target = open_folder(url)
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                target.write(path.relative_to(folder).as_posix(), path.read_bytes())
        return url

    return put


@pytest.fixture(scope="session")
def store_server(small_store: Path) -> Iterator[S3Server]:
    """A read-only S3 server whose bucket has `small_store`."""
    with serve_folder(small_store.parent) as server:
        yield server


@pytest.fixture
def remote_store(small_store: Path, store_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> str:
    """URL of `small_store` in an object store, to read."""
    for name, value in store_server.environment.items():
        monkeypatch.setenv(name, value)
    return store_server.url(small_store.name)
