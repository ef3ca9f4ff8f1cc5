"""The causal convolution in Triton: the back end ``triton``.

The tiles are a table, not `triton.autotune`'s choice: the order in which the weights' gradients are added depends on
the tiles, and the same call must give the same bits in every run; nothing can be timed while a CUDA graph is captured;
and the operation is bound by memory, so that tiles matter little once accesses are wide and registers few. Sizes and
strides are no constants of the kernels, only the largest power of two up to 16 bytes that divides them: hardly any new
length, batch or number of channels compiles anything.

The gradients of weight and bias are sums of parts, one a program, that a second kernel adds in their order: no atomics.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import triton
import triton.language as tl
from torch import Tensor

from seizurekit.kernels.causal_conv1d.reference import channels_last, empty_like_layout
from seizurekit.kernels.causal_conv1d.triton_channels_last import (
    causal_conv1d_bwd_kernel_channels_last,
    causal_conv1d_fwd_kernel_channels_last,
)
from seizurekit.kernels.causal_conv1d.triton_length_last import (
    causal_conv1d_bwd_kernel_length_last,
    causal_conv1d_fwd_kernel_length_last,
)
from seizurekit.kernels.causal_conv1d.triton_states import causal_conv1d_bwd_sum_kernel, causal_conv1d_update_kernel


@dataclass(frozen=True)
class Tile:
    """What a program takes at once: `channels` times `groups` of samples (runs or chunks), by `warps` warps."""

    channels: int
    groups: int
    warps: int = 4


CHANNELS_LAST_FORWARD = {2: Tile(64, 16), 4: Tile(64, 8), 8: Tile(32, 8)}
CHANNELS_LAST_BACKWARD = {2: Tile(64, 8), 4: Tile(64, 8), 8: Tile(16, 8)}
LENGTH_LAST_FORWARD = {2: Tile(4, 32), 4: Tile(4, 64), 8: Tile(4, 32)}
LENGTH_LAST_BACKWARD = {2: Tile(4, 32), 4: Tile(4, 32), 8: Tile(2, 32)}
"""By the size of an element in bytes. With channels innermost and elements of 2 bytes, a thread's part of the forward
tile is a row of 16 bytes, of the backward tile one of 8: the running sums for 16 would not fit into 128 registers."""

RUN_FORWARD, RUN_BACKWARD = 8, 16
"""Channels innermost: samples that a thread walks along; three more are loaded a run."""

_TILES_A_PART = 4
"""Length innermost, backward: tiles whose sums make one part."""

SUM_PARTS, SUM_CHANNELS = 64, 32
"""What the second kernel of the weights' gradients adds at once."""

_UPDATE_ELEMENTS = 1024
_OPTIONS = {"enable_fp_fusion": True}
"""a * b + c in one instruction: Triton's own default is about to change."""

_OLDEST = (3, 0)


