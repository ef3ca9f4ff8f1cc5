"""Every way in which a package of kernels is missing or broken ends with a working model and one clear log line.

There is no GPU here: the back ends of CUDA devices are made candidates on the CPU, so that they are tried and fail.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

import seizurekit as sk
from seizurekit.config import ModelConfig
from seizurekit.kernels.causal_conv1d import reference
from seizurekit.kernels.causal_conv1d.contract import ConvInputs, ConvOptions
from seizurekit.ops import dispatch
from seizurekit.ops.causal_conv1d import operator as conv_operator
from seizurekit.ops.causal_conv1d.backends import CAUSAL_CONV1D
from seizurekit.ops.dispatch import Operation
from seizurekit.ops.ssd_scan import operator as scan_operator
from seizurekit.ops.ssd_scan.backends import SSD_SCAN

MODEL = ModelConfig(widths=(8, 8, 16), layers=1, headdim=4, d_state=8, dropout=0.0)
BACKENDS = "seizurekit.ops.causal_conv1d"


def as_on_a_gpu(operation: Operation[Any, Any]) -> Operation[Any, Any]:
    """The operation with the back ends of CUDA devices as candidates on the CPU."""
    chosen = [entry for entry in operation.backends if entry.devices is None or "cuda" in entry.devices]
    return replace(operation, backends=tuple(replace(entry, devices=("cpu",)) for entry in chosen))


@pytest.fixture(autouse=True)
def _gpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(conv_operator, "CAUSAL_CONV1D", as_on_a_gpu(CAUSAL_CONV1D))
    monkeypatch.setattr(scan_operator, "SSD_SCAN", as_on_a_gpu(SSD_SCAN))
    dispatch.reset_cache()
    yield
    dispatch.reset_cache()


def unload(monkeypatch: pytest.MonkeyPatch, module: str) -> None:
    """Makes the next import of a module run it again; what that import adds is removed after the test."""
    parent, _, name = module.rpartition(".")
    monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.delitem(sys.modules, module)
    if parent in sys.modules:
        monkeypatch.setattr(sys.modules[parent], name, None, raising=False)
        monkeypatch.delattr(sys.modules[parent], name)


def uninstall(monkeypatch: pytest.MonkeyPatch, package: str, *dependents: str) -> None:
    """Makes the import of a package fail, also for our modules that import it."""
    for name in [name for name in sys.modules if name.split(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    for module in dependents:
        unload(monkeypatch, module)
    monkeypatch.setitem(sys.modules, package, None)


def install_causal_conv1d(monkeypatch: pytest.MonkeyPatch, folder: Path, functions: str, init: str = "") -> None:
    """Installs a causal_conv1d with these functions, as if on a machine with a GPU."""
    uninstall(monkeypatch, "causal_conv1d", f"{BACKENDS}.package")
    (folder / "causal_conv1d").mkdir()
    (folder / "causal_conv1d" / "__init__.py").write_text(f"{init}\n__version__ = '1.6.1'\n")
    (folder / "causal_conv1d" / "cpp_functions.py").write_text(functions)
    monkeypatch.syspath_prepend(folder)
    for module in ("causal_conv1d", "causal_conv1d.cpp_functions"):
        unload(monkeypatch, module)
    if not init:
        from seizurekit.ops.causal_conv1d import package

        monkeypatch.setattr(package, "unavailable_reason", lambda device: None)


def replace_backend(monkeypatch: pytest.MonkeyPatch, name: str, forward: Callable[..., object]) -> None:
    """Makes a back end available that computes what `forward` does."""
    module = ModuleType(f"fake_{name}")
    for function in ("backward", "update", "unavailable_reason", "unsupported_reason"):
        setattr(module, function, getattr(reference, function))
    vars(module).update(forward=forward)
    operation = as_on_a_gpu(CAUSAL_CONV1D)
    entries = (replace(entry, load=lambda: module) if entry.name == name else entry for entry in operation.backends)
    monkeypatch.setattr(conv_operator, "CAUSAL_CONV1D", replace(operation, backends=tuple(entries)))


def loss_and_norm() -> tuple[float, float]:
    torch.manual_seed(0)
    model = sk.models.build(MODEL)
    loss = model(torch.randn(2, 19, 512)).square().mean()
    loss.backward()
    return loss.item(), sum(p.grad.norm().item() for p in model.parameters() if p.grad is not None)


@pytest.fixture(scope="module")
def expected() -> tuple[float, float]:
    """Loss and gradient norm in plain torch."""
    with pytest.MonkeyPatch.context() as forced:
        forced.setenv("SEIZURE_MAMBA_FORCE_FALLBACK", "1")
        return loss_and_norm()


@pytest.fixture
def log_line(caplog: pytest.LogCaptureFixture, expected: tuple[float, float]) -> Callable[[str], str]:
    """Checks that the model computes the same as plain torch; returns the one log line about an operation."""

    def run(operation: str) -> str:
        with caplog.at_level(logging.INFO):
            assert loss_and_norm() == pytest.approx(expected, rel=1e-4)
        (line,) = (message for message in caplog.messages if message.startswith(f"{operation} on "))
        return line

    return run


MISSING = "cuda-package: not installed (no module causal_conv1d)"
LogLine = Callable[[str], str]


def test_causal_conv1d_is_missing(monkeypatch: pytest.MonkeyPatch, log_line: LogLine) -> None:
    uninstall(monkeypatch, "causal_conv1d", f"{BACKENDS}.package")
    line = log_line("causal_conv1d")
    assert line.startswith("causal_conv1d on cpu: torch (")
    assert MISSING in line


def test_the_extension_of_causal_conv1d_does_not_load(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, log_line: LogLine
) -> None:
    undefined = "causal_conv1d_cuda.so: undefined symbol: _ZN3c104cuda9SetDeviceEa"
    install_causal_conv1d(monkeypatch, tmp_path, "", init=f"raise ImportError({undefined!r})")
    assert f"cuda-package: fails to import: ImportError: {undefined}" in log_line("causal_conv1d")


def test_the_functions_of_causal_conv1d_are_none(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, log_line: LogLine
) -> None:
    functions = [f"causal_conv1d_{name}_function = None" for name in ("fwd", "bwd", "update")]
    install_causal_conv1d(monkeypatch, tmp_path, "\n".join(functions))
    assert "cuda-package: TypeError: 'NoneType' object is not callable" in log_line("causal_conv1d")


WRONG = """
import torch
def causal_conv1d_fwd_function(x, weight, bias, seq_idx, initial_states, final_states_out, silu):
    return torch.zeros_like(x)
