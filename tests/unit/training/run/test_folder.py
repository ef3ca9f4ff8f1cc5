"""The folder of a run: one training at a time, and no run is replaced without --overwrite."""

from __future__ import annotations

import multiprocessing
import os
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from seizurekit.errors import ConfigError
from seizurekit.training.run.folder import RunFolder, lock_run_folder
from seizurekit.training.run.state import has_states


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder(tmp_path)


def lock(folder: RunFolder, *, resume: bool = False, overwrite: bool = False) -> None:
    with lock_run_folder(folder, resume=resume, overwrite=overwrite):
        pass


def test_a_run_is_neither_replaced_nor_resumed_without_a_flag(folder: RunFolder) -> None:
    folder.states.mkdir()
    (folder.states / "step-000000001.safetensors").write_bytes(b"state")
    folder.best.write_bytes(b"best")
    with pytest.raises(ConfigError, match="--resume continues it, --overwrite replaces it"):
        lock(folder)
    for overwrite in (False, True):
        lock(folder, resume=True, overwrite=overwrite)
        assert has_states(folder.states)
        assert folder.best.exists()
    lock(folder, overwrite=True)
    assert not has_states(folder.states)
    assert not folder.best.exists()


def hold(folder: RunFolder, ready: Connection) -> None:
    with lock_run_folder(folder, resume=True, overwrite=False):
        ready.send("locked")
        ready.recv()


def test_a_second_training_is_refused_until_the_first_one_is_killed(folder: RunFolder) -> None:
    here, there = multiprocessing.Pipe()
    other = multiprocessing.get_context("fork").Process(target=hold, args=(folder, there))
    other.start()
    assert here.recv() == "locked"
    with pytest.raises(ConfigError, match=f"another run is training in this folder: process {other.pid} "):
        lock(folder, resume=True)
    other.kill()
    other.join()
    with lock_run_folder(folder, resume=True, overwrite=False):
        assert f'"pid": {os.getpid()},' in (folder.path / ".lock").read_text()
