"""A small synthetic corpus that the tests of recordings share."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import pytest

from seizurekit.recordings.synthetic import write_synthetic_corpus
from seizurekit.recordings.synthetic.plan import CorpusSpec


@pytest.fixture(scope="session")
def small_spec() -> CorpusSpec:
    return CorpusSpec(seed=3, train_patients=2, dev_patients=1, eval_patients=1, minutes=1.0, broken=3)


@pytest.fixture(scope="session")
def small_corpus(small_spec: CorpusSpec, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("synthetic") / "edf"
    write_synthetic_corpus(out, **asdict(small_spec), workers=1)
    return out
