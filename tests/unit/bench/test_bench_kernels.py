"""The benchmarks of the kernels and of the training step."""

from __future__ import annotations

import json

import pytest
import torch
from bench import train
from bench.kernels import __main__ as kernels
from bench.kernels.causal_conv1d import Shape, grouped, shifted, shifted_channels_last


@pytest.mark.parametrize("channels_last", [True, False])
def test_the_plain_implementations_agree(channels_last: bool) -> None:
    x = Shape(2, 5, 9, 4, torch.float32, channels_last, torch.device("cpu")).tensor()
    weight, bias = torch.randn(5, 4), torch.randn(5)
    expected = grouped(x, weight, bias)
    torch.testing.assert_close(shifted(x, weight, bias), expected)
    torch.testing.assert_close(shifted_channels_last(x, weight, bias), expected)
    with torch.no_grad():
        torch.testing.assert_close(shifted_channels_last(x, weight, bias), expected)


def test_kernels_are_timed_in_every_mode_and_compared(capsys: pytest.CaptureFixture[str]) -> None:
    kernels.main(["--device", "cpu", "--rounds", "1", "--shape", "1,24,30", "--threads", "1", "--no-scan", "--json"])
    facts = json.loads(capsys.readouterr().out)
    rows = {(row["contender"], row["case"].split(", ")[1], row["metric"]): row for row in facts["measurements"]}
    for contender in ("native", "torch", "torch F.conv1d by groups", "copy of the tensor"):
        for mode in ("forward", "backward", "both"):
            assert rows[contender, mode, "time"]["p50"] > 0
            assert rows[contender, mode, "throughput"]["p50"] > 0
    assert rows["copy of the tensor", "both", "throughput / copy"]["p50"] == 1.0
    assert {"cuda-package", "triton", "cuda"} <= set(facts["skipped"])
    assert facts["machine"]["device"].endswith("1 threads")


def test_a_shape_that_cannot_be_parsed_is_a_usage_error() -> None:
    with pytest.raises(SystemExit, match="--shape is '4x3', expected B,D,L"):
        kernels.main(["--shape", "4x3"])


def test_a_training_step_is_timed_by_part(corpus_options: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    train.main(["--sizes", "tiny", "--batch-size", "1", "--steps", "1", *corpus_options, "--device", "cpu", "--json"])
    rows = json.loads(capsys.readouterr().out)["measurements"]
    milliseconds = {row["contender"]: row["p50"] for row in rows if row["metric"] == "time"}
    assert set(milliseconds) == {*train.PARTS, train.WHOLE}
    assert milliseconds["backward"] > 0
    assert milliseconds[train.WHOLE] > 0


def test_an_unknown_size_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        train.main(["--sizes", "huge"])
    assert "--sizes has 'huge', expected some of tiny, small, base" in capsys.readouterr().err
