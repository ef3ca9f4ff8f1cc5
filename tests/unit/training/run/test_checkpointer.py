"""When a training state is due."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from seizurekit.training.run import checkpointer
from seizurekit.training.run.checkpointer import Checkpointer
from seizurekit.training.run.folder import RunFolder
from tiny import tiny_config


def test_a_state_is_due_again_some_minutes_after_the_last_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(checkpointer, "time", SimpleNamespace(monotonic=lambda: now))
    unused: Any = None
    states = Checkpointer(
        RunFolder(tmp_path), tiny_config(checkpoints={"minutes": 2.0}), unused, unused, is_rank_0=False
    )
    due = []
    for now in (119.0, 120.0, 130.0, 249.0, 250.0):
        due.append(states.is_due())
        if now == 130.0:
            states.save_state(unused, unused)
    assert due == [False, True, True, False, True]
