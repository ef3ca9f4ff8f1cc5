"""Short runs of the fuzzers and checks of the C++ core with sanitizers. `make fuzz` runs them longer."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parent
BUILD = FOLDER.parents[1] / "build" / "asan"

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
    """The folder of the programs."""
    for tool in ("cmake", "ninja"):
        if importlib.util.find_spec(tool) is None and shutil.which(tool) is None:
            pytest.skip(f"{tool} is missing, which builds the fuzzers")
    built = run(sys.executable, FOLDER / "run.py", "--build-only")
    assert built.returncode == 0, built.stderr
    return BUILD / "tests" / "fuzz"


@pytest.fixture
def seed(tmp_path: Path) -> Path:
    """A seed for fuzz_planted."""
    path = tmp_path / "seeds" / "digits"
    path.parent.mkdir()
    path.write_bytes(b"11111111 abcdefghij")
    return path


@pytest.mark.parametrize("fault", ["overrun", "overflow", "allocate", "exception", "hang"])
def test_the_driver_finds_a_planted_fault_and_its_input_reproduces_it(
    programs: Path, seed: Path, tmp_path: Path, fault: str
) -> None:
    findings = tmp_path / "findings"
    findings.mkdir()
    command: list[str | Path] = [programs / "fuzz_planted", "--timeout", "1", "--findings", findings]
    found = run(*command, "--runs", "20000", seed, PLANTED_FAULT=fault)
    assert found.returncode == 1, found.stderr
    (finding,) = findings.iterdir()
    again = run(*command, finding, PLANTED_FAULT=fault)
    assert again.returncode == 1
    assert "finding:" in again.stderr


def test_the_driver_passes_a_parser_without_a_fault(programs: Path, seed: Path, tmp_path: Path) -> None:
    findings = tmp_path / "findings"
    findings.mkdir()
    done = run(programs / "fuzz_planted", "--findings", findings, "--runs", "2000", seed, PLANTED_FAULT="")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("runs 2001,")
    assert list(findings.iterdir()) == []


RUNS = {"fuzz_header": 20_000, "fuzz_file": 8_000, "fuzz_repair": 6_000, "fuzz_tal": 40_000, "fuzz_chunk": 100_000}


@pytest.mark.parametrize("target", [*RUNS, "check_core"])
def test_a_short_run_finds_nothing(programs: Path, target: str) -> None:
    done = run(sys.executable, FOLDER / "run.py", target, "--runs", str(RUNS.get(target, 0)))
    assert done.returncode == 0, done.stdout + done.stderr
