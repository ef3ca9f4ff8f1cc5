"""A small corpus and its store."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from seizurekit.cache.build import build_cache
from seizurekit.recordings.synthetic import write_synthetic_corpus


@pytest.fixture(scope="session")
def small_corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    write_synthetic_corpus(folder, seed=3, train_patients=3, dev_patients=1, eval_patients=0, minutes=3)
    return folder


@pytest.fixture(scope="session")
def small_store(small_corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The store of `small_corpus`; tests that change it work on a copy."""
    folder = tmp_path_factory.mktemp("store") / "cache"
    build_cache(small_corpus, folder)
    return folder


@pytest.fixture(scope="session")
def files_of() -> Callable[[Path], dict[str, bytes]]:
    """A folder's files with their bytes."""

    def read(folder: Path) -> dict[str, bytes]:
        return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}

    return read
