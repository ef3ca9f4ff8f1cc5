"""What it costs to begin: `import seizurekit` and `seizurekit --help`, beside a Python that does nothing.

Example: ``python -m bench.startup``
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Callable, Sequence

from bench.measure import Report, this_machine, time_in_turn

NOTHING, IMPORT, HELP = "python -c pass", "import seizurekit", "seizurekit --help"


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns its exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.startup", description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    if options.rounds < 1:
        parser.error("wanted at least 1 round")

    def process(*words: str) -> Callable[[], object]:
        return lambda: subprocess.run([sys.executable, *words], check=True, capture_output=True)

    contenders = {
        NOTHING: process("-c", "pass"),
        IMPORT: process("-c", "import seizurekit"),
        HELP: process("-m", "seizurekit", "--help"),
    }
    timings = time_in_turn(contenders, options.rounds)
    seconds = {name: timing.median for name, timing in timings.items()}
    Report(
        title="a process that begins and ends",
        timings=tuple(timings.values()),
        ratios={f"{name}, s": seconds[name] - seconds[NOTHING] for name in (IMPORT, HELP)},
        aims={f"{IMPORT}, s": "at most 0.2", f"{HELP}, s": "below 0.3"},
        machine=this_machine(["seizurekit", "typer"]),
    ).print(options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
