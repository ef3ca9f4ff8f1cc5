"""A training that is killed again and again, and resumed each time, ends in the bytes of one that never was."""

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

DEMO = Path(__file__).resolve().parents[2] / "configs" / "demo.yaml"
KILLS = 20
USED = ("seizurekit.training.loop", "seizurekit.config", "torch._dynamo", "zarr")
OVERRIDES = (
    "name=run",
    "cache={window: 5, stride: 5}",
    "training.epochs=3",
    "training.device=cpu",
    "training.ema=0.9",
    "training.accumulate=2",
    "loader.batch_size=2",
    "checkpoints={minutes: 0.001, keep: 3}",
    "telemetry={every: 1, tensorboard: false}",
    "model={widths: [8, 8, 16], layers: 1, headdim: 4, d_state: 4, dropout: 0.1}",
)


def newest(run: Path) -> TrainingState:
    state = newest_state(run / "checkpoints", pytest.fail)
    assert state is not None
    return state


def losses(run: Path) -> list[tuple[int, float]]:
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [(line["step"], line["train/loss"]) for line in lines if line["kind"] == "train"]


@pytest.mark.slow
def test_after_twenty_kills_the_weights_and_the_figures_are_those_of_the_unbroken_run(
    small_store: Path, tmp_path: Path
) -> None:
    train = ("train", DEMO, *OVERRIDES, f"cache.dir={small_store}")
    one, other = (tmp_path / name / "runs" / "run" for name in ("whole", "killed"))
    with forked_commands(tmp_path / "whole", *USED) as start:
        began = time.monotonic()
        assert start(*train) == 0
        seconds = time.monotonic() - began
    rng = random.Random(0)
    kills = {signal.SIGTERM: 0, signal.SIGKILL: 0}
    with forked_commands(tmp_path / "killed", *USED) as start:
        while sum(kills.values()) < KILLS:
            number = rng.choice((signal.SIGTERM, signal.SIGKILL))
            ended = start(*train, "--resume", kill=number, after=rng.uniform(0.0, 0.4) * seconds)
            assert ended in (0, -number, 128 + number), (tmp_path / "killed" / "output").read_text()
            if ended:
                kills[number] += 1
            else:  # it came to its end before that: once more from the beginning
                remove_states(other / "checkpoints")
        assert start(*train, "--resume") == 0
    assert min(kills.values()) > 3
    first, second = newest(one), newest(other)
    assert first.tensors.keys() == second.tensors.keys()
    assert all(torch.equal(tensor, second.tensors[name]) for name, tensor in first.tensors.items())
    assert first.header["progress"] | {"seconds": 0} == second.header["progress"] | {"seconds": 0}
    bests = [safetensors.torch.load_file(run / "best.safetensors") for run in (one, other)]
    assert all(torch.equal(tensor, bests[1][name]) for name, tensor in bests[0].items())
    assert losses(one) == losses(other)
