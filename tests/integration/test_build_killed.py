"""A build that is killed goes on where it stopped, and gives the bytes of one that was not."""

from __future__ import annotations

import random
import shutil
import signal
import time
from pathlib import Path

import pytest

from forked_commands import forked_commands
from seizurekit.recordings.synthetic import write_synthetic_corpus

KILLS = 20
STEP = 20
USED = ("seizurekit.cache.build", "seizurekit.config", "scipy.signal", "zarr")


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def differing(one: Path, other: Path) -> list[str]:
    """Names of the files that are in one folder alone, or of other bytes in each."""
    first, second = files(one), files(other)
    return sorted(name for name in first.keys() | second.keys() if first.get(name) != second.get(name))


@pytest.mark.slow
def test_a_build_killed_at_twenty_random_moments_gives_the_same_bytes(tmp_path: Path) -> None:
    corpus, killed, whole = tmp_path / "edf", tmp_path / "killed", tmp_path / "whole"
    write_synthetic_corpus(corpus, seed=5, train_patients=6, dev_patients=2, eval_patients=0, minutes=1)
    build = ("build-cache", "--workers", 2, "--data-dir", corpus, "--cache-dir")
    with forked_commands(tmp_path / "commands", *USED) as start:

        def seconds_of(cache: Path) -> float:
            began = time.monotonic()
            assert start(*build, cache) == 0, (tmp_path / "commands" / "said").read_text()
            return time.monotonic() - began

        seconds = min(seconds_of(tmp_path / "cold"), seconds_of(whole))
        moments, kills = random.Random(1), 0
        while kills < KILLS:
            if start(*build, killed, kill=signal.SIGKILL, after=moments.uniform(0.0, 0.9) * seconds):
                kills += 1
                assert start(*build, killed) == 0, (tmp_path / "commands" / "said").read_text()
            assert differing(killed, whole) == []
            shutil.rmtree(killed)


@pytest.mark.slow
def test_a_build_killed_in_the_course_or_anywhere_at_the_end_of_its_work_gives_the_same_bytes(tmp_path: Path) -> None:
    corpus, killed, whole = tmp_path / "edf", tmp_path / "killed", tmp_path / "whole"
    write_synthetic_corpus(corpus, seed=5, train_patients=1, dev_patients=0, eval_patients=0, minutes=1)
    build = ("build-cache", "--workers", 1, "--data-dir", corpus, "--cache-dir")
    with forked_commands(tmp_path / "commands", *USED) as start:
        assert start(*build, whole) == 0, (tmp_path / "commands" / "said").read_text()

        def survives(operation: int) -> bool:
            ended = start(*build, killed, operation=operation)
            assert ended in (0, -signal.SIGKILL)
            assert start(*build, killed) == 0, (tmp_path / "commands" / "said").read_text()
            assert differing(killed, whole) == [], operation
            shutil.rmtree(killed)
            return ended == 0

        beyond = next(operation for operation in range(1, 10_000, STEP) if survives(operation))
        endings = [survives(operation) for operation in range(beyond - STEP, beyond)]
    assert beyond > len(files(whole))
    assert not endings[0]
