"""A build that is killed goes on where it stopped, and gives the bytes of one that was not."""

from __future__ import annotations

import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from seizurekit.recordings.synthetic import write_synthetic_corpus

KILLS = 20


def start_build(corpus: Path, cache: Path) -> subprocess.Popen[bytes]:
    arguments = ["build-cache", "--data-dir", str(corpus), "--cache-dir", str(cache), "--workers", "2"]
    return subprocess.Popen(
        [sys.executable, "-m", "seizurekit", *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def timed_build(corpus: Path, cache: Path) -> float:
    began = time.monotonic()
    assert start_build(corpus, cache).wait() == 0
    return time.monotonic() - began


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.mark.slow
def test_a_build_killed_twenty_times_gives_the_same_bytes(tmp_path: Path) -> None:
    corpus = tmp_path / "edf"
    write_synthetic_corpus(corpus, seed=5, train_patients=6, dev_patients=2, eval_patients=0, minutes=6)
    seconds = min(timed_build(corpus, tmp_path / name) for name in ("cold", "whole"))
    moments = random.Random(1)
    killed = 0
    while killed < KILLS:
        cache = tmp_path / f"killed{killed}"
        build = start_build(corpus, cache)
        time.sleep(moments.uniform(0.3, 0.9) * seconds)
        build.kill()
        if build.wait() != -signal.SIGKILL:  # it was done already
            shutil.rmtree(cache)
            continue
        killed += 1
        assert start_build(corpus, cache).wait() == 0
        assert files(cache) == files(tmp_path / "whole")
