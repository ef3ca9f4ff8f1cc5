"""Our convolution for an installed mamba-ssm whose causal-conv1d is missing or broken.

mamba-ssm puts ``None`` in the place of a causal-conv1d that it cannot import, and its Mamba2 then fails with
"'NoneType' object is not callable". The functions here have causal-conv1d's names, arguments and results.
"""

from __future__ import annotations

import contextlib
import importlib
import logging
from types import ModuleType

import torch
from torch import Tensor

from seizurekit.errors import BackendError
from seizurekit.ops.causal_conv1d import causal_conv1d as convolution
from seizurekit.ops.causal_conv1d_operator import CAUSAL_CONV1D
from seizurekit.ops.causal_conv1d_trial import ConvCase
from seizurekit.ops.dispatch import described, why_not

_NEEDED = ("mamba_ssm.ops.triton.ssd_combined", "mamba_ssm.modules.mamba2")
_OTHERS = (
    "mamba_ssm.ops.selective_scan_interface",
    "mamba_ssm.modules.mamba2_simple",
    "mamba_ssm.modules.mamba_simple",
    "mamba_ssm.modules.mha",
)

_log = logging.getLogger(__name__)


def serve_mamba_ssm() -> tuple[str, ...]:
    """Gives our causal convolution to mamba-ssm, wherever it has none that works.

    A causal-conv1d that works is left alone, and so is what was served before: calling this twice is calling it once.

    Returns:
        The full names that were replaced, e.g. ``"mamba_ssm.modules.mamba2.causal_conv1d_fn"``; empty where nothing
        had to be.

    Raises:
        BackendError: mamba-ssm is not installed, or fails to import; names the reason.
    """
    _imported("mamba_ssm")
    modules = [_imported(name) for name in _NEEDED]
    for name in _OTHERS:
        # Mamba-1 needs mamba-ssm's own extension: where it is not built, there is nothing to serve.
        with contextlib.suppress(ImportError):
            modules.append(importlib.import_module(name))
    broken = _why_package_is_broken()
    replaced = []
    for module in modules:
        for name, ours in _SERVED.items():
            if _is_to_be_replaced(module, name, broken):
                setattr(module, name, ours)
                replaced.append(f"{module.__name__}.{name}")
    if replaced:
        _log.info("mamba-ssm: %d functions of causal-conv1d (%s) replaced by ours", len(replaced), broken or "absent")
    return tuple(replaced)


def causal_conv1d_fn(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    seq_idx: Tensor | None = None,
    initial_states: Tensor | None = None,
    return_final_states: bool = False,
    final_states_out: Tensor | None = None,
    activation: str | None = None,
) -> Tensor | tuple[Tensor, Tensor]:
    """As ``causal_conv1d.causal_conv1d_fn``, but for `seq_idx`, which must be None."""
    _refuse(seq_idx=seq_idx)
    weight, bias = _filter(x, weight, bias)
    y, final = convolution(x, weight, bias, activation, initial_states, return_final_state=True)
    if not return_final_states:
        return y
    return y, final if final_states_out is None else final_states_out.copy_(final)


def causal_conv1d_update(
    x: Tensor,
    conv_state: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    activation: str | None = None,
    cache_seqlens: Tensor | None = None,
    conv_state_indices: Tensor | None = None,
) -> Tensor:
    """As ``causal_conv1d.causal_conv1d_update``, but for the last two arguments, which must be None."""
    _refuse(cache_seqlens=cache_seqlens, conv_state_indices=conv_state_indices)
    weight, bias = _filter(x, weight, bias)
    samples = (x,) if x.ndim == 2 else x.unbind(2)
    silu = activation is not None
    y = [torch.ops.seizurekit.causal_conv1d_update(t, conv_state, weight, bias, silu, "") for t in samples]
    result: Tensor = y[0] if x.ndim == 2 else torch.stack(y, dim=2)
    return result


