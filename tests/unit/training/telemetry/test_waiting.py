"""A training that waits for its data warns once, with the likely reason."""

from __future__ import annotations

from dataclasses import replace

import pytest

from seizurekit.training.telemetry.waiting import LoaderFacts, Waiting, likely_reason

LOCAL = LoaderFacts(remote=False, local_dir=False, processors=16)
REMOTE = replace(LOCAL, remote=True)
TORCH = replace(LOCAL, kind="torch", num_workers=8)


def test_waiting_for_more_than_a_tenth_of_a_minute_is_reported_once() -> None:
    output: list[str] = []
    waiting = Waiting(LOCAL, output.append, load=lambda: 1.0)
    for _ in range(59):
        waiting.add(0.25, 0.75)
    assert output == []
    for _ in range(600):
        waiting.add(0.25, 0.75)
    assert len(output) == 1
    assert output[0].startswith("waiting for data took 25 % of the last 60 s: the disk is too slow")


def test_waiting_for_less_is_not_reported() -> None:
    output: list[str] = []
    waiting = Waiting(LOCAL, output.append, load=lambda: 1.0)
    for _ in range(600):
        waiting.add(0.09, 0.91)
    assert output == []


def test_waiting_that_starts_late_is_reported_too() -> None:
    output: list[str] = []
    waiting = Waiting(LOCAL, output.append, after_s=2.0, load=lambda: 1.0)
    for _ in range(10_000):
        waiting.add(0.0, 1.0)
    for _ in range(4):
        waiting.add(0.5, 0.5)
    assert len(output) == 1


@pytest.mark.parametrize(
    ("facts", "load", "reason"),
    [
        (replace(TORCH, workers_terminated=lambda: True), 1.0, "workers were terminated"),
        (REMOTE, 1.0, "the store is read from an object store; set cache.local_dir or loader.shuffle=block"),
        (replace(REMOTE, shuffle="block"), 1.0, "set cache.local_dir, or raise loader.prefetch"),
        (replace(REMOTE, local_dir=True), 1.0, "still being copied to cache.local_dir"),
        (replace(TORCH, num_workers=0), 1.0, "loader.num_workers is 0"),
        (TORCH, 1.0, "the disk"),
        (LOCAL, 30.0, "the load is 30.0 on 16 CPUs"),
        (replace(LOCAL, processors=2), 2.5, "2 CPUs must both read and train"),
        (replace(LOCAL, processors=1), 1.0, "1 CPU must both read and train"),
        (LOCAL, 16.0, "the disk is too slow"),
    ],
)
def test_the_likely_reason_follows_from_the_loader_and_the_machine(
    facts: LoaderFacts, load: float, reason: str
) -> None:
    assert reason in likely_reason(facts, load)
