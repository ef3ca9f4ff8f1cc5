"""Prints the line coverage of the C++ core, and the lines that were never reached.

The core must have been built by ``cmake --preset coverage`` and used, for example by the tests. Prints the files of
csrc/ like ``coverage report --show-missing``.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BUILD = ROOT / "build" / "coverage"


def read_counts(build: Path) -> dict[str, dict[int, int]]:
    """How often each line was executed, by source file; added up over all instruction sets and programs."""
    records = sorted(build.rglob("*.gcda"))
    if not records:
        raise FileNotFoundError(f"{build}: no coverage records, expected the tests to have run with this build")
    gcov = [os.environ.get("GCOV", "gcov"), "--json-format", "--stdout", *map(str, records)]
    output = subprocess.run(gcov, cwd=build, check=True, capture_output=True, text=True).stdout
    counts: dict[str, dict[int, int]] = defaultdict(lambda: defaultdict(int))
    for document in output.splitlines():
        for file in json.loads(document)["files"]:
            path = os.path.relpath(build / file["file"], ROOT)
            for line in file["lines"]:
                counts[path][line["line_number"]] += line["count"]
    return {path: counts[path] for path in sorted(counts) if path.startswith("csrc/")}


def format_ranges(lines: list[int]) -> str:
    """Lines as in "3, 7-9"."""
    ranges: list[list[int]] = []
    for line in sorted(lines):
        if ranges and line == ranges[-1][1] + 1:
            ranges[-1][1] = line
        else:
            ranges.append([line, line])
    return ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in ranges)


def main() -> int:
    """Prints the report; 0."""
    counts = read_counts(BUILD)
    total = reached = 0
    for path, lines in counts.items():
        missing = [line for line, count in lines.items() if count == 0]
        total += len(lines)
        reached += len(lines) - len(missing)
        print(f"{path:40} {100 - 100 * len(missing) / len(lines):6.1f} %  {format_ranges(missing)}".rstrip())
    print(f"{'all of csrc':40} {100 * reached / total:6.1f} %")
    return 0


if __name__ == "__main__":
    sys.exit(main())
