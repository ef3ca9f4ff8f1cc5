"""Run by test_mamba_ssm.py in a process of its own: mamba-ssm's Triton kernels on the CPU, in Triton's interpreter.

Arguments: the folder that mamba-ssm was installed into; ``modules`` or ``scan``, what to compare.
Prints one JSON object of differences.
"""

from __future__ import annotations

import contextlib
import json
import sys
import types
from pathlib import Path

import pytest
import torch
from torch import Tensor


def put_mamba_ssm_in_place(folder: Path) -> None:
    """As if on a machine with a GPU and all of mamba-ssm's requirements, but without its compiled extension."""
    sys.path.insert(0, str(folder))
    package = types.ModuleType("mamba_ssm")  # its own __init__ imports the extension
    package.__path__ = [str(folder / "mamba_ssm")]
    sys.modules["mamba_ssm"] = package
    hub = types.ModuleType("huggingface_hub")
    hub.PyTorchModelHubMixin = type("PyTorchModelHubMixin", (), {})
    sys.modules.setdefault("huggingface_hub", hub)
    torch.cuda.device = lambda index: contextlib.nullcontext()
    torch.cuda.get_device_properties = lambda device: types.SimpleNamespace(multi_processor_count=4)


def apart(found: Tensor, wanted: Tensor) -> float:
    found, wanted = found.detach().double(), wanted.detach().double()
    return float((found - wanted).norm() / wanted.norm())


def run(model: torch.nn.Module, u: Tensor, dy: Tensor) -> dict[str, Tensor]:
    leaf = u.clone().requires_grad_()
    y = model(leaf)
    y.backward(dy)
    return {"y": y.detach(), "u": leaf.grad} | {name: p.grad for name, p in model.named_parameters()}


def step_through(model: torch.nn.Module, u: Tensor) -> Tensor:
    states = model.allocate_inference_cache(u.shape[0], u.shape[1])
    return torch.cat([model.step(u[:, t : t + 1], *states)[0] for t in range(u.shape[1])], dim=1)


def compare_modules(differences: dict[str, float]) -> None:
    from mamba_ssm.modules.mamba2 import Mamba2

    import seizurekit as sk

    torch.manual_seed(0)
    u, dy = torch.randn(1, 40, 32), torch.randn(1, 40, 32)
    arguments = {"d_model": 32, "d_state": 16, "headdim": 8, "chunk_size": 32}
    theirs = Mamba2(**arguments)
    with pytest.raises(TypeError, match="'NoneType' object is not callable"):
        theirs(u)
    replaced = sk.ops.serve_mamba_ssm()
    assert "mamba_ssm.ops.triton.ssd_combined.causal_conv1d_fwd_function" in replaced, replaced
    assert sk.ops.serve_mamba_ssm() == ()

    for extra in ({}, {"rmsnorm": False, "ngroups": 2}, {"d_ssm": 32, "norm_before_gate": True}):
        theirs = Mamba2(**arguments, **extra)
        ours = sk.models.Mamba2(**arguments, **extra)
        ours.load_state_dict(theirs.state_dict(), strict=True)
        theirs.load_state_dict(ours.state_dict(), strict=True)
        wanted, found = run(theirs, u, dy), run(ours, u, dy)
        for name in wanted:
            differences[f"{extra} {name}"] = apart(found[name], wanted[name])
        differences[f"{extra} step"] = apart(step_through(ours, u[:, :8]), wanted["y"][:, :8])
    differences["their step, served"] = apart(step_through(theirs, u[:, :8]), wanted["y"][:, :8])


def compare_back_end(differences: dict[str, float]) -> None:
    """The adapter of mamba-ssm's scan against the reference, in the cases that the self-test runs on a GPU."""
    from seizurekit.kernels.ssd_scan import package
    from seizurekit.ops import ssd_trial
    from seizurekit.ops.deviation import TOLERANCES

    # Its adapter reads the dtypes and flags of a case alone, so that a case of the CPU is as good as one of a GPU.
    for case in ssd_trial.cases(torch.device("cpu")):
        if case.dtype == torch.float32 and case.reverse:  # which runs what forwards does, and flips
            for deviation in ssd_trial.deviations(package, case):
                differences[f"{case}: {deviation.name}"] = deviation.share * TOLERANCES[case.dtype][0]


if __name__ == "__main__":
    put_mamba_ssm_in_place(Path(sys.argv[1]))
    found: dict[str, float] = {}
    {"modules": compare_modules, "scan": compare_back_end}[sys.argv[2]](found)
    print(json.dumps(found))
