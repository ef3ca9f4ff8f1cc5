"""A short run of each fuzzer and of the checks of the core, under sanitizers; run.py makes long ones."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parent
BUILT = FOLDER.parents[1] / "build" / "fuzz" / "memory"

pytestmark = pytest.mark.slow


def run(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(argument) for argument in arguments],
        capture_output=True,
        text=True,
        errors="backslashreplace",
        env=os.environ | environment,
        check=False,
    )


@pytest.fixture(scope="module")
def programs() -> Path:
    """The folder of the programs, built once."""
    for tool in ("cmake", "ninja"):
        if importlib.util.find_spec(tool) is None and shutil.which(tool) is None:
            pytest.skip(f"the fuzzers are built with {tool}, which is not installed")
    built = run(sys.executable, FOLDER / "run.py", "--build-only")
    assert built.returncode == 0, built.stderr
    return BUILT / "tests" / "fuzz"


@pytest.mark.parametrize("fault", ["overrun", "overflow", "allocate", "exception", "hang"])
def test_the_driver_finds_a_planted_fault_and_its_input_does_it_again(
    programs: Path, tmp_path: Path, fault: str
) -> None:
    command: list[str | Path] = [programs / "fuzz_planted", "--timeout", "1", "--findings", tmp_path]
    found = run(*command, "--runs", "20000", BUILT / "seeds" / "planted", PLANTED_FAULT=fault)
    assert found.returncode == 1, found.stderr
    (finding,) = tmp_path.iterdir()
    again = run(*command, finding, PLANTED_FAULT=fault)
    assert again.returncode == 1
    assert "finding:" in again.stderr


def test_the_driver_passes_a_parser_without_a_fault(programs: Path, tmp_path: Path) -> None:
    command: list[str | Path] = [programs / "fuzz_planted", "--findings", tmp_path]
    done = run(*command, "--runs", "2000", BUILT / "seeds" / "planted", PLANTED_FAULT="")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("runs 2001,")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("target", ["fuzz_header", "fuzz_tal", "fuzz_file", "fuzz_repair", "fuzz_chunk", "check_core"])
def test_a_short_run_finds_nothing(programs: Path, target: str) -> None:
    done = run(sys.executable, FOLDER / "run.py", target, "--seconds", "2")
    assert done.returncode == 0, done.stdout + done.stderr
