"""Builds the fuzzers and checks of the C++ core with sanitizers, and runs them.

Examples: ``python tests/fuzz/run.py --runs 1000000`` runs each fuzzer on a million inputs, and
``python tests/fuzz/run.py fuzz_tal --seconds 600 --seed 7`` runs one of them for ten minutes.
Inputs of crashes are saved in ``build/asan/findings``. To run such an input again, pass its path to the fuzzer.
"""

from __future__ import annotations

import argparse
import fcntl
import importlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ASAN = ROOT / "build" / "asan"
SEEDS_OF = {"fuzz_header": "file", "fuzz_file": "file", "fuzz_repair": "file", "fuzz_tal": "tal", "fuzz_chunk": "chunk"}
CHECK = "check_core"
# With address randomization, some kernels have no room for the thread sanitizer's shadow memory.
FIXED_ADDRESSES = ["setarch", "--addr-no-randomize"] if shutil.which("setarch") else []


def find_program(name: str) -> str:
    """Path of the program, from the package `name` or else from PATH."""
    try:
        package = importlib.import_module(name)
    except ModuleNotFoundError:
        path = shutil.which(name)
        if path is None:
            raise FileNotFoundError(f"{name} is missing: install the package {name}") from None
        return path
    return str(Path(getattr(package, "CMAKE_BIN_DIR", None) or package.BIN_DIR) / name)


@contextmanager
def lock_folder(folder: Path) -> Iterator[None]:
    """Lets only one process change the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def build(preset: str = "asan") -> Path:
    """Builds a CMake preset; returns the folder of the programs."""
    folder = ROOT / "build" / preset
    cmake = find_program("cmake")
    commands = [[cmake, "--build", "--preset", preset]]
    with lock_folder(folder):
        if not (folder / "build.ninja").exists():
            commands.insert(0, [cmake, "--preset", preset, f"-DCMAKE_MAKE_PROGRAM={find_program('ninja')}"])
        for command in commands:
            done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
            if done.returncode != 0:
                raise RuntimeError(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    return folder / "tests" / "fuzz"


def write_seeds() -> None:
    """Writes the seed inputs to ``build/asan/seeds``."""
    import seeds  # needs packages that the build does not need

    with lock_folder(ASAN / "seeds"):
        seeds.write_seeds(ASAN / "seeds")


def fuzz_command(programs: Path, name: str, runs: int, seconds: int, seed: int) -> list[str]:
    """The command that runs one fuzzer on its seeds."""
    findings = ASAN / "findings"
    findings.mkdir(exist_ok=True)
    limits = ["--runs", str(runs), "--seconds", str(seconds), "--seed", str(seed)]
    return [str(programs / name), *limits, "--findings", str(findings), str(ASAN / "seeds" / SEEDS_OF[name])]


def main() -> int:
    """Runs the targets of the command line; 1 if any of them fails."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"{', '.join(SEEDS_OF)}, {CHECK}; default: all")
    parser.add_argument("--runs", type=int, default=0, help="inputs per fuzzer; 0 is no limit")
    parser.add_argument("--seconds", type=int, default=0, help="time per fuzzer; 0 is no limit")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", action="store_true", help=f"also run {CHECK} with the thread sanitizer")
    parser.add_argument("--build-only", action="store_true", help="build, and run nothing")
    options = parser.parse_args()
    if unknown := set(options.targets) - {*SEEDS_OF, CHECK}:
        parser.error(f"unknown target {', '.join(sorted(unknown))}, expected {', '.join(SEEDS_OF)} or {CHECK}")
    programs = build()
    if options.build_only:
        return 0
    write_seeds()
    seconds = options.seconds if options.runs or options.seconds else 60
    commands = [
        [str(programs / name)] if name == CHECK else fuzz_command(programs, name, options.runs, seconds, options.seed)
        for name in options.targets or [*SEEDS_OF, CHECK]
    ]
    if options.threads:
        commands.append([*FIXED_ADDRESSES, str(build("tsan") / CHECK)])
    failures = 0
    for command in commands:
        print(os.path.relpath(next(word for word in command if word.startswith(str(ROOT))), ROOT), flush=True)
        failures += subprocess.run(command).returncode != 0
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