def causal_conv1d_bwd_function(x, weight, bias, dout, *others):
    return torch.zeros_like(x), torch.zeros_like(weight), torch.zeros_like(bias), None
def causal_conv1d_update_function(x, *others):
    return torch.zeros_like(x)
"""


def test_causal_conv1d_computes_wrong_results(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, log_line: LogLine
) -> None:
    install_causal_conv1d(monkeypatch, tmp_path, WRONG)
    assert "cuda-package: wrong results: " in log_line("causal_conv1d")


def test_mamba_ssm_is_missing(monkeypatch: pytest.MonkeyPatch, log_line: LogLine) -> None:
    uninstall(monkeypatch, "mamba_ssm", "seizurekit.ops.ssd_scan.package")
    line = log_line("ssd_scan")
    assert line.startswith("ssd_scan on cpu: torch (mamba-ssm: not installed (no module mamba_ssm")


def test_triton_is_missing(monkeypatch: pytest.MonkeyPatch, log_line: LogLine) -> None:
    kernels = [name for name in sys.modules if name.startswith("seizurekit.kernels.causal_conv1d.triton")]
    uninstall(monkeypatch, "triton", f"{BACKENDS}.triton", *kernels)
    assert "triton: not installed (no module triton)" in log_line("causal_conv1d")


def fail_to_compile(*call: object) -> object:
    raise RuntimeError("PTXAS error: Internal Triton PTX codegen error\n`ptxas` stderr: …")


def fail_without_an_image(*call: object) -> object:
    raise RuntimeError("CUDA error: no kernel image is available for execution on the device")


def compute_wrong_results(inputs: ConvInputs, options: ConvOptions) -> object:
    y, final = reference.forward(inputs, options)
    return y + 0.01, final


@pytest.mark.parametrize(
    ("name", "forward", "reason"),
    [
        ("triton", fail_to_compile, "triton: RuntimeError: PTXAS error: Internal Triton PTX codegen error"),
        ("cuda", fail_without_an_image, "cuda: RuntimeError: CUDA error: no kernel image is available"),
        ("triton", compute_wrong_results, "triton: wrong results: y: error is 0.01"),
    ],
)
def test_a_kernel_fails(
    monkeypatch: pytest.MonkeyPatch, log_line: LogLine, name: str, forward: Callable[..., object], reason: str
) -> None:
    replace_backend(monkeypatch, name, forward)
    line = log_line("causal_conv1d")
    assert line.startswith("causal_conv1d on cpu: torch (")
    assert reason in line


def test_a_kernel_that_works_is_selected_and_the_line_has_the_reason_for_the_skipped_one(
    monkeypatch: pytest.MonkeyPatch, log_line: LogLine
) -> None:
    replace_backend(monkeypatch, "triton", reference.forward)
    assert log_line("causal_conv1d") == f"causal_conv1d on cpu: triton ({MISSING})"
