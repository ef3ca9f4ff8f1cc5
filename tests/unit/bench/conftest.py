"""Fixtures for the tests of benchmarks."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest
from bench.corpus import Corpus, make_corpus

HOURS = 0.1


@pytest.fixture(autouse=True)
def quick_garbage_collection() -> Iterator[None]:
    """Exempts existing objects: benchmarks collect garbage before every timed call, which takes 0.3 s with torch."""
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """Six minutes with one seizure, in every layout."""
    return make_corpus(tmp_path_factory.mktemp("corpus"), HOURS, with_npz=True)


@pytest.fixture(scope="session")
def corpus_options(corpus: Corpus) -> list[str]:
    """Options with which a benchmark reuses `corpus`."""
    return ["--hours", str(HOURS), "--data", str(corpus.store.parents[1])]
