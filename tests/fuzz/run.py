"""Builds the fuzzers and checks of the C++ core with sanitizers, and runs them.

Example: ``python tests/fuzz/run.py --runs 1000000`` gives each fuzzer a million inputs, and
``python tests/fuzz/run.py fuzz_tal --seconds 600 --seed 7`` gives one of them ten minutes.
An input that is a finding is left in ``build/fuzz/findings``; the fuzzer named with that file runs it again.
"""

from __future__ import annotations

import argparse
import fcntl
import importlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import seeds

ROOT = Path(__file__).resolve().parents[2]
SEEDS_OF = {"fuzz_header": "file", "fuzz_file": "file", "fuzz_repair": "file", "fuzz_tal": "tal", "fuzz_chunk": "chunk"}
CHECK = "check_core"
# Address randomisation of some kernels leaves no room where the thread sanitizer wants its shadow.
FIXED_ADDRESSES = ["setarch", "--addr-no-randomize"] if shutil.which("setarch") else []
SANITIZERS = {"memory": "address,undefined", "threads": "thread"}


def tool(name: str) -> str:
    """The program `name`: of this Python's environment if it has one, else of the system."""
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError:
        found = shutil.which(name)
        if found is None:
            raise FileNotFoundError(f"no {name}: install the package {name}") from None
        return found
    return str(Path(getattr(module, "CMAKE_BIN_DIR", None) or module.BIN_DIR) / name)


def build(kind: str = "memory") -> Path:
    """Configures and builds below ``build/fuzz``; returns the folder of the programs."""
    folder = ROOT / "build" / "fuzz" / kind
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        configure = [tool("cmake"), "-S", str(ROOT), "-B", str(folder), "-G", "Ninja"]
        configure += [f"-DCMAKE_MAKE_PROGRAM={tool('ninja')}", "-DSKBUILD_PROJECT_VERSION=0", "-DSEIZUREKIT_PYTHON=OFF"]
        configure += ["-DSEIZUREKIT_FUZZ=ON", f"-DSEIZUREKIT_SANITIZE={SANITIZERS[kind]}"]
        for command in (configure, [tool("cmake"), "--build", str(folder)]):
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode != 0:
                raise RuntimeError(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
        seeds.write_seeds(folder / "seeds")
    return folder / "tests" / "fuzz"


def fuzz_command(programs: Path, name: str, runs: int, seconds: int, seed: int) -> list[str]:
    """The command that runs one fuzzer over its seeds."""
    folder = programs.parents[1]
    findings = folder / "findings"
    findings.mkdir(exist_ok=True)
    limits = ["--runs", str(runs), "--seconds", str(seconds), "--seed", str(seed)]
    return [str(programs / name), *limits, "--findings", str(findings), str(folder / "seeds" / SEEDS_OF[name])]


def main() -> int:
    """Runs what the command line asks for; 1 if anything is found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"{', '.join(SEEDS_OF)}, {CHECK}; else all")
    parser.add_argument("--runs", type=int, default=0, help="inputs for each fuzzer; 0 sets no limit")
    parser.add_argument("--seconds", type=int, default=0, help="time for each fuzzer; 0 sets no limit")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", action="store_true", help=f"{CHECK} under the thread sanitizer too")
    parser.add_argument("--build-only", action="store_true", help="build and write the seeds, run nothing")
    options = parser.parse_args()
    if unknown := set(options.targets) - {*SEEDS_OF, CHECK}:
        parser.error(f"no target {', '.join(sorted(unknown))}; there are {', '.join(SEEDS_OF)} and {CHECK}")
    programs = build()
    if options.build_only:
        return 0
    seconds = options.seconds if options.runs or options.seconds else 60
    commands = [
        [str(programs / name)] if name == CHECK else fuzz_command(programs, name, options.runs, seconds, options.seed)
        for name in options.targets or [*SEEDS_OF, CHECK]
    ]
    if options.threads:
        commands.append([*FIXED_ADDRESSES, str(build("threads") / CHECK)])
    failures = 0
    for command in commands:
        print(os.path.relpath(next(word for word in command if word.startswith(str(ROOT))), ROOT), flush=True)
        failures += subprocess.run(command).returncode != 0
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
