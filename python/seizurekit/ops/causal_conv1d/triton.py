"""The back end ``triton``: launches the kernels in `seizurekit.kernels.causal_conv1d`.

Tile sizes come from a table instead of `triton.autotune`. The order in which gradients of weights are summed depends on
the tiles, and the same call must give the same bits in every run; a CUDA graph cannot be captured while timing; and the
operation is limited by memory bandwidth, so tiles matter little once accesses are wide and registers few. Sizes and
strides are not constants of the kernels, only the largest power of two up to 16 bytes that divides them, so a new
length, batch size or number of channels rarely compiles a kernel.

Every program writes partial sums of the gradients of weight and bias, and a second kernel adds them in order, without
atomics.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import triton
import triton.language as tl
from torch import Tensor

from seizurekit.kernels.causal_conv1d.contract import ConvGradients, ConvInputs, ConvOptions
from seizurekit.kernels.causal_conv1d.layout import channels_last, empty_like_layout
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
    """The part of x that a program computes: `channels` times `groups` of samples (runs or chunks)."""

    channels: int
    groups: int
    warps: int = 4


CHANNELS_LAST_FORWARD = {2: Tile(64, 16), 4: Tile(64, 8), 8: Tile(32, 8)}
CHANNELS_LAST_BACKWARD = {2: Tile(64, 8), 4: Tile(64, 8), 8: Tile(16, 8)}
LENGTH_LAST_FORWARD = {2: Tile(4, 32), 4: Tile(4, 64), 8: Tile(4, 32)}
LENGTH_LAST_BACKWARD = {2: Tile(4, 32), 4: Tile(4, 32), 8: Tile(2, 32)}
"""By element size in bytes. With channels innermost and 2-byte elements, a thread loads rows of 16 bytes forward and of
8 bytes backward: the running sums for 16 bytes would not fit into 128 registers."""

RUN_FORWARD, RUN_BACKWARD = 8, 16
"""Channels innermost: samples of a run, which one thread walks along; three more are loaded per run."""

_TILES_PER_SUM = 4
"""Length innermost, backward: tiles that share one partial sum."""

SUM_PARTS, SUM_CHANNELS = 64, 32
"""Partial sums and channels that a program of the second kernel loads at once."""

_UPDATE_ELEMENTS = 1024
_OPTIONS = {"enable_fp_fusion": True}
"""a * b + c as one instruction; Triton's default differs between versions."""

_OLDEST = (3, 0)


def forward(inputs: ConvInputs, options: ConvOptions) -> tuple[Tensor, Tensor]:
    """y [B, D, L] and the final state [B, D, S]."""
    x_BDL = inputs.x_BDL
    batch, channels, length = x_BDL.shape
    y_BDL = empty_like_layout(x_BDL)
    final_BDS = torch.empty((batch, channels, inputs.states), dtype=x_BDL.dtype, device=x_BDL.device)
    tensors = (*inputs, y_BDL, final_BDS)
    with torch.cuda.device_of(x_BDL):
        if channels_last(x_BDL):
            tile, run = CHANNELS_LAST_FORWARD[x_BDL.element_size()], RUN_FORWARD
            unit = _unit(x_BDL, channels, (x_BDL.stride(0), x_BDL.stride(2)))
            grid = (batch * _parts(length, tile.groups * run) * triton.cdiv(channels, tile.channels),)
            causal_conv1d_fwd_kernel_channels_last[grid](
                *tensors, channels // unit, length, run, x_BDL.stride(0) // unit, x_BDL.stride(2) // unit,
                **_constants(inputs, options, unit), BG=tile.groups, BD=tile.channels, num_warps=tile.warps,
            )  # fmt: skip
        else:
            tile, chunk = LENGTH_LAST_FORWARD[x_BDL.element_size()], chunk_of(x_BDL)
            unit = _unit(x_BDL, length, (x_BDL.stride(0), x_BDL.stride(1)))
            grid = (batch * _parts(length, tile.groups * chunk) * triton.cdiv(channels, tile.channels),)
            causal_conv1d_fwd_kernel_length_last[grid](
                *tensors, channels, length // unit, x_BDL.stride(0) // unit, x_BDL.stride(1) // unit,
                **_constants(inputs, options, unit), BD=tile.channels, BC=tile.groups, V=chunk, num_warps=tile.warps,
            )  # fmt: skip
    return y_BDL, final_BDS


