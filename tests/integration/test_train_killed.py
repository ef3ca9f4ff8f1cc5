"""A training that is killed many times, and resumed each time, ends with the bytes of an uninterrupted one."""

from __future__ import annotations

import json
import random
import signal
import time
from pathlib import Path

import pytest
import safetensors.torch
import torch

from forked_commands import forked_commands
from seizurekit.training.run.state import TrainingState, newest_state, remove_states
from tiny import DEMO, tiny_overrides

KILLS = 20
OVERRIDES = (
    "training={epochs: 2, device: cpu, ema: 0.9, accumulate: 2}",
    "loader.batch_size=2",
    "model.dropout=0.1",
    "validation.max_recordings=1",
    "checkpoints={minutes: 0.0001, keep: 3}",
)


def newest(run: Path) -> TrainingState:
    state = newest_state(run / "checkpoints", pytest.fail)
    assert state is not None
    return state


def losses(run: Path) -> list[tuple[int, float]]:
    records = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [(record["step"], record["train/loss"]) for record in records if record["kind"] == "train"]


@pytest.mark.slow
def test_after_twenty_kills_weights_and_losses_are_those_of_an_uninterrupted_run(
    small_store: Path, tmp_path: Path
) -> None:
    train = ("train", DEMO, *tiny_overrides(small_store, *OVERRIDES))
    folder = tmp_path / "commands"
    whole, killed = (folder / "runs" / name for name in ("whole", "killed"))
    rng = random.Random(0)
    kills = {signal.SIGTERM: 0, signal.SIGKILL: 0}
    with forked_commands(folder, "torch._dynamo", warm_up=(*train, "name=warm-up", "training.max_steps=1")) as start:
        began = time.monotonic()
        assert start(*train, "name=whole") == 0
        seconds = time.monotonic() - began
        while sum(kills.values()) < KILLS:
            number = rng.choice((signal.SIGTERM, signal.SIGKILL))
            code = start(*train, "name=killed", "--resume", kill=number, after=rng.uniform(0.0, 0.4) * seconds)
            assert code in (0, -number, 128 + number), (folder / "output").read_text()
            if code:
                kills[number] += 1
            else:  # the run has ended before the signal: start from scratch
                remove_states(killed / "checkpoints")
        assert start(*train, "name=killed", "--resume") == 0
    assert min(kills.values()) > 3
    first, second = newest(whole), newest(killed)
    assert first.tensors.keys() == second.tensors.keys()
    assert all(torch.equal(tensor, second.tensors[name]) for name, tensor in first.tensors.items())
    first.header.progress.seconds = second.header.progress.seconds = 0.0
    assert first.header.progress == second.header.progress
    bests = [safetensors.torch.load_file(run / "best.safetensors") for run in (whole, killed)]
    assert all(torch.equal(tensor, bests[1][name]) for name, tensor in bests[0].items())
    assert losses(whole) == losses(killed)
