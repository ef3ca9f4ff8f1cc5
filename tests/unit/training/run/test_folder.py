"""The folder of a run: one training at a time, and none replaced unasked."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from seizurekit.errors import ConfigError
from seizurekit.training.run.folder import held
from seizurekit.training.run.state import has_states, save_state

HOLD = """
import sys
from pathlib import Path
from seizurekit.training.run.folder import held
with held(Path(sys.argv[1]), resume=True, overwrite=False):
    print("held", flush=True)
    sys.stdin.read()
"""


def begun(folder: Path) -> None:
    save_state(folder / "checkpoints", 1, {"model.w": torch.zeros(1)}, {}, keep=2)
    (folder / "best.safetensors").write_bytes(b"best")


def test_a_training_that_is_there_is_neither_replaced_nor_gone_on_with_unasked(tmp_path: Path) -> None:
    begun(tmp_path)
    with pytest.raises(ConfigError, match="--resume to go on with it, --overwrite to replace it"):
        held(tmp_path, resume=False, overwrite=False).__enter__()
    with held(tmp_path, resume=True, overwrite=False) as folder:
        assert has_states(folder.states)
        assert folder.best.exists()
    with held(tmp_path, resume=False, overwrite=True) as folder:
        assert not has_states(folder.states)
        assert not folder.best.exists()


def test_a_second_training_is_told_who_holds_the_folder_and_a_killed_one_holds_it_no_more(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLD, tmp_path]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(ConfigError, match=f"training running here, process {other.pid}"):
            held(tmp_path, resume=True, overwrite=False).__enter__()
        other.kill()
        other.wait()
        with held(tmp_path, resume=True, overwrite=False):
            assert json.loads((tmp_path / ".lock").read_text())["pid"] == os.getpid()
