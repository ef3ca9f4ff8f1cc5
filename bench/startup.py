"""Start-up time of `import seizurekit` and `seizurekit --help`, next to a Python process that does nothing.

Example: ``python -m bench.startup``
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Callable, Sequence

from bench.report import Figure, Report, add_output_options, medians, milliseconds, this_machine
from bench.timing import time_alternately

EMPTY, IMPORT, HELP = "python -c pass", "import seizurekit", "seizurekit --help"
TARGETS = {IMPORT: "at most 200", HELP: "below 300"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.startup", description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    add_output_options(parser)
    options = parser.parse_args(arguments)
    if options.rounds < 1:
        parser.error(f"--rounds is {options.rounds}, expected at least 1")

    def start(*words: str) -> Callable[[], object]:
        return lambda: subprocess.run([sys.executable, *words], check=True, capture_output=True)

    contenders = {
        EMPTY: start("-c", "pass"),
        IMPORT: start("-c", "import seizurekit"),
        HELP: start("-m", "seizurekit", "--help"),
    }
    seconds = time_alternately(contenders, options.rounds)
    median = medians(seconds)
    Report(
        name="startup",
        title="start and end of a process",
        measurements=milliseconds("", seconds),
        figures=tuple(
            Figure("", f"{name}, without Python itself", 1e3 * (median[name] - median[EMPTY]), "ms", target)
            for name, target in TARGETS.items()
        ),
        machine=this_machine(["seizurekit", "typer"]),
        parameters={"rounds": options.rounds},
    ).write(options)
    return 0


if __name__ == "__main__":
    sys.exit(main())
