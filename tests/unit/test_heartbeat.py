"""A thread reports the current activity after each long silence."""

from __future__ import annotations

import queue

import pytest

from seizurekit.heartbeat import Heartbeat


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def output() -> list[str]:
    return []


@pytest.fixture
def heartbeat(clock: Clock, output: list[str]) -> Heartbeat:
    return Heartbeat(output.append, 5.0, where=lambda: "step 1200 of 4000", clock=clock)


def test_after_five_silent_minutes_a_line_reports_the_activity(
    heartbeat: Heartbeat, clock: Clock, output: list[str]
) -> None:
    clock.now += 298.0
    heartbeat.note_activity("validating, recording 45 of 1832")
    assert heartbeat.beat() == 2.0
    assert output == []
    clock.now += 2.0
    assert heartbeat.beat() == 300.0
    assert output == ["still running: validating, recording 45 of 1832 (last activity 2 s ago); step 1200 of 4000"]
    clock.now += 300.0
    heartbeat.beat()
    assert output[1] == "still running: validating, recording 45 of 1832 (last activity 5 min ago); step 1200 of 4000"


def test_other_output_postpones_the_line(heartbeat: Heartbeat, clock: Clock, output: list[str]) -> None:
    clock.now += 299.0
    heartbeat.note_output()
    clock.now += 299.0
    assert heartbeat.beat() == 1.0
    assert output == []


def test_a_command_without_steps_reports_none(clock: Clock, output: list[str]) -> None:
    heartbeat = Heartbeat(output.append, 1.0, clock=clock)
    clock.now += 61.0
    heartbeat.beat()
    assert output == ["still running: starting (last activity 61 s ago)"]


def test_the_thread_reports_while_the_program_is_busy_and_ends_with_the_block() -> None:
    output: queue.Queue[str] = queue.Queue()
    with Heartbeat(output.put, minutes=0.02 / 60) as heartbeat:
        heartbeat.note_activity("compiling")
        lines = [output.get(timeout=10), output.get(timeout=10)]
    assert all(line.startswith("still running: ") for line in lines)
    assert not heartbeat._thread.is_alive()