def causal_conv1d_fwd_function(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    seq_idx: Tensor | None,
    initial_states: Tensor | None,
    final_states_out: Tensor | None,
    silu_activation: bool,
) -> Tensor:
    """As ``causal_conv1d.cpp_functions.causal_conv1d_fwd_function``, but for `seq_idx`."""
    activation = "silu" if silu_activation else None
    found = causal_conv1d_fn(x, weight, bias, seq_idx, initial_states, True, final_states_out, activation)
    y: Tensor = found[0]
    return y


def causal_conv1d_bwd_function(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    dout: Tensor,
    seq_idx: Tensor | None,
    initial_states: Tensor | None,
    dfinal_states: Tensor | None,
    dx: Tensor | None,
    return_dinitial_states: bool,
    silu_activation: bool,
) -> tuple[Tensor, Tensor, Tensor | None, Tensor | None]:
    """As ``causal_conv1d.cpp_functions.causal_conv1d_bwd_function``, but for `seq_idx`; a given `dx` is filled."""
    _refuse(seq_idx=seq_idx)
    taps, offsets = _filter(x, weight, bias)
    found, dweight, dbias, dinitial = torch.ops.seizurekit.causal_conv1d_backward(
        dout, x, taps, offsets, initial_states, dfinal_states, silu_activation, False, ""
    )
    return (
        found if dx is None else dx.copy_(found),
        dweight.to(weight.dtype),
        None if bias is None else dbias.to(bias.dtype),
        dinitial if return_dinitial_states and initial_states is not None else None,
    )


def causal_conv1d_update_function(
    x: Tensor,
    conv_state: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    silu_activation: bool,
    cache_seqlens: Tensor | None,
    conv_state_indices: Tensor | None,
) -> Tensor:
    """As ``causal_conv1d.cpp_functions.causal_conv1d_update_function``, but for the last two arguments."""
    activation = "silu" if silu_activation else None
    return causal_conv1d_update(x, conv_state, weight, bias, activation, cache_seqlens, conv_state_indices)


_SERVED = {
    function.__name__: function
    for function in (
        causal_conv1d_fn,
        causal_conv1d_update,
        causal_conv1d_fwd_function,
        causal_conv1d_bwd_function,
        causal_conv1d_update_function,
    )
}


def _imported(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name == "mamba_ssm":
            raise BackendError("mamba-ssm: not installed (no module mamba_ssm): pip install mamba-ssm") from error
        raise BackendError(f"mamba-ssm: {name} fails to import: {described(error)}") from error
    except Exception as error:  # a broken package may raise anything when imported; all of it becomes the reason
        raise BackendError(f"mamba-ssm: {name} fails to import: {described(error)}") from error


def _why_package_is_broken() -> str | None:
    """Why causal-conv1d, where it could be imported, computes nothing right on this machine's GPU; None otherwise."""
    if not torch.cuda.is_available():
        return None
    device = torch.device("cuda", torch.cuda.current_device())
    plain = ConvCase(device, torch.float32, torch.float32, 4, True, False, channels_last=True, initial=False)
    return why_not(CAUSAL_CONV1D, "cuda-package", plain)


def _is_to_be_replaced(module: ModuleType, name: str, broken: str | None) -> bool:
    """Whether a module uses a function of causal-conv1d that is absent or broken, and not ours already."""
    if not hasattr(module, name):
        return False
    theirs = getattr(module, name)
    return theirs is None or (broken is not None and theirs is not _SERVED[name])


def _filter(x: Tensor, weight: Tensor, bias: Tensor | None) -> tuple[Tensor, Tensor | None]:
    """Taps and bias of one dtype, x's or float32: causal-conv1d takes any of each."""
    wide = torch.float64 if x.dtype == torch.float64 else torch.float32
    if weight.dtype not in (x.dtype, wide):
        weight = weight.to(wide)
    return weight, None if bias is None else bias.to(weight.dtype)


def _refuse(**arguments: Tensor | None) -> None:
    for name, tensor in arguments.items():
        if tensor is not None:
            raise ValueError(
                f"{name}: found a tensor, wanted None: seizurekit's convolution, which serves mamba-ssm, has no support"
                " for it; install causal-conv1d"
            )
