"""Depthwise convolution, causal or anti-causal, and its single step for streaming.

Source: the local convolution of Mamba (Gu and Dao 2023, section 3.4; Dao and Gu 2024, section 7), as the package
causal-conv1d computes it. Shapes: B batch, D channels, L length, W taps, S = W - 1 samples of state.
"""

from __future__ import annotations

from typing import Literal, overload

import torch
from torch import Tensor

from seizurekit.ops.causal_conv1d import operator as operator  # registers the operators

WIDTHS = (2, 3, 4)
_SILU = ("silu", "swish")


@overload
def causal_conv1d(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    activation: str | None = None,
    initial_state: Tensor | None = None,
    return_final_state: Literal[False] = False,
    reverse: bool = False,
    backend: str | None = None,
) -> Tensor: ...
@overload
def causal_conv1d(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    activation: str | None = None,
    initial_state: Tensor | None = None,
    *,
    return_final_state: Literal[True],
    reverse: bool = False,
    backend: str | None = None,
) -> tuple[Tensor, Tensor]: ...
def causal_conv1d(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    activation: str | None = None,
    initial_state: Tensor | None = None,
    return_final_state: bool = False,
    reverse: bool = False,
    backend: str | None = None,
) -> Tensor | tuple[Tensor, Tensor]:
    """Convolves each channel with its own causal filter, then applies SiLU if requested.

    ``y[b, d, t] = sum over k of weight[d, k] * x[b, d, t - S + k]``, plus bias; samples before the first come from the
    initial state or are 0. Every back end computes this, forward and backward, with sums in float32 (float64 for
    float64).

    Args:
        x: [B, D, L] float32, bfloat16, float16 or float64. With length or channels innermost in memory, even as a slice
            of a wider tensor, nothing is copied; with other strides x is made contiguous first.
        weight: [D, W], W from 2 to 4, x's dtype or float32. The last tap weights the current sample.
        bias: [D], weight's dtype.
        activation: None, ``"silu"`` or ``"swish"`` (the same as silu).
        initial_state: [B, D, S], x's dtype: the samples before the first.
        return_final_state: also return the state that the next piece of the signal starts from.
        reverse: the anti-causal direction: ``causal_conv1d(x.flip(-1), …).flip(-1)``, with the states of the flipped
            signal, but without flipping anything in memory.
        backend: the only back end to use: ``cuda-package``, ``triton``, ``cuda``, ``native`` or ``torch``; None selects
            the first one that works.

    Returns:
        y [B, D, L] with the dtype and layout of x; with `return_final_state` also the final state [B, D, S], the last
        samples of the initial state followed by x.

    Raises:
        ValueError: a shape, dtype or device does not fit; names the argument, its value and the expected one.
        BackendError: `backend` cannot compute this call; has the reason.
    """
    _check_x(x, ("B", "D", "L"))
    _check_filter(x, weight, bias)
    if initial_state is not None:
        _check_like_x("initial_state", initial_state, x, (*x.shape[:2], weight.shape[1] - 1))
    silu = _is_silu(activation)
    y, final = torch.ops.seizurekit.causal_conv1d(x, weight, bias, initial_state, silu, reverse, backend or "")
    return (y, final) if return_final_state else y


def causal_conv1d_update(
    x: Tensor,
    state: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    activation: str | None = None,
    backend: str | None = None,
) -> Tensor:
    """Convolves one more sample of each channel, for streaming; not differentiable.

    Args:
        x: [B, D].
        state: [B, D, N], N >= W - 1, x's dtype: the previous samples, newest last; x is appended in place.
        weight: as for `causal_conv1d`.
        bias: as for `causal_conv1d`.
        activation: as for `causal_conv1d`.
        backend: as for `causal_conv1d`.

    Returns:
        y [B, D], x's dtype.

    Raises:
        ValueError: a shape, dtype or device does not fit.
        BackendError: `backend` cannot compute this call.
    """
    _check_x(x, ("B", "D"))
    _check_filter(x, weight, bias)
    columns = max(state.shape[-1] if state.ndim else 0, weight.shape[1] - 1)
    _check_like_x("state", state, x, (*x.shape, columns))
    y: Tensor = torch.ops.seizurekit.causal_conv1d_update(x, state, weight, bias, _is_silu(activation), backend or "")
    return y


def _check_x(x: Tensor, dimensions: tuple[str, ...]) -> None:
    if x.ndim != len(dimensions):
        raise ValueError(f"x: shape is {tuple(x.shape)}, expected [{', '.join(dimensions)}]")
    if x.dtype not in (torch.float32, torch.bfloat16, torch.float16, torch.float64):
        raise ValueError(f"x: dtype is {x.dtype}, expected float32, bfloat16, float16 or float64")


def _check_filter(x: Tensor, weight: Tensor, bias: Tensor | None) -> None:
    if weight.ndim != 2 or weight.shape[0] != x.shape[1] or weight.shape[1] not in WIDTHS:
        raise ValueError(f"weight: shape is {tuple(weight.shape)}, expected [{x.shape[1]}, W] with W 2, 3 or 4")
    wide = torch.float64 if x.dtype == torch.float64 else torch.float32
    if weight.dtype not in (x.dtype, wide):
        raise ValueError(f"weight: dtype is {weight.dtype}, expected x's {x.dtype} or {wide}")
    _check_device("weight", weight, x)
    if bias is None:
        return
    if bias.shape != x.shape[1:2]:
        raise ValueError(f"bias: shape is {tuple(bias.shape)}, expected [{x.shape[1]}]")
    if bias.dtype != weight.dtype:
        raise ValueError(f"bias: dtype is {bias.dtype}, expected weight's {weight.dtype}")
    _check_device("bias", bias, x)


def _check_like_x(name: str, tensor: Tensor, x: Tensor, shape: tuple[int, ...]) -> None:
    if tuple(tensor.shape) != shape:
        raise ValueError(f"{name}: shape is {tuple(tensor.shape)}, expected {list(shape)}")
    if tensor.dtype != x.dtype:
        raise ValueError(f"{name}: dtype is {tensor.dtype}, expected x's {x.dtype}")
    _check_device(name, tensor, x)


def _check_device(name: str, tensor: Tensor, x: Tensor) -> None:
    if tensor.device != x.device:
        raise ValueError(f"{name}: device is {tensor.device}, expected x's device {x.device}")


def _is_silu(activation: str | None) -> bool:
    if activation is not None and activation not in _SILU:
        raise ValueError(f"activation is {activation!r}, expected None, 'silu' or 'swish'")
    return activation is not None
