"""What the tests of recordings share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import seizurekit as sk
from edf_bytes import EdfBytes, Recording
from seizurekit.recordings.edf import EdfFile


@pytest.fixture(params=["EDF", "BDF"])
def recording(request: pytest.FixtureRequest) -> Recording:
    """A small recording in each format: what holds for one holds for the other."""
    return Recording(request.param)


@pytest.fixture
def opened(tmp_path: Path) -> Callable[[EdfBytes | bytes], EdfFile]:
    """Writes a file and opens it."""

    def open_written(content: EdfBytes | bytes) -> EdfFile:
        path = tmp_path / "recording.edf"
        path.write_bytes(content if isinstance(content, bytes) else content.to_bytes())
        return sk.open_edf(path)

    return open_written
