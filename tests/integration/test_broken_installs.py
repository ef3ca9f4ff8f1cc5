"""Every way in which a package of kernels is missing or broken ends in a working model and one clear line.

There is no GPU here: the back ends of CUDA devices are put before the CPU's own, so that they are asked and fail.
"""

from __future__ import annotations

import importlib
import logging
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest
import torch

import seizurekit as sk
from seizurekit.config import ModelConfig
from seizurekit.kernels.causal_conv1d import reference
from seizurekit.ops import causal_conv1d_operator, dispatch, ssd_operator

CONV, SCAN = causal_conv1d_operator.CAUSAL_CONV1D, ssd_operator.SSD_SCAN
MODEL = ModelConfig(widths=(8, 8, 16), layers=1, headdim=4, d_state=8, dropout=0.0)
PACKAGE = "seizurekit.kernels.causal_conv1d.package"


@pytest.fixture(autouse=True)
def _as_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The CPU's back ends are those of a GPU, and nothing is remembered."""
    for module, name, operation in ((causal_conv1d_operator, "CAUSAL_CONV1D", CONV), (ssd_operator, "SSD_SCAN", SCAN)):
        monkeypatch.setattr(module, name, replace(operation, preference={"cpu": operation.preference["cuda"]}))
    before = dict(sys.modules)
    dispatch.forget()
    yield
    dispatch.forget()
    for name in ("causal_conv1d", "causal_conv1d.cpp_functions", PACKAGE):
        sys.modules.pop(name, None)
        if name in before:
            sys.modules[name] = before[name]


def fake_package(monkeypatch: pytest.MonkeyPatch, folder: Path, functions: str, init: str = "") -> None:
    """A causal_conv1d on the path whose functions are as `functions` says, and a GPU for it."""
    (folder / "causal_conv1d").mkdir()
    (folder / "causal_conv1d" / "__init__.py").write_text(f"{init}\n__version__ = '1.6.1'\n")
    (folder / "causal_conv1d" / "cpp_functions.py").write_text(functions)
    monkeypatch.syspath_prepend(folder)
    for name in ("causal_conv1d", "causal_conv1d.cpp_functions", PACKAGE):
        monkeypatch.delitem(sys.modules, name, raising=False)
    if not init:
        monkeypatch.setattr(importlib.import_module(PACKAGE), "why_not", lambda device: None)


def fake_backend(monkeypatch: pytest.MonkeyPatch, name: str, forward: Callable[..., object]) -> None:
    """A back end that claims to work and computes as `forward` does."""
    module = ModuleType(f"fake_{name}")
    for function in ("backward", "update", "why_not", "why_not_call"):
        setattr(module, function, getattr(reference, function))
    module.forward = forward  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    operation = causal_conv1d_operator.CAUSAL_CONV1D
    changed = replace(operation, backends={**operation.backends, name: module.__name__})
    monkeypatch.setattr(causal_conv1d_operator, "CAUSAL_CONV1D", changed)


def loss_and_norm() -> tuple[float, float]:
    torch.manual_seed(0)
    model = sk.models.build(MODEL)
    loss = model(torch.randn(2, 19, 512)).square().mean()
    loss.backward()
    return loss.item(), sum(p.grad.norm().item() for p in model.parameters() if p.grad is not None)


def the_line_about(caplog: pytest.LogCaptureFixture, operation: str) -> str:
    """The model works as on plain torch, and one line tells of the operation's back end."""
    with caplog.at_level(logging.INFO):
        found = loss_and_norm()
    lines = [message for message in caplog.messages if message.startswith(f"{operation} on ")]
    assert len(lines) == 1
    with pytest.MonkeyPatch.context() as plain:
        plain.setenv("SEIZURE_MAMBA_FORCE_FALLBACK", "1")
        assert found == pytest.approx(loss_and_norm(), rel=1e-4)
    return lines[0]


ABSENT = "cuda-package: not installed (no module causal_conv1d)"


