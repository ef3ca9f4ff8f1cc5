from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

import seizurekit as sk
from seizurekit.errors import BackendError

NAMES = ("causal_conv1d_fn", "causal_conv1d_fwd_function", "causal_conv1d_bwd_function")
VERSION = "2.3.2.post1"
TOLERANCE = 1e-5


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Writes a package with the modules of mamba-ssm and the given sources, and puts it on the path."""

    def write(combined: str, mamba2: str = "causal_conv1d_fn = causal_conv1d_update = None", init: str = "") -> None:
        for path, text in {
            "__init__": init,
            "ops/__init__": "",
            "ops/triton/__init__": "",
            "ops/triton/ssd_combined": combined,
            "modules/__init__": "",
            "modules/mamba2": mamba2,
        }.items():
            file = tmp_path / "mamba_ssm" / f"{path}.py"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        monkeypatch.syspath_prepend(tmp_path)

    for name in [name for name in sys.modules if name.partition(".")[0] == "mamba_ssm"]:
        monkeypatch.delitem(sys.modules, name)
    yield write
    for name in [name for name in sys.modules if name.partition(".")[0] == "mamba_ssm"]:
        sys.modules.pop(name)


def test_functions_that_are_none_are_replaced_and_named(install: Callable[..., None]) -> None:
    install("\n".join(f"{name} = None" for name in NAMES))
    replaced = sk.ops.serve_mamba_ssm()
    combined, modules = "mamba_ssm.ops.triton.ssd_combined", "mamba_ssm.modules.mamba2"
    expected = {f"{combined}.{name}" for name in NAMES}
    assert set(replaced) == expected | {f"{modules}.causal_conv1d_fn", f"{modules}.causal_conv1d_update"}
    module = sys.modules[combined]
    assert all(callable(getattr(module, name)) for name in NAMES)


def test_a_second_call_replaces_nothing(install: Callable[..., None]) -> None:
    install("causal_conv1d_fn = None")
    assert sk.ops.serve_mamba_ssm()
    assert sk.ops.serve_mamba_ssm() == ()


def test_a_function_that_works_is_kept(install: Callable[..., None]) -> None:
    install("def causal_conv1d_fn(): return 'theirs'\ncausal_conv1d_fwd_function = None", "")
    assert sk.ops.serve_mamba_ssm() == ("mamba_ssm.ops.triton.ssd_combined.causal_conv1d_fwd_function",)
    assert sys.modules["mamba_ssm.ops.triton.ssd_combined"].causal_conv1d_fn() == "theirs"


def test_a_function_whose_kernels_fail_on_the_gpu_is_replaced(
    install: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    from seizurekit.ops import mamba_ssm

    install("def causal_conv1d_fn(): return 'theirs'", "")
    monkeypatch.setattr(mamba_ssm, "_broken_reason", lambda: "CUDA error: no kernel image")
    assert sk.ops.serve_mamba_ssm() == ("mamba_ssm.ops.triton.ssd_combined.causal_conv1d_fn",)
    assert sk.ops.serve_mamba_ssm() == ()


def test_a_missing_mamba_ssm_is_an_error(install: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mamba_ssm", None)
    with pytest.raises(BackendError, match="mamba-ssm: not installed"):
        sk.ops.serve_mamba_ssm()


def test_a_mamba_ssm_that_fails_to_import_is_an_error_with_the_reason(install: Callable[..., None]) -> None:
    install("", init="raise ImportError('selective_scan_cuda.so: undefined symbol: _ZN3c10')")
    with pytest.raises(BackendError, match=r"fails to import: ImportError: selective_scan_cuda.so: undefined symbol"):
        sk.ops.serve_mamba_ssm()


@pytest.mark.parametrize("length", [1, 9])
@pytest.mark.parametrize("given", [True, False])
def test_the_replacements_have_the_arguments_and_results_of_causal_conv1d(length: int, given: bool) -> None:
    from seizurekit.ops import mamba_ssm as replacements

    torch.manual_seed(0)
    x, dout = (torch.randn(2, length, 6).transpose(1, 2) for _ in range(2))
    weight, bias, initial = torch.randn(6, 4), torch.randn(6) if given else None, torch.randn(2, 6, 3)
    state = initial if given else None
    leaves = [t.clone().requires_grad_() if t is not None else None for t in (x, weight, bias, state)]
    call: dict[str, Any] = dict(zip(("x", "weight", "bias", "initial_state"), leaves, strict=True))
    expected, final = sk.ops.causal_conv1d(**call, activation="silu", return_final_state=True)
    expected.backward(dout)

    final_out = torch.full_like(initial, torch.nan)
    y = replacements.causal_conv1d_fwd_function(x, weight, bias, None, state, final_out, True)
    torch.testing.assert_close((y, final_out), (expected.detach(), final.detach()))
    dx = torch.full((2, length, 6), torch.nan).transpose(1, 2)
    gradients = replacements.causal_conv1d_bwd_function(x, weight, bias, dout, None, state, None, dx, True, True)
    assert gradients[0] is dx
    assert [t is None for t in gradients] == [leaf is None for leaf in leaves]
    for gradient, leaf in zip(gradients, leaves, strict=True):
        if leaf is not None:
            torch.testing.assert_close(gradient, leaf.grad)

    columns = torch.zeros(2, 6, 4)
    columns[:, :, 1:] = initial if given else 0
    stepped = replacements.causal_conv1d_update(x, columns, weight, bias, "silu")
    torch.testing.assert_close(stepped, expected.detach())


def test_packed_sequences_are_rejected() -> None:
    from seizurekit.ops import mamba_ssm as replacements

    with pytest.raises(ValueError, match="seq_idx is a tensor, expected None"):
        replacements.causal_conv1d_fn(
            torch.zeros(1, 8, 4), torch.zeros(8, 4), seq_idx=torch.zeros(1, 4, dtype=torch.int32)
        )


@pytest.fixture(scope="module")
def real_mamba_ssm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the real mamba-ssm, installed without its CUDA extension."""
    for name in ("triton", "einops"):
        if importlib.util.find_spec(name) is None:
            pytest.skip(f"mamba-ssm needs {name}, which is not installed")
    folder = tmp_path_factory.mktemp("mamba-ssm")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-build-isolation", "--no-deps"]
    environment = os.environ | {"MAMBA_FORCE_BUILD": "TRUE", "MAMBA_SKIP_CUDA_BUILD": "TRUE"}
    command = [*pip, "--target", str(folder), f"mamba-ssm=={VERSION}"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"mamba-ssm {VERSION} cannot be installed: {done.stderr.strip().splitlines()[-1]}")
    return folder


@pytest.mark.slow
def test_the_real_mamba_ssm_with_our_convolution_agrees_with_ours(real_mamba_ssm: Path) -> None:
    script = Path(__file__).with_name("mamba_ssm_on_cpu.py")
    environment = os.environ | {"TRITON_INTERPRET": "1", "MAMBA_DETERMINISTIC": "1"}
    command = [sys.executable, str(script), str(real_mamba_ssm)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    errors = json.loads(done.stdout.splitlines()[-1])
    assert len(errors) > 40
    assert {name: error for name, error in errors.items() if not error < TOLERANCE} == {}
