"""A line if other programs occupy the processors, on artificial readings."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from seizurekit.training.telemetry.processors import ProcessorWatch, Usage, describe, read_usage, root_process


class Machine:
    """A machine with two processors, and its clock. Shares are of both processors."""

    def __init__(self, own: float, others: float) -> None:
        self.own, self.others = own, others
        self.now = 100.0
        self.usage = Usage(0.0, 0.0, 0.0)
        self.lines: list[str] = []

    def read(self) -> Usage:
        return self.usage

    def clock(self) -> float:
        return self.now

    def run(self, watch: ProcessorWatch, minutes: float) -> None:
        for _ in range(round(60 * minutes)):
            self.now += 1.0
            before = self.usage
            idle = 2.0 * (1.0 - self.own - self.others)
            self.usage = Usage(before.total + 2.0, before.idle + idle, before.own + 2.0 * self.own)
            watch.check()


def test_other_programs_are_reported_with_their_share_and_at_most_twice_an_hour() -> None:
    machine = Machine(own=0.35, others=0.6)
    watch = ProcessorWatch(machine.lines.append, machine.read, machine.clock)
    machine.run(watch, 29)
    assert machine.lines == [
        "other programs used 60 % of 2 CPUs in the last 60 s, this run 35 %; training is slower than on an idle machine"
    ]
    machine.run(watch, 29)
    assert len(machine.lines) == 2


@pytest.mark.parametrize(("own", "others"), [(0.98, 0.02), (0.4, 0.4), (0.0, 0.0), (0.8, 0.2)])
def test_a_machine_with_idle_processors_or_without_other_programs_is_not_reported(own: float, others: float) -> None:
    machine = Machine(own, others)
    machine.run(ProcessorWatch(machine.lines.append, machine.read, machine.clock), 10)
    assert machine.lines == []


def test_each_minute_counts_by_itself() -> None:
    machine = Machine(own=0.98, others=0.02)
    watch = ProcessorWatch(machine.lines.append, machine.read, machine.clock)
    machine.run(watch, 60)
    machine.own, machine.others = 0.5, 0.5
    machine.run(watch, 1)
    assert len(machine.lines) == 1


def test_half_a_processor_of_many_is_reported() -> None:
    busy = Usage(16 * 60.0, 0.0, 15.4 * 60.0)
    assert describe(Usage(0.0, 0.0, 0.0), busy, 60.0).startswith("other programs used 4 % of 16 CPUs")


def test_a_system_without_proc_reports_nothing(tmp_path: Path) -> None:
    lines: list[str] = []
    watch = ProcessorWatch(lines.append, lambda: read_usage(1, tmp_path), iter(range(0, 1000, 100)).__next__)
    watch.check()
    watch.check()
    assert lines == []


def test_the_usage_is_that_of_the_allowed_processors_and_of_the_process_tree(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 2})
    monkeypatch.setattr(os, "sysconf", lambda _: 100)
    rows = ["cpu 9 9 9 9 9 9 9 9 0 0", "cpu0 100 0 20 300 5 1 2 3 50 0", "cpu1 7 7 7 7 7 7 7 7 7 7", "intr 1"]
    (tmp_path / "stat").write_text("\n".join([*rows, "cpu2 10 0 0 50 0 0 0 0 0 0"]))
    for process, name, parent, ticks in (
        (1, "init", 0, "900 90 9 9"),
        (40, "python3 (train", 1, "100 10 1 2"),
        (41, "worker) R 1", 40, "200 20 0 0"),
        (42, "nested", 41, "400 40 0 0"),
        (50, "other", 1, "800 80 0 0"),
    ):
        (tmp_path / str(process)).mkdir()
        text = f"{process} ({name}) S {parent} 1 1 0 -1 0 0 0 0 0 {ticks} 20 0"
        (tmp_path / str(process) / "stat").write_text(text)
    usage = read_usage(40, tmp_path)
    assert usage.total == pytest.approx(4.91)
    assert usage.idle == pytest.approx(3.55)
    assert usage.own == pytest.approx(1.13 + 2.20 + 4.40)


def test_this_process_is_found_on_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)
    usage = read_usage(root_process())
    assert 0 < usage.own <= usage.total
    assert 0 <= usage.idle <= usage.total
