"""Our causal convolution for an installed mamba-ssm whose causal-conv1d is missing or broken.

If mamba-ssm cannot import causal-conv1d, it uses ``None`` for its functions, and its Mamba2 fails with "'NoneType'
object is not callable". The functions here have the names, arguments and results of causal-conv1d.
"""

from __future__ import annotations

import contextlib
import importlib
import logging
from types import ModuleType

import torch
from torch import Tensor

from seizurekit.errors import BackendError
from seizurekit.ops.causal_conv1d import causal_conv1d
from seizurekit.ops.causal_conv1d.backends import CAUSAL_CONV1D
from seizurekit.ops.causal_conv1d.trial import ConvCase
from seizurekit.ops.dispatch import describe, unusable_reason

_REQUIRED = ("mamba_ssm.ops.triton.ssd_combined", "mamba_ssm.modules.mamba2")
_OPTIONAL = (
    "mamba_ssm.ops.selective_scan_interface",
    "mamba_ssm.modules.mamba2_simple",
    "mamba_ssm.modules.mamba_simple",
    "mamba_ssm.modules.mha",
)

_log = logging.getLogger(__name__)


def serve_mamba_ssm() -> tuple[str, ...]:
    """Replaces the functions of causal-conv1d in mamba-ssm by ours, wherever they are missing or broken.

    Functions that work are kept. A second call changes nothing.

    Returns:
        The full names that were replaced, e.g. ``"mamba_ssm.modules.mamba2.causal_conv1d_fn"``; empty if all work.

    Raises:
        BackendError: mamba-ssm is not installed or fails to import; has the reason.
    """
    _import("mamba_ssm")
    modules = [_import(name) for name in _REQUIRED]
    for name in _OPTIONAL:
        # Mamba-1 needs the extension of mamba-ssm; if that is not built, there is nothing to replace.
        with contextlib.suppress(ImportError):
            modules.append(importlib.import_module(name))
    broken = _broken_reason()
    replaced = []
    for module in modules:
        for name, ours in _FUNCTIONS.items():
            if _needs_replacement(module, name, broken):
                setattr(module, name, ours)
                replaced.append(f"{module.__name__}.{name}")
    if replaced:
        _log.info("mamba-ssm: replaced %d functions of causal-conv1d (%s)", len(replaced), broken or "missing")
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
    """Like ``causal_conv1d.causal_conv1d_fn``, but `seq_idx` must be None."""
    _require_none(seq_idx=seq_idx)
    weight, bias = _with_one_dtype(x, weight, bias)
    y, final = causal_conv1d(x, weight, bias, activation, initial_states, return_final_state=True)
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
    """Like ``causal_conv1d.causal_conv1d_update``, but the last two arguments must be None."""
    _require_none(cache_seqlens=cache_seqlens, conv_state_indices=conv_state_indices)
    weight, bias = _with_one_dtype(x, weight, bias)
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
    """Like ``causal_conv1d.cpp_functions.causal_conv1d_fwd_function``, but `seq_idx` must be None."""
    activation = "silu" if silu_activation else None
    y, _ = causal_conv1d_fn(x, weight, bias, seq_idx, initial_states, True, final_states_out, activation)
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
    """Like ``causal_conv1d.cpp_functions.causal_conv1d_bwd_function``, but `seq_idx` must be None.

    If `dx` is given, the gradient of x is written to it.
    """
    _require_none(seq_idx=seq_idx)
    our_weight, our_bias = _with_one_dtype(x, weight, bias)
    our_dx, dweight, dbias, dinitial = torch.ops.seizurekit.causal_conv1d_backward(
        dout, dfinal_states, x, our_weight, our_bias, initial_states, silu_activation, False, ""
    )
    return (
        our_dx if dx is None else dx.copy_(our_dx),
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
    """Like ``causal_conv1d.cpp_functions.causal_conv1d_update_function``, but the last two arguments must be None."""
    activation = "silu" if silu_activation else None
    return causal_conv1d_update(x, conv_state, weight, bias, activation, cache_seqlens, conv_state_indices)


_FUNCTIONS = {
    function.__name__: function
    for function in (
        causal_conv1d_fn,
        causal_conv1d_update,
        causal_conv1d_fwd_function,
        causal_conv1d_bwd_function,
        causal_conv1d_update_function,
    )
}


def _import(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name == "mamba_ssm":
            raise BackendError("mamba-ssm: not installed (no module mamba_ssm): pip install mamba-ssm") from error
        raise BackendError(f"mamba-ssm: {name} fails to import: {describe(error)}") from error
    except Exception as error:  # importing a damaged package may raise anything
        raise BackendError(f"mamba-ssm: {name} fails to import: {describe(error)}") from error


def _broken_reason() -> str | None:
    """Why causal-conv1d cannot be used on the GPU of this machine; None if it can, or without a GPU."""
    if not torch.cuda.is_available():
        return None
    device = torch.device("cuda", torch.cuda.current_device())
    case = ConvCase(device, torch.float32, torch.float32, 4, True, False, channels_last=True, initial=False)
    return unusable_reason(CAUSAL_CONV1D, "cuda-package", case)


def _needs_replacement(module: ModuleType, name: str, broken: str | None) -> bool:
    """Whether a module uses a function of causal-conv1d that is missing or broken, and not yet ours."""
    if not hasattr(module, name):
        return False
    theirs = getattr(module, name)
    return theirs is None or (broken is not None and theirs is not _FUNCTIONS[name])


def _with_one_dtype(x: Tensor, weight: Tensor, bias: Tensor | None) -> tuple[Tensor, Tensor | None]:
    """Weight and bias with one dtype, x's or float32; causal-conv1d supports any combination."""
    wide = torch.float64 if x.dtype == torch.float64 else torch.float32
    if weight.dtype not in (x.dtype, wide):
        weight = weight.to(wide)
    return weight, None if bias is None else bias.to(weight.dtype)


def _require_none(**arguments: Tensor | None) -> None:
    for name, tensor in arguments.items():
        if tensor is not None:
            raise ValueError(
                f"{name} is a tensor, expected None: the convolution of seizurekit that replaces causal-conv1d in"
                " mamba-ssm does not support it; install causal-conv1d"
            )