def test_causal_conv1d_absent(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setitem(sys.modules, "causal_conv1d", None)
    monkeypatch.delitem(sys.modules, PACKAGE, raising=False)
    line = the_line_about(caplog, "causal_conv1d")
    assert line.startswith("causal_conv1d on cpu: torch (")
    assert ABSENT in line


def test_causal_conv1d_whose_extension_does_not_load(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    undefined = "causal_conv1d_cuda.so: undefined symbol: _ZN3c104cuda9SetDeviceEa"
    fake_package(monkeypatch, tmp_path, "", init=f"raise ImportError({undefined!r})")
    assert f"cuda-package: fails to import: ImportError: {undefined}" in the_line_about(caplog, "causal_conv1d")


def test_causal_conv1d_that_is_none(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    names = ("fwd", "bwd", "update")
    fake_package(monkeypatch, tmp_path, "\n".join(f"causal_conv1d_{name}_function = None" for name in names))
    line = the_line_about(caplog, "causal_conv1d")
    assert "cuda-package: TypeError: 'NoneType' object is not callable" in line


WRONG = """
import torch
def causal_conv1d_fwd_function(x, weight, bias, seq_idx, initial_states, final_states_out, silu):
    return torch.zeros_like(x)
def causal_conv1d_bwd_function(x, weight, bias, dout, *others):
    return torch.zeros_like(x), torch.zeros_like(weight), torch.zeros_like(bias), None
def causal_conv1d_update_function(x, *others):
    return torch.zeros_like(x)
"""


def test_causal_conv1d_with_wrong_numbers(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fake_package(monkeypatch, tmp_path, WRONG)
    assert "cuda-package: wrong numbers: " in the_line_about(caplog, "causal_conv1d")


def test_mamba_ssm_absent(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setitem(sys.modules, "mamba_ssm", None)
    monkeypatch.delitem(sys.modules, "seizurekit.kernels.ssd_scan.package", raising=False)
    line = the_line_about(caplog, "ssd_scan")
    assert line.startswith("ssd_scan on cpu: torch (mamba-ssm: not installed (no module mamba_ssm")


def test_triton_absent(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    for name in [name for name in sys.modules if name == "triton" or name.startswith("triton.")]:
        monkeypatch.delitem(sys.modules, name)
    for name in [name for name in sys.modules if name.startswith("seizurekit.kernels.causal_conv1d.triton")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "triton", None)
    assert "triton: not installed (no module triton)" in the_line_about(caplog, "causal_conv1d")


def does_not_compile(*call: object) -> object:
    raise RuntimeError("PTXAS error: Internal Triton PTX codegen error\n`ptxas` stderr: …")


def without_an_image(*call: object) -> object:
    raise RuntimeError("CUDA error: no kernel image is available for execution on the device")


def of_wrong_numbers(*call: object) -> object:
    y, final = reference.forward(*call)
    return y + 0.01, final


@pytest.mark.parametrize(
    ("name", "forward", "reason"),
    [
        ("triton", does_not_compile, "triton: RuntimeError: PTXAS error: Internal Triton PTX codegen error"),
        ("cuda", without_an_image, "cuda: RuntimeError: CUDA error: no kernel image is available"),
        ("triton", of_wrong_numbers, "triton: wrong numbers: y is off by 0.01"),
    ],
)
def test_a_kernel_that_fails(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    name: str,
    forward: Callable[..., object],
    reason: str,
) -> None:
    fake_backend(monkeypatch, name, forward)
    line = the_line_about(caplog, "causal_conv1d")
    assert line.startswith("causal_conv1d on cpu: torch (")
    assert reason in line


def test_a_kernel_that_works_is_taken_and_the_reason_for_the_ones_before_it_told(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    fake_backend(monkeypatch, "triton", reference.forward)
    assert the_line_about(caplog, "causal_conv1d") == f"causal_conv1d on cpu: triton ({ABSENT})"
