"""The self-test finds wrong back ends and reports them by its exit code."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch

from seizurekit import selftest
from seizurekit.cli.app import main
from seizurekit.ops import dispatch


@pytest.fixture(autouse=True)
def _clean() -> Iterator[None]:
    dispatch.reset_cache()
    yield
    dispatch.reset_cache()


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr("sys.argv", ["seizurekit", "selftest", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


@pytest.mark.slow
def test_every_back_end_that_is_available_is_right(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "kernels", "--device", "cpu", "--require", "native,torch", "--json") == 0
    report = json.loads(capsys.readouterr().out)
    checks = report["checks"]
    assert report["missing"] == []
    assert {check["verdict"] for check in checks} == {"ok", "unavailable"}
    assert all(check["reason"] for check in checks if check["verdict"] == "unavailable")
    assert all(check["error"] <= check["tolerance"] for check in checks)
    native = [check["case"] for check in checks if (check["backend"], check["verdict"]) == ("native", "ok")]
    for word in ("float32", "bfloat16", "float16", "width 2", "width 3", "width 4", "length innermost", "reverse"):
        assert any(word in case for case in native)
    assert [check["precision"] for check in checks if check["operation"] == "detector"] == ["float32", "bfloat16"]


def doubled(original: Callable[..., Any]) -> Callable[..., Any]:
    def forward(*call: Any, **flags: Any) -> Any:
        y, final = original(*call, **flags)
        return 2 * y, final

    return forward


def raising(original: Callable[..., Any]) -> Callable[..., Any]:
    def forward(*call: Any, **flags: Any) -> Any:
        raise RuntimeError("CUDA error: an illegal memory access\nwas encountered")

    return forward


def returning_nan(original: Callable[..., Any]) -> Callable[..., Any]:
    def forward(*call: Any, **flags: Any) -> Any:
        y, final = original(*call, **flags)
        return y * float("nan"), final

    return forward


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "verdict", "message"),
    [
        (doubled, "wrong", "y: error is "),
        (raising, "failed", "RuntimeError: CUDA error: an illegal memory access"),
        (returning_nan, "wrong", "y: error is inf"),
    ],
)
def test_a_back_end_that_is_wrong_is_found(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    fault: Callable[[Callable[..., Any]], Callable[..., Any]],
    verdict: str,
    message: str,
) -> None:
    from seizurekit.ops.causal_conv1d import native

    monkeypatch.setattr(native, "forward", fault(native.forward))
    assert run(monkeypatch, "kernels", "--device", "cpu") == 1
    lines = [line for line in capsys.readouterr().out.splitlines() if " native " in line]
    assert len(lines) == 4
    assert [line for line in lines if verdict.upper() not in line or message not in line] == []


def test_a_required_back_end_that_is_unavailable_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "kernels", "--device", "cpu", "--require", "mamba-ssm,native") == 1
    assert "required, but unavailable or incorrect: mamba-ssm" in capsys.readouterr().out


def test_a_step_with_wrong_gradients_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    step = selftest._training_step

    def off(device: torch.device, precision: torch.dtype) -> dict[str, float]:
        results = step(device, precision)
        if precision == torch.bfloat16:
            results["gradient norm"] *= 1.1
        return results

    monkeypatch.setattr(selftest, "_training_step", off)
    checks = [check for check in selftest.run_kernel_checks(torch.device("cpu")) if check.operation == "detector"]
    assert [check.verdict for check in checks] == ["ok", "wrong"]
    assert checks[1].result == "gradient norm"


def test_a_device_that_this_machine_does_not_have_is_an_error_of_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "kernels", "--device", "cuda:9") == 1
    assert "--device is cuda:9, which this machine does not have" in capsys.readouterr().err
