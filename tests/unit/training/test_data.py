"""What a training runs on, and by what it is known again."""

from __future__ import annotations

from pathlib import Path

import pytest

from seizurekit.config import Config
from seizurekit.training.data import open_data


def test_another_number_of_recordings_is_other_data(small_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = Config.model_validate({"name": "tiny", "cache": {"dir": str(small_store), "window": 20.0}})
    monkeypatch.delenv("BGB_LIMIT_FILES", raising=False)
    whole = open_data(config)
    monkeypatch.setenv("BGB_LIMIT_FILES", "2")
    part = open_data(config)
    assert len(part.windows) < len(whole.windows)
    assert part.stores["dev"] == whole.stores["dev"]
    assert "first 2 recordings" in part.stores["train"]
    monkeypatch.delenv("BGB_LIMIT_FILES")
    assert open_data(config).stores == whole.stores