def backward(dy_BDL: Tensor, dfinal_BDS: Tensor | None, inputs: ConvInputs, options: ConvOptions) -> ConvGradients:
    """The gradients of all inputs."""
    x_BDL, weight_DW, bias_D, initial_BDS = inputs
    batch, channels, length = x_BDL.shape
    width, last = weight_DW.shape[1], channels_last(x_BDL)
    dx_BDL = empty_like_layout(x_BDL)
    dweight_DW = torch.empty_like(weight_DW)
    dbias_D = None if bias_D is None else torch.empty_like(bias_D)
    dinitial_BDS = None if initial_BDS is None else torch.empty_like(initial_BDS)
    outer = 2 if last else 1
    outer_strides = (dy_BDL.stride(0), dy_BDL.stride(outer), x_BDL.stride(0), x_BDL.stride(outer))
    unit = _unit(x_BDL, channels if last else length, outer_strides)
    strides = tuple(stride // unit for stride in outer_strides)
    tile = (CHANNELS_LAST_BACKWARD if last else LENGTH_LAST_BACKWARD)[x_BDL.element_size()]
    run = RUN_BACKWARD if last else _TILES_PER_SUM
    parts = batch * _parts(length, tile.groups * run * (1 if last else chunk_of(x_BDL)))
    partial = torch.empty((parts, width + 1, channels), dtype=inputs.sum_dtype, device=x_BDL.device)
    tensors = (dy_BDL, *inputs, dfinal_BDS, dx_BDL, partial, dinitial_BDS)
    grid = (parts * triton.cdiv(channels, tile.channels),)
    constants = _constants(inputs, options, unit)
    with torch.cuda.device_of(x_BDL):
        if last:
            causal_conv1d_bwd_kernel_channels_last[grid](
                *tensors, channels // unit, length, run, *strides,
                **constants, BG=tile.groups, BD=tile.channels, num_warps=tile.warps,
            )  # fmt: skip
        else:
            causal_conv1d_bwd_kernel_length_last[grid](
                *tensors, channels, length // unit, run, *strides,
                **constants, BD=tile.channels, BC=tile.groups, V=chunk_of(x_BDL), num_warps=tile.warps,
            )  # fmt: skip
        causal_conv1d_bwd_sum_kernel[(triton.cdiv(channels, SUM_CHANNELS), width + 1)](
            partial, dweight_DW, dbias_D, parts, channels, W=width, BP=SUM_PARTS, BD=SUM_CHANNELS, **_OPTIONS
        )
    return ConvGradients(dx_BDL, dweight_DW, dbias_D, dinitial_BDS)


def update(inputs: ConvInputs, state_BDN: Tensor, options: ConvOptions) -> Tensor:
    """y [B, D, 1] of one more sample; adds x to the state in place."""
    x_BD1, weight_DW, bias_D, _ = inputs
    batch, channels, columns = state_BDN.shape
    y_BD1 = torch.empty((batch, channels, 1), dtype=x_BD1.dtype, device=x_BD1.device)
    padded = triton.next_power_of_2(columns)
    rows = max(1, min(128, _UPDATE_ELEMENTS // padded))
    with torch.cuda.device_of(x_BD1):
        causal_conv1d_update_kernel[(triton.cdiv(batch * channels, rows),)](
            x_BD1, state_BDN, weight_DW, bias_D, y_BD1, batch * channels, channels, columns,
            x_BD1.stride(0), x_BD1.stride(1),
            W=weight_DW.shape[1], SILU=options.silu, ACC=_sums(inputs), BR=rows, BN=padded, **_OPTIONS,
        )  # fmt: skip
    return y_BD1


def unavailable_reason(device: torch.device) -> str | None:
    """Why Triton cannot run on a device, or None."""
    if tuple(int(part) for part in triton.__version__.split(".")[:2]) < _OLDEST:
        return f"version is {triton.__version__}, expected 3.0 or newer"
    interpreted = type(causal_conv1d_update_kernel) is not triton.JITFunction
    if device.type == "cpu" and not interpreted:
        return "runs on the CPU only in Triton's interpreter (TRITON_INTERPRET=1)"
    if device.type not in ("cpu", "cuda"):
        return f"runs on CUDA devices only, not on {device.type}"
    return None


def unsupported_reason(inputs: ConvInputs, options: ConvOptions) -> str | None:
    """Why Triton cannot compute a call, or None."""
    if inputs.x_BDL.device.type == "cpu" and torch.bfloat16 in (inputs.x_BDL.dtype, inputs.weight_DW.dtype):
        return "Triton's interpreter truncates to bfloat16"
    return None


def chunk_of(x_BDL: Tensor) -> int:
    """Length innermost: samples of a chunk."""
    return 8 if x_BDL.element_size() == 2 else 4


def _constants(inputs: ConvInputs, options: ConvOptions, unit: int) -> dict[str, object]:
    """The arguments that each value of compiles another kernel."""
    return {
        "W": inputs.weight_DW.shape[1],
        "SILU": options.silu,
        "REVERSE": options.reverse,
        "ALIGN": unit,
        "ACC": _sums(inputs),
        **_OPTIONS,
    }


def _parts(length: int, samples: int) -> int:
    return int(triton.cdiv(length, samples))


def _unit(x_BDL: Tensor, inner: int, strides: tuple[int, ...]) -> int:
    """The largest power of two, up to 16 bytes of elements, that divides the inner size and the strides."""
    return math.gcd(16 // x_BDL.element_size(), inner, *strides)


def _sums(inputs: ConvInputs) -> tl.dtype:
    return tl.float64 if inputs.sum_dtype == torch.float64 else tl.float32
