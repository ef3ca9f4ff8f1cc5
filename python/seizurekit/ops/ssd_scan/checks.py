"""Checks of the arguments of the scan and of its step; errors name the argument, its value and the expected one."""

from __future__ import annotations

import torch
from torch import Tensor

_FLOATS = (torch.float32, torch.bfloat16, torch.float16, torch.float64)
_INTEGERS = (torch.int32, torch.int64)


def check_scan(
    x: Tensor,
    dt: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    chunk_size: int | None,
    D: Tensor | None,
    z: Tensor | None,
    dt_bias: Tensor | None,
    initial_states: Tensor | None,
    seq_idx: Tensor | None,
    dt_limit: tuple[float, float],
) -> None:
    """Raises ValueError if an argument does not fit x [B, L, H, P] and B [B, L, G, N]."""
    _check_x(x, "[B, L, H, P]", 4)
    batch, length, heads, channels = x.shape
    states = _check_groups(x, B)
    if chunk_size is not None and chunk_size < 1:
        raise ValueError(f"chunk_size is {chunk_size}, expected 1 or more")
    _check("dt", dt, x, (batch, length, heads))
    _check("C", C, x, tuple(B.shape), (x.dtype,))
    _check_per_head(x, A, D, dt_bias, heads, channels)
    if z is not None:
        _check("z", z, x, tuple(x.shape))
    if initial_states is not None:
        _check("initial_states", initial_states, x, (batch, heads, channels, states))
    if seq_idx is not None:
        _check("seq_idx", seq_idx, x, (batch, length), _INTEGERS)
    _check_limit(dt_limit)


def check_step(
    state: Tensor,
    x: Tensor,
    dt: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None,
    z: Tensor | None,
    dt_bias: Tensor | None,
    dt_limit: tuple[float, float],
) -> None:
    """Raises ValueError if an argument does not fit x [B, H, P] and B [B, G, N]."""
    _check_x(x, "[B, H, P]", 3)
    batch, heads, channels = x.shape
    states = _check_groups(x, B)
    _check("state", state, x, (batch, heads, channels, states))
    _check("dt", dt, x, (batch, heads))
    _check("C", C, x, tuple(B.shape), (x.dtype,))
    _check_per_head(x, A, D, dt_bias, heads, channels)
    if z is not None:
        _check("z", z, x, tuple(x.shape))
    _check_limit(dt_limit)


def _check_x(x: Tensor, expected: str, dimensions: int) -> None:
    if x.ndim != dimensions:
        raise ValueError(f"x: shape is {tuple(x.shape)}, expected {expected}")
    if x.dtype not in _FLOATS:
        raise ValueError(f"x: dtype is {x.dtype}, expected float32, bfloat16, float16 or float64")


def _check_groups(x: Tensor, B: Tensor) -> int:
    """Checks the shape of B against that of x; returns N."""
    leading, heads = tuple(x.shape[:-2]), x.shape[-2]
    if B.ndim != x.ndim or tuple(B.shape[:-2]) != leading:
        sizes = ", ".join(str(size) for size in leading)
        raise ValueError(f"B: shape is {tuple(B.shape)}, expected [{sizes}, G, N]")
    groups = B.shape[-2]
    if groups < 1 or heads % groups:
        raise ValueError(f"B: number of groups is {groups}, expected a divisor of x's {heads} heads")
    _check("B", B, x, tuple(B.shape), (x.dtype,))
    return B.shape[-1]


def _check_per_head(x: Tensor, A: Tensor, D: Tensor | None, dt_bias: Tensor | None, heads: int, channels: int) -> None:
    _check("A", A, x, (heads,))
    if D is not None:
        _check("D", D, x, (heads, channels) if D.ndim == 2 else (heads,))
    if dt_bias is not None:
        _check("dt_bias", dt_bias, x, (heads,))


def _check(
    name: str, tensor: Tensor, x: Tensor, shape: tuple[int, ...], dtypes: tuple[torch.dtype, ...] = _FLOATS
) -> None:
    if tuple(tensor.shape) != shape:
        raise ValueError(f"{name}: shape is {tuple(tensor.shape)}, expected {list(shape)}")
    if tensor.dtype not in dtypes:
        expected = " or ".join(str(dtype).removeprefix("torch.") for dtype in dtypes)
        raise ValueError(f"{name}: dtype is {tensor.dtype}, expected {expected}")
    if tensor.device != x.device:
        raise ValueError(f"{name}: device is {tensor.device}, expected x's device {x.device}")


def _check_limit(dt_limit: tuple[float, float]) -> None:
    if not dt_limit[0] <= dt_limit[1]:
        raise ValueError(f"dt_limit is {tuple(dt_limit)}, expected (smallest dt, largest dt)")
