"""A build that is killed and resumed gives the same bytes as one that was not."""

from __future__ import annotations

import random
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from forked_commands import Start, forked_commands
from seizurekit.recordings.synthetic import write_synthetic_corpus

KILLS = 20
STEP = 20
Files = Callable[[Path], dict[str, bytes]]
MODULES = ("seizurekit.cache.build.build_cache", "seizurekit.config", "scipy.signal", "zarr")


@contextmanager
def builds(folder: Path, workers: int, patients: tuple[int, int]) -> Iterator[Start]:
    """A function that builds a store of some patients in train and dev, see `forked_commands`."""
    corpus = folder / "edf"
    train, dev = patients
    write_synthetic_corpus(corpus, seed=5, train_patients=train, dev_patients=dev, eval_patients=0, minutes=1)
    command = ("build-cache", "--workers", workers, "--data-dir", corpus, "--cache-dir")
    with forked_commands(folder / "commands", *MODULES) as start:
        yield partial(start, *command)


def differing(one: dict[str, bytes], other: dict[str, bytes]) -> list[str]:
    """Names of the files that only one folder has, or that have different bytes."""
    return sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))


@pytest.mark.slow
def test_a_build_killed_at_twenty_random_moments_gives_the_same_bytes(tmp_path: Path, files_of: Files) -> None:
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    with builds(tmp_path, workers=2, patients=(3, 1)) as build:

        def time_build(cache: Path) -> float:
            began = time.monotonic()
            assert build(cache) == 0
            return time.monotonic() - began

        seconds = min(time_build(tmp_path / "cold"), time_build(whole))
        moments, kills = random.Random(1), 0
        while kills < KILLS:
            if build(killed, kill=signal.SIGKILL, after=moments.uniform(0.0, 0.9) * seconds):
                kills += 1
                assert build(killed) == 0
            assert differing(files_of(killed), files_of(whole)) == []
            shutil.rmtree(killed)


@pytest.mark.slow
def test_a_build_killed_at_any_of_its_last_file_operations_gives_the_same_bytes(
    tmp_path: Path, files_of: Files
) -> None:
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    with builds(tmp_path, workers=1, patients=(1, 0)) as build:
        assert build(whole) == 0

        def finishes_before(operation: int) -> bool:
            """Kills a build at this operation, resumes it, and returns whether it finished before the operation."""
            code = build(killed, operation=operation)
            assert code in (0, -signal.SIGKILL)
            assert build(killed) == 0
            assert differing(files_of(killed), files_of(whole)) == [], operation
            shutil.rmtree(killed)
            return code == 0

        beyond = next(operation for operation in range(1, 10_000, STEP) if finishes_before(operation))
        endings = [finishes_before(operation) for operation in range(beyond - STEP, beyond)]
    assert beyond > len(files_of(whole))
    assert not endings[0]
