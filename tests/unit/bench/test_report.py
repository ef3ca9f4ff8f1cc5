"""Timing, and the report of a benchmark: its table, JSON and CSV."""

from __future__ import annotations

import argparse
import csv
import gc
import json
import subprocess
from pathlib import Path

import pytest
from bench.report import (
    CSV_COLUMNS,
    Figure,
    Machine,
    Measurement,
    Report,
    add_output_options,
    git_revision,
    medians,
    milliseconds,
    speed_ups,
    this_machine,
)
from bench.timing import time_alternately

REPORT = Report(
    name="example",
    title="two ways",
    measurements=(
        *milliseconds("small", {"fast": (0.001, 0.002, 0.003), "slow": (0.01,)}),
        Measurement("small", "slow", "MB", (12.0,), "RSS"),
        *milliseconds("large", {"fast": (0.5,)}),
    ),
    figures=(Figure("small", "slow / fast", 5.0, target="at least 3"),),
    machine=Machine("a processor", 2, {"Python": "3.11", "numpy": "2.0"}, "2026-01-01"),
    skipped={"other": "other is not installed"},
)


def options(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_output_options(parser)
    return parser.parse_args(arguments)


def test_every_contender_runs_once_untimed_and_once_per_round_each_round_starting_with_another() -> None:
    calls: list[str] = []
    contenders = {name: lambda name=name: calls.append(name) for name in "abc"}
    seconds = time_alternately(contenders, rounds=3, before=lambda: calls.append("-"))
    assert "".join(calls) == "abc" + "-a-b-c" + "-b-c-a" + "-c-a-b"
    assert list(seconds) == ["a", "b", "c"]
    assert all(len(values) == 3 for values in seconds.values())


def test_the_garbage_collector_is_disabled_during_timed_calls_and_enabled_after_an_error() -> None:
    disabled = []

    def fail() -> None:
        disabled.append(not gc.isenabled())
        if disabled[-1]:
            raise RuntimeError("planned")

    with pytest.raises(RuntimeError, match="planned"):
        time_alternately({"fails": fail}, rounds=1)
    assert disabled == [False, True]
    assert gc.isenabled()


def test_percentiles_and_medians_are_those_of_the_values() -> None:
    measurement = Measurement("", "x", "ms", (3.0, 1.0, 100.0))
    assert measurement.quantiles == pytest.approx({"p20": 1.8, "p50": 3.0, "p80": 61.2})
    assert medians({"x": (3.0, 1.0, 100.0)}) == {"x": 3.0}


def test_speed_ups_compare_medians_with_the_baseline() -> None:
    seconds = {"base": (4.0,), "fast": (1.0, 2.0, 9.0)}
    found = {each.contender: each.values for each in speed_ups("", seconds, "base")}
    assert found == {"base": (1.0,), "fast": (2.0,)}
    assert speed_ups("", seconds, "absent") == ()


def test_the_machine_has_the_versions_of_installed_packages_only() -> None:
    machine = this_machine(["numpy", "no-such-package"])
    assert set(machine.versions) - {"revision"} == {"Python", "numpy"}
    assert machine.cores >= 1
    assert machine.device in str(machine)
    assert this_machine([], "a GPU").device == "a GPU"


def test_the_revision_is_that_of_the_checkout_and_empty_without_one(tmp_path: Path) -> None:
    assert git_revision(tmp_path) == ""
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "first"], check=True)
    head = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout
    assert head.startswith(git_revision(tmp_path))


def test_a_report_prints_a_table_with_percentiles_figures_and_the_machine(capsys: pytest.CaptureFixture[str]) -> None:
    REPORT.write(options())
    lines = capsys.readouterr().out.splitlines()
    for row in (
        ("two ways: small",),
        ("contender", "p20", "p50", "p80", "unit", "RSS MB"),
        ("fast", "1.4", "2", "2.6", "ms"),
        ("slow", "10", "10", "10", "ms", "12"),
        ("two ways: large",),
        ("fast", "500", "500", "500", "ms"),
        ("slow / fast: 5, target: at least 3",),
        ("skipped: other (other is not installed)",),
        ("a processor, 2 cores; Python 3.11, numpy 2.0; 2026-01-01",),
    ):
        assert any(all(word in line for word in row) for line in lines), row


def test_a_report_prints_one_json_object(capsys: pytest.CaptureFixture[str]) -> None:
    REPORT.write(options("--json"))
    facts = json.loads(capsys.readouterr().out)
    assert facts["name"] == "example"
    fast, slow, memory, _ = facts["measurements"]
    assert fast == {
        "case": "small",
        "contender": "fast",
        "unit": "ms",
        "values": [1.0, 2.0, 3.0],
        "metric": "time",
        "p20": pytest.approx(1.4),
        "p50": 2.0,
        "p80": pytest.approx(2.6),
    }
    assert (slow["values"], memory["metric"]) == ([10.0], "RSS")
    assert facts["figures"] == [
        {"case": "small", "name": "slow / fast", "value": 5.0, "unit": "ratio", "target": "at least 3"}
    ]
    assert facts["machine"]["device"] == "a processor"


def test_reports_append_rows_of_one_format_to_a_csv_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "results.csv"
    for _ in range(2):
        REPORT.write(options("--csv", str(path)))
    assert "two ways" in capsys.readouterr().out
    with path.open(newline="") as file:
        header, *rows = csv.reader(file)
    assert tuple(header) == CSV_COLUMNS
    assert rows[:5] == rows[5:]
    first, *_, memory, _, figure = (dict(zip(header, row, strict=True)) for row in rows[:5])
    assert {name: first[name] for name in ("name", "case", "contender", "metric", "unit", "p50")} == {
        "name": "example",
        "case": "small",
        "contender": "fast",
        "metric": "time",
        "unit": "ms",
        "p50": "2.0",
    }
    assert float(first["p20"]) == pytest.approx(1.4)
    assert float(first["p80"]) == pytest.approx(2.6)
    assert (first["device"], first["versions"], first["date"]) == (
        "a processor",
        "Python 3.11, numpy 2.0",
        "2026-01-01",
    )
    assert (memory["metric"], memory["unit"], memory["p50"]) == ("RSS", "MB", "12.0")
    assert (figure["contender"], figure["metric"], figure["p50"]) == ("slow / fast", "figure", "5.0")


def test_a_csv_file_with_other_columns_is_rejected_and_unchanged(tmp_path: Path) -> None:
    path = tmp_path / "other.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match=r"other\.csv: header is 'a,b', expected 'name,case,"):
        REPORT.append_csv(path)
    assert path.read_text() == "a,b\n1,2\n"