def forward(
    x_BDL: Tensor, weight_DW: Tensor, bias_D: Tensor | None, initial_BDS: Tensor | None, silu: bool, reverse: bool
) -> tuple[Tensor, Tensor]:
    """See `seizurekit.kernels.causal_conv1d.reference.forward`."""
    batch, channels, length = x_BDL.shape
    width = weight_DW.shape[1]
    y_BDL = empty_like_layout(x_BDL)
    if not x_BDL.numel():
        final = torch.zeros((batch, channels, width - 1), dtype=x_BDL.dtype, device=x_BDL.device)
        return y_BDL, final if initial_BDS is None else final.copy_(initial_BDS)
    final_BDS = torch.empty((batch, channels, width - 1), dtype=x_BDL.dtype, device=x_BDL.device)
    tensors = (x_BDL, weight_DW, bias_D, initial_BDS, y_BDL, final_BDS)
    with torch.cuda.device_of(x_BDL):
        if channels_last(x_BDL):
            tile, run = CHANNELS_LAST_FORWARD[x_BDL.element_size()], RUN_FORWARD
            unit = _unit(x_BDL, channels, (x_BDL.stride(0), x_BDL.stride(2)))
            grid = (batch * _parts(length, tile.groups * run) * triton.cdiv(channels, tile.channels),)
            causal_conv1d_fwd_kernel_channels_last[grid](
                *tensors, channels // unit, length, run, x_BDL.stride(0) // unit, x_BDL.stride(2) // unit,
                W=width, SILU=silu, REVERSE=reverse, ALIGN=unit, ACC=_sums(x_BDL),
                BG=tile.groups, BD=tile.channels, num_warps=tile.warps, **_OPTIONS,
            )  # fmt: skip
        else:
            tile, chunk = LENGTH_LAST_FORWARD[x_BDL.element_size()], chunk_of(x_BDL)
            unit = _unit(x_BDL, length, (x_BDL.stride(0), x_BDL.stride(1)))
            grid = (batch * _parts(length, tile.groups * chunk) * triton.cdiv(channels, tile.channels),)
            causal_conv1d_fwd_kernel_length_last[grid](
                *tensors, channels, length // unit, x_BDL.stride(0) // unit, x_BDL.stride(1) // unit,
                W=width, SILU=silu, REVERSE=reverse, ALIGN=unit, ACC=_sums(x_BDL),
                BD=tile.channels, BC=tile.groups, V=chunk, num_warps=tile.warps, **_OPTIONS,
            )  # fmt: skip
    return y_BDL, final_BDS


