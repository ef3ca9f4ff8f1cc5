"""Fixtures for recordings: a small synthetic corpus, and EDF and BDF files written byte by byte."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest

import seizurekit as sk
from edf_bytes import EdfBytes, Recording
from seizurekit.recordings.edf import EdfFile
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


@pytest.fixture(params=["EDF", "BDF"])
def recording(request: pytest.FixtureRequest) -> Recording:
    """A small recording in each format: both formats must behave the same."""
    return Recording(request.param)


@pytest.fixture
def opened(tmp_path: Path) -> Callable[[EdfBytes | bytes], EdfFile]:
    """Function that writes a file and opens it."""

    def open_written(content: EdfBytes | bytes) -> EdfFile:
        path = tmp_path / "recording.edf"
        path.write_bytes(content if isinstance(content, bytes) else content.to_bytes())
        return sk.open_edf(path)

    return open_written
