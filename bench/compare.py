"""Compares a benchmark between two checkouts that run alternately, each in its own processes with its own Python.

Example: ``python -m bench.compare ../base --command "bench.loader --batches 30" --rounds 5``. The other checkout must
be built (``make .venv/.dev``). A run's value is the median of its measurement; p20, p50 and p80 are over the runs. The
ratio compares the two runs of each round: below 1, for a time, means that the checkout of this file is faster.
"""

from __future__ import annotations

import argparse
import json
import shlex
import statistics
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.report import Measurement, Report, add_output_options, git_revision, this_machine

HERE = Path(__file__).resolve().parents[1]
RATIO = "this / base"


@dataclass(frozen=True)
class Key:
    """Identifies a measurement in both checkouts."""

    case: str
    contender: str
    metric: str
    unit: str


Values = dict[Key, float]
"""Median of each measurement of one run."""


def run_benchmark(checkout: Path, command: str) -> Values:
    """Runs a benchmark of a checkout and returns its medians.

    Raises:
        RuntimeError: the benchmark failed; the message has the end of its error output.
    """
    words = [str(checkout / ".venv" / "bin" / "python"), "-m", *shlex.split(command), "--json"]
    result = subprocess.run(words, cwd=checkout, capture_output=True, text=True, check=False)
    if result.returncode:
        raise RuntimeError(f"{checkout}: {shlex.join(words)} failed:\n{result.stderr[-2000:]}")
    return parse_output(result.stdout)


def parse_output(text: str) -> Values:
    """Medians from the JSON output of a benchmark.

    The case is dropped if all measurements have the same one, so that its wording need not agree.
    """
    values: Values = {}
    for document in _documents(text):
        values |= dict(_parse_document(document))
    if len({key.case for key in values}) == 1:
        return {Key("", key.contender, key.metric, key.unit): value for key, value in values.items()}
    return values


def _documents(text: str) -> Iterator[dict[str, Any]]:
    decoder = json.JSONDecoder()
    while text := text.lstrip():
        document, end = decoder.raw_decode(text)
        yield document
        text = text[end:]


def _parse_document(document: dict[str, Any]) -> Iterator[tuple[Key, float]]:
    if "measurements" in document:
        for row in document["measurements"]:
            yield Key(row["case"], row["contender"], row["metric"], row["unit"]), row["p50"]
    else:
        yield from _parse_old_document(document)


def _parse_old_document(document: dict[str, Any]) -> Iterator[tuple[Key, float]]:
    """The formats of revision 0b75b48 and before: edf, pipeline and startup; loader; loop; kernels; train."""
    for name, row in document.get("seconds", {}).items():
        case = document["title"].removeprefix("EDF to store, ")
        yield Key(case, name, "time", "ms"), 1e3 * row["median"]
    for row in document.get("results", []):
        if "p50" in row:
            yield Key("", row["name"], "time", "ms"), 1e3 * row["p50"]
            yield Key("", row["name"], "mean time", "ms"), 1e3 * row["mean"]
        else:
            case = f"{row['size']}, {row['parameters'] / 1e6:.1f} M parameters"
            parts = row["parts_ms"] | {"whole step": row["step_ms"]}
            for part, value in parts.items():
                yield Key(case, part.replace("optimiser", "optimizer"), "time", "ms"), value
    for name, contender in (("loader_s", "loader alone"), ("loop_s", "loop")):
        if name in document:
            yield Key("", contender, "time", "ms"), 1e3 * statistics.median(document[name])
    for rows, operation in (("rows", "causal_conv1d + SiLU"), ("scan", "ssd_scan")):
        for row in document.get(rows, []):
            case = f"{operation}, {row['mode']}, {row['shape']}"
            yield Key(case, row["contender"], "time", "ms"), row["median_ms"]


def compare(base: Path, this: Path, command: str, rounds: int) -> dict[Key, tuple[list[float], list[float]]]:
    """Values of both checkouts for each measurement that both have, one value per round."""
    values: dict[Path, list[Values]] = {base: [], this: []}
    for index in range(rounds):
        for checkout in (base, this) if index % 2 == 0 else (this, base):
            values[checkout].append(run_benchmark(checkout, command))
    shared = [key for key in values[this][0] if all(key in each for runs in values.values() for each in runs)]
    if not shared:
        raise RuntimeError(f"{command}: the checkouts have no measurement in common")
    return {key: ([run[key] for run in values[base]], [run[key] for run in values[this]]) for key in shared}


def measurements(results: Mapping[Key, tuple[list[float], list[float]]]) -> Iterator[Measurement]:
    """The rows of the report: each measurement of both checkouts, and their ratio."""
    for key, (base, this) in results.items():
        name = key.contender if key.metric == "time" else f"{key.contender}, {key.metric}"
        yield Measurement(key.case, f"{name}: base", key.unit, tuple(base), key.metric)
        yield Measurement(key.case, f"{name}: this", key.unit, tuple(this), key.metric)
        if all(base):
            ratios = tuple(one / other for one, other in zip(this, base, strict=True))
            yield Measurement(key.case, f"{name}: this", "ratio", ratios, RATIO)


def main(arguments: list[str] | None = None) -> None:
    """Runs the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.compare", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("base", type=Path, metavar="BASE_DIR", help="the other checkout")
    parser.add_argument("--command", required=True, help='benchmark with its options: "bench.edf --rounds 5"')
    parser.add_argument("--rounds", type=int, default=5, help="runs of each checkout")
    add_output_options(parser)
    options = parser.parse_args(arguments)
    base = options.base.resolve()
    if not (base / ".venv" / "bin" / "python").exists():
        parser.error(f"{base}: .venv/bin/python is missing; build the checkout first")
    if options.rounds < 1:
        parser.error(f"--rounds is {options.rounds}, expected at least 1")
    try:
        results = compare(base, HERE, options.command, options.rounds)
    except RuntimeError as error:
        parser.exit(1, f"{error}\n")
    revisions = {"base": git_revision(base), "this": git_revision(HERE)}
    Report(
        name="compare",
        title=f"{options.command}: base {revisions['base']}, this {revisions['this']}, {options.rounds} runs of each",
        measurements=tuple(measurements(results)),
        machine=this_machine(()),
        parameters={"command": options.command, "rounds": options.rounds, "revisions": revisions},
    ).write(options)


if __name__ == "__main__":
    main()