def backward(
    dy_BDL: Tensor,
    x_BDL: Tensor,
    weight_DW: Tensor,
    bias_D: Tensor | None,
    initial_BDS: Tensor | None,
    dfinal_BDS: Tensor | None,
    silu: bool,
    reverse: bool,
    deterministic: bool,
) -> tuple[Tensor, Tensor, Tensor | None, Tensor | None]:
    """See `seizurekit.kernels.causal_conv1d.reference.backward`; always deterministic."""
    batch, channels, length = x_BDL.shape
    width = weight_DW.shape[1]
    if not x_BDL.numel():
        return _gradients_of_nothing(x_BDL, weight_DW, bias_D, initial_BDS, dfinal_BDS)
    last = channels_last(x_BDL)
    if dy_BDL.stride(1 if last else 2) != 1:
        dy_BDL = empty_like_layout(x_BDL).copy_(dy_BDL)
    dfinal_BDS = None if dfinal_BDS is None else dfinal_BDS.contiguous()
    dx_BDL = empty_like_layout(x_BDL)
    dweight_DW = torch.empty_like(weight_DW)
    dbias_D = None if bias_D is None else torch.empty_like(bias_D)
    dinitial_BDS = None if initial_BDS is None else torch.empty_like(initial_BDS)
    outer = 2 if last else 1
    outer_strides = (dy_BDL.stride(0), dy_BDL.stride(outer), x_BDL.stride(0), x_BDL.stride(outer))
    unit = _unit(x_BDL, channels if last else length, outer_strides)
    strides = tuple(stride // unit for stride in outer_strides)
    tile = (CHANNELS_LAST_BACKWARD if last else LENGTH_LAST_BACKWARD)[x_BDL.element_size()]
    run = RUN_BACKWARD if last else _TILES_A_PART
    parts = batch * _parts(length, tile.groups * run * (1 if last else chunk_of(x_BDL)))
    sums = torch.float64 if x_BDL.dtype == torch.float64 else torch.float32
    partial = torch.empty((parts, width + 1, channels), dtype=sums, device=x_BDL.device)
    tensors = (dy_BDL, x_BDL, weight_DW, bias_D, initial_BDS, dfinal_BDS, dx_BDL, partial, dinitial_BDS)
    grid = (parts * triton.cdiv(channels, tile.channels),)
    flags = {"W": width, "SILU": silu, "REVERSE": reverse, "ALIGN": unit, "ACC": _sums(x_BDL)}
    with torch.cuda.device_of(x_BDL):
        if last:
            causal_conv1d_bwd_kernel_channels_last[grid](
                *tensors, channels // unit, length, run, *strides, **flags,
                BG=tile.groups, BD=tile.channels, num_warps=tile.warps, **_OPTIONS,
            )  # fmt: skip
        else:
            causal_conv1d_bwd_kernel_length_last[grid](
                *tensors, channels, length // unit, run, *strides, **flags,
                BD=tile.channels, BC=tile.groups, V=chunk_of(x_BDL), num_warps=tile.warps, **_OPTIONS,
            )  # fmt: skip
        causal_conv1d_bwd_sum_kernel[(triton.cdiv(channels, SUM_CHANNELS), width + 1)](
            partial, dweight_DW, dbias_D, parts, channels, W=width, BP=SUM_PARTS, BD=SUM_CHANNELS, **_OPTIONS
        )
    return dx_BDL, dweight_DW, dbias_D, dinitial_BDS


def update(x_BD: Tensor, state_BDN: Tensor, weight_DW: Tensor, bias_D: Tensor | None, silu: bool) -> Tensor:
    """See `seizurekit.kernels.causal_conv1d.reference.update`."""
    batch, channels, columns = state_BDN.shape
    y_BD = torch.empty((batch, channels), dtype=x_BD.dtype, device=x_BD.device)
    if not x_BD.numel():
        return y_BD
    padded = triton.next_power_of_2(columns)
    rows = max(1, min(128, _UPDATE_ELEMENTS // padded))
    tight = state_BDN.contiguous()
    with torch.cuda.device_of(x_BD):
        causal_conv1d_update_kernel[(triton.cdiv(batch * channels, rows),)](
            x_BD, tight, weight_DW, bias_D, y_BD, batch * channels, channels, columns, x_BD.stride(0), x_BD.stride(1),
            W=weight_DW.shape[1], SILU=silu, ACC=_sums(x_BD), BR=rows, BN=padded, **_OPTIONS,
        )  # fmt: skip
    if tight is not state_BDN:
        state_BDN.copy_(tight)
    return y_BD


def why_not(device: torch.device) -> str | None:
    """Why Triton cannot serve on the device; None where it can."""
    if tuple(int(part) for part in triton.__version__.split(".")[:2]) < _OLDEST:
        return f"version {triton.__version__} is installed, 3.0 or newer is wanted"
    interpreted = type(causal_conv1d_update_kernel) is not triton.JITFunction
    if device.type == "cpu" and not interpreted:
        return "runs on the CPU in Triton's interpreter only (TRITON_INTERPRET=1)"
    if device.type not in ("cpu", "cuda"):
        return f"runs on CUDA devices only, not on {device.type}"
    return None


def why_not_call(x_BDL: Tensor, weight_DW: Tensor, initial_BDS: Tensor | None, reverse: bool) -> str | None:
    """Why these arguments are not for Triton; None where they are."""
    if x_BDL.device.type == "cpu" and torch.bfloat16 in (x_BDL.dtype, weight_DW.dtype):
        return "Triton's interpreter truncates to bfloat16"
    return None


def chunk_of(x_BDL: Tensor) -> int:
    """Length innermost: samples of a thread's chunk."""
    return 8 if x_BDL.element_size() == 2 else 4


def _parts(length: int, samples: int) -> int:
    return int(triton.cdiv(length, samples))


def _unit(x_BDL: Tensor, inner: int, strides: tuple[int, ...]) -> int:
    """The most elements, up to 16 bytes, of which the innermost dimension and the strides are multiples."""
    return math.gcd(16 // x_BDL.element_size(), inner, *strides)


def _sums(x: Tensor) -> tl.dtype:
    return tl.float64 if x.dtype == torch.float64 else tl.float32


def _gradients_of_nothing(
    x_BDL: Tensor, weight_DW: Tensor, bias_D: Tensor | None, initial_BDS: Tensor | None, dfinal_BDS: Tensor | None
) -> tuple[Tensor, Tensor, Tensor | None, Tensor | None]:
    """The gradients where x has no element: the final state is the initial one."""
    dbias = None if bias_D is None else torch.zeros_like(bias_D)
    dinitial = None
    if initial_BDS is not None:
        dinitial = torch.zeros_like(initial_BDS) if dfinal_BDS is None else dfinal_BDS.clone()
    return empty_like_layout(x_BDL), torch.zeros_like(weight_DW), dbias, dinitial
