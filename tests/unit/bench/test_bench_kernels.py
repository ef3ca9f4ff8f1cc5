"""The benchmarks of the kernels and of the training step: what they report."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from bench import train
from bench.kernels import __main__ as kernels
from bench.kernels.causal_conv1d import Shape, grouped, shifted, shifted_channels_last


@pytest.mark.parametrize("channels_last", [True, False])
def test_the_plain_forms_compute_the_same(channels_last: bool) -> None:
    x = Shape(2, 5, 9, 4, torch.float32, channels_last, torch.device("cpu")).tensor()
    weight, bias = torch.randn(5, 4), torch.randn(5)
    wanted = grouped(x, weight, bias)
    torch.testing.assert_close(shifted(x, weight, bias), wanted)
    torch.testing.assert_close(shifted_channels_last(x, weight, bias), wanted)
    with torch.no_grad():
        torch.testing.assert_close(shifted_channels_last(x, weight, bias), wanted)


def test_kernels_are_timed_in_every_mode_and_compared(capsys: pytest.CaptureFixture[str]) -> None:
    kernels.main(["--device", "cpu", "--rounds", "1", "--shape", "1,24,30", "--threads", "1", "--no-scan", "--json"])
    found = json.loads(capsys.readouterr().out)
    timed = {(row["contender"], row["mode"]) for row in found["rows"]}
    for contender in ("native", "torch", "torch F.conv1d by groups", "copy of the tensor"):
        assert {(contender, mode) for mode in ("forward", "backward", "both")} <= timed
    assert all(row["median_ms"] > 0 and row["gb_s"] > 0 for row in found["rows"])
    assert {"cuda-package", "triton", "cuda"} <= set(found["skipped"])


def test_a_shape_that_is_none_is_refused() -> None:
    with pytest.raises(SystemExit, match="--shape: found '4x3', wanted B,D,L"):
        kernels.main(["--shape", "4x3"])


def test_a_training_step_is_timed_in_its_parts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--sizes", "tiny", "--batch-size", "1", "--steps", "1", "--hours", "0.34", "--data", str(tmp_path)]
    train.main([*options, "--device", "cpu", "--json"])
    (result,) = json.loads(capsys.readouterr().out)["results"]
    assert set(result["parts_ms"]) == set(train.PARTS)
    assert result["parts_ms"]["backward"] > 0
    assert result["step_ms"] > 0


def test_a_size_that_is_none_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        train.main(["--sizes", "huge"])
    assert "--sizes: found 'huge', wanted some of tiny, small, base" in capsys.readouterr().err
