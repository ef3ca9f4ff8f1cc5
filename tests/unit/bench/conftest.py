"""One small corpus for all benchmarks."""

from __future__ import annotations

import pytest
from bench.corpus import Corpus, make_corpus

HOURS = 0.1


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """Six minutes with one seizure, in every layout."""
    return make_corpus(tmp_path_factory.mktemp("corpus"), HOURS, with_npz=True)


@pytest.fixture(scope="session")
def corpus_options(corpus: Corpus) -> list[str]:
    """Options by which a benchmark reuses `corpus`."""
    return ["--hours", str(HOURS), "--data", str(corpus.store.parents[1])]
