"""Building a store in an object store, and resuming it there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import seizurekit as sk
from seizurekit.cache.build.build_cache import BuildProgress
from seizurekit.errors import CacheError, SeizurekitError, StorageError
from seizurekit.storage.folder import Folder
from seizurekit.storage.objects import ObjectFolder
from seizurekit.storage.open import open_folder

Files = Callable[[Path], dict[str, bytes]]


def content(folder: Folder) -> dict[str, bytes]:
    return {name: folder.read(name) for name in folder.files()}


class StopError(SeizurekitError):
    """Some error that ends a build."""


def stop(progress: BuildProgress) -> None:
    if progress.recordings == 2:
        raise StopError("stopped")


@pytest.mark.slow
def test_an_object_store_gets_the_same_bytes_even_from_a_resumed_build(
    small_corpus: Path, small_store: Path, s3: Callable[[str], str], files_of: Files
) -> None:
    url = s3("built/cache")
    with pytest.raises(StopError):
        sk.build_cache(small_corpus, url, workers=1, on_progress=stop)
    with pytest.raises(CacheError, match="build incomplete"):
        sk.open_cache(url)
    sk.build_cache(small_corpus, url)
    assert content(open_folder(url)) == files_of(small_store)
    assert all(split.was_complete for split in sk.build_cache(small_corpus, url).splits)


@pytest.mark.slow
def test_an_unreachable_store_is_one_error_and_the_build_resumes(
    small_corpus: Path, small_store: Path, s3: Callable[[str], str], files_of: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = s3("flaky/cache")
    write = ObjectFolder.write
    for allowed in (0, 1, 2, 3, 5, 9, 30):
        remaining = [allowed]

        def failing(self: ObjectFolder, name: str, data: bytes, remaining: list[int] = remaining) -> None:
            remaining[0] -= 1
            if remaining[0] < 0:
                raise StorageError(f"{self.url}/{name}: no connection")
            write(self, name, data)

        with monkeypatch.context() as patched:
            patched.setattr(ObjectFolder, "write", failing)
            with pytest.raises(StorageError, match=r"s3://bucket/flaky/cache/.*: no connection"):
                sk.build_cache(small_corpus, url, split="train", workers=1)
    sk.build_cache(small_corpus, url)
    assert content(open_folder(url)) == files_of(small_store)
