"""The comparison of two checkouts."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from bench import compare
from bench.compare import Key, parse_output

BENCHMARK = """
import json, pathlib, sys
log = pathlib.Path("../log")
log.write_text(log.read_text() + pathlib.Path.cwd().name + " ")
row = {"case": CASE, "contender": "reader", "metric": "time", "unit": "ms", "values": [VALUE], "p50": VALUE}
assert sys.argv[1:] == ["--rounds", "3", "--json"]
print(json.dumps({"measurements": [row, row | {"contender": NAME}]}))
"""


def checkout(folder: Path, value: float) -> Path:
    (folder / "bench").mkdir(parents=True)
    (folder / ".venv" / "bin").mkdir(parents=True)
    (folder / ".venv" / "bin" / "python").symlink_to(sys.executable)
    text = BENCHMARK.replace("VALUE", str(value)).replace("CASE", repr(folder.name)).replace("NAME", repr(folder.name))
    (folder / "bench" / "example.py").write_text(text)
    return folder


def test_checkouts_alternate_and_shared_measurements_are_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    base, this = checkout(tmp_path / "base", 4.0), checkout(tmp_path / "this", 2.0)
    (tmp_path / "log").write_text("")
    monkeypatch.setattr(compare, "HERE", this)
    compare.main([str(base), "--command", "bench.example --rounds 3", "--rounds", "2", "--json"])
    facts = json.loads(capsys.readouterr().out)
    assert (tmp_path / "log").read_text() == "base this this base "
    values = {(row["contender"], row["metric"]): row["values"] for row in facts["measurements"]}
    assert values == {
        ("reader: base", "time"): [4.0, 4.0],
        ("reader: this", "time"): [2.0, 2.0],
        ("reader: this", "this / base"): [0.5, 0.5],
    }


def test_a_benchmark_that_fails_is_reported_with_its_error(tmp_path: Path) -> None:
    folder = checkout(tmp_path / "base", 1.0)
    with pytest.raises(RuntimeError, match=r"No module named bench\.missing"):
        compare.run_benchmark(folder, "bench.missing")


def test_a_checkout_that_is_not_built_is_a_usage_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        compare.main([str(tmp_path), "--command", "bench.example"])
    assert ".venv/bin/python is missing" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("documents", "expected"),
    [
        (
            [
                {"title": f"EDF to store, 1 recordings at {rate} Hz", "seconds": {"a": {"median": 0.5}}}
                for rate in (1, 2)
            ],
            {
                Key("1 recordings at 1 Hz", "a", "time", "ms"): 500,
                Key("1 recordings at 2 Hz", "a", "time", "ms"): 500,
            },
        ),
        (
            [{"results": [{"name": "a", "p50": 0.002, "mean": 0.003}]}],
            {Key("", "a", "time", "ms"): 2, Key("", "a", "mean time", "ms"): 3},
        ),
        (
            [{"results": [{"size": "tiny", "parameters": 1.2e6, "parts_ms": {"optimiser": 1.0}, "step_ms": 2.0}]}],
            {Key("", "optimizer", "time", "ms"): 1, Key("", "whole step", "time", "ms"): 2},
        ),
        (
            [{"loader_s": [0.001, 0.003], "loop_s": [0.004]}],
            {Key("", "loader alone", "time", "ms"): 2, Key("", "loop", "time", "ms"): 4},
        ),
        (
            [
                {
                    "rows": [{"shape": "s", "mode": "both", "contender": "a", "median_ms": 1.0}],
                    "scan": [{"shape": "s", "mode": "both", "contender": "a", "median_ms": 2.0}],
                }
            ],
            {
                Key("causal_conv1d + SiLU, both, s", "a", "time", "ms"): 1,
                Key("ssd_scan, both, s", "a", "time", "ms"): 2,
            },
        ),
    ],
    ids=["pipeline", "loader", "train", "loop", "kernels"],
)
def test_the_output_of_earlier_revisions_is_understood(
    documents: list[dict[str, object]], expected: dict[Key, float]
) -> None:
    assert parse_output("\n".join(json.dumps(document, indent=1) for document in documents)) == expected
