"""Timing in turn, and the report of a benchmark."""

from __future__ import annotations

import gc
import json

import pytest
from bench.measure import Machine, Report, Timing, this_machine, time_in_turn


def test_every_contender_runs_once_untimed_and_once_a_round_each_round_beginning_with_another() -> None:
    calls: list[str] = []
    contenders = {name: lambda name=name: calls.append(name) for name in "abc"}
    timings = time_in_turn(contenders, rounds=3, before=lambda: calls.append("-"))
    assert "".join(calls) == "abc" + "-a-b-c" + "-b-c-a" + "-c-a-b"
    assert list(timings) == ["a", "b", "c"]
    assert all(len(timing.seconds) == 3 for timing in timings.values())


def test_the_garbage_collector_rests_while_time_is_taken_and_works_again_after_an_error() -> None:
    resting = []

    def fail() -> None:
        resting.append(not gc.isenabled())
        if resting[-1]:
            raise RuntimeError("planned")

    with pytest.raises(RuntimeError, match="planned"):
        time_in_turn({"fails": fail}, rounds=1)
    assert resting == [False, True]
    assert gc.isenabled()


def test_a_median_is_the_middle_of_the_rounds() -> None:
    assert Timing("x", (3.0, 1.0, 100.0)).median == 3.0


def test_the_machine_names_installed_packages_only() -> None:
    machine = this_machine(["numpy", "no-such-package"])
    assert set(machine.versions) == {"Python", "numpy"}
    assert machine.cores >= 1
    assert machine.cpu in str(machine)


def test_a_report_prints_a_table_or_one_json_object(capsys: pytest.CaptureFixture[str]) -> None:
    report = Report(
        title="two ways",
        timings=(Timing("fast", (0.001, 0.002, 0.003)), Timing("slow", (0.01,))),
        ratios={"slow / fast": 5.0},
        aims={"slow / fast": "at least 3"},
        machine=Machine("a processor", 2, {"Python": "3.11"}, "2026-01-01"),
        skipped={"other": "other is not installed"},
    )
    report.print(as_json=False)
    table = capsys.readouterr().out
    for words in (
        "two ways",
        "fast",
        "2.00",
        "5.00",
        "at least 3",
        "skipped: other (other is not installed)",
        "2 cores",
    ):
        assert words in table
    report.print(as_json=True)
    facts = json.loads(capsys.readouterr().out)
    assert facts["seconds"]["fast"] == {"median": 0.002, "all": [0.001, 0.002, 0.003]}
    assert facts["ratios"] == {"slow / fast": 5.0}
    assert facts["machine"]["cpu"] == "a processor"
