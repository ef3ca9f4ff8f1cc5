"""Runs mamba-ssm's Triton kernels on the CPU, in Triton's interpreter, and compares them with ours.

test_mamba_ssm.py runs it in a process of its own, with the folder that mamba-ssm is installed in. Prints relative
errors as a JSON object.
"""

from __future__ import annotations

import contextlib
import json
import sys
import types
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor


def make_mamba_ssm_importable(folder: Path) -> None:
    """Simulates a machine with a GPU and all requirements of mamba-ssm except its compiled extension."""
    sys.path.insert(0, str(folder))
    package = types.ModuleType("mamba_ssm")  # its own __init__ imports the extension
    package.__path__ = [str(folder / "mamba_ssm")]
    sys.modules["mamba_ssm"] = package
    hub = types.ModuleType("huggingface_hub")
    vars(hub).update(PyTorchModelHubMixin=type("PyTorchModelHubMixin", (), {}))
    sys.modules.setdefault("huggingface_hub", hub)
    vars(torch.cuda).update(
        device=lambda index: contextlib.nullcontext(),
        get_device_properties=lambda device: types.SimpleNamespace(multi_processor_count=4),
    )


def relative_error(result: Tensor, expected: Tensor) -> float:
    result, expected = result.detach().double(), expected.detach().double()
    return float((result - expected).norm() / expected.norm())


def run(model: torch.nn.Module, u: Tensor, dy: Tensor) -> dict[str, Any]:
    leaf = u.clone().requires_grad_()
    y = model(leaf)
    y.backward(dy)
    return {"y": y.detach(), "u": leaf.grad} | {name: p.grad for name, p in model.named_parameters()}


def step_through(model: Any, u: Tensor) -> Tensor:
    states = model.allocate_inference_cache(u.shape[0], u.shape[1])
    return torch.cat([model.step(u[:, t : t + 1], *states)[0] for t in range(u.shape[1])], dim=1)


def compare_modules(errors: dict[str, float]) -> None:
    from mamba_ssm.modules.mamba2 import Mamba2

    import seizurekit as sk

    torch.manual_seed(0)
    u, dy = torch.randn(1, 20, 32), torch.randn(1, 20, 32)
    arguments: dict[str, Any] = {"d_model": 32, "d_state": 16, "headdim": 16, "chunk_size": 16}
    theirs = Mamba2(**arguments)
    with pytest.raises(TypeError, match="'NoneType' object is not callable"):
        theirs(u)
    replaced = sk.ops.serve_mamba_ssm()
    assert "mamba_ssm.ops.triton.ssd_combined.causal_conv1d_fwd_function" in replaced, replaced
    assert sk.ops.serve_mamba_ssm() == ()

    variants: list[dict[str, Any]] = [
        {},
        {"rmsnorm": False, "ngroups": 2},
        {"d_ssm": 32, "norm_before_gate": True},
    ]
    for extra in variants:
        theirs = Mamba2(**arguments, **extra)
        ours = sk.models.Mamba2(**arguments, **extra)
        ours.load_state_dict(theirs.state_dict(), strict=True)
        theirs.load_state_dict(ours.state_dict(), strict=True)
        expected, results = run(theirs, u, dy), run(ours, u, dy)
        for name in expected:
            errors[f"{extra} {name}"] = relative_error(results[name], expected[name])
        errors[f"{extra} step"] = relative_error(step_through(ours, u[:, :4]), expected["y"][:, :4])
    errors["their step with our convolution"] = relative_error(step_through(theirs, u[:, :4]), expected["y"][:, :4])


def compare_back_end(errors: dict[str, float]) -> None:
    """Compares our adapter of mamba-ssm's scan with the reference, in the cases of the self-test on a GPU."""
    from seizurekit.ops.comparison import TOLERANCES
    from seizurekit.ops.ssd_scan import package, trial

    trial.BATCH, trial.LENGTH = 1, 40  # the interpreter is slow; still two chunks and two packed sequences
    for case in trial.cases(torch.device("cpu")):
        if case.dtype == torch.float32 and case.reverse:  # flips, then runs what the causal direction runs
            for comparison in trial.errors_vs_reference(package, case):
                errors[f"{case}: {comparison.name}"] = comparison.ratio * TOLERANCES[case.dtype][0]


if __name__ == "__main__":
    make_mamba_ssm_importable(Path(sys.argv[1]))
    errors: dict[str, float] = {}
    compare_modules(errors)
    compare_back_end(errors)
    print(json.dumps(errors))
