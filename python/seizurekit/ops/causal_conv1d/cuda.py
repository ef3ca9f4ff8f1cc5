"""The back end ``cuda``: launches the CUDA C++ kernels in `seizurekit.kernels.causal_conv1d`.

cuda_kernels.cuh lists the kernels. A thread computes tiles of one or a few neighboring channels; an access moves 16
bytes where layout and addresses allow it. Gradients are summed in an order that depends on the shapes only, so they are
the same in every run.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from seizurekit.kernels.causal_conv1d.contract import ConvGradients, ConvInputs, ConvOptions
from seizurekit.kernels.causal_conv1d.layout import channels_last, empty_like_layout
from seizurekit.ops.causal_conv1d.cuda_arguments import Arguments, Strides
from seizurekit.ops.causal_conv1d.cuda_driver import Driver, driver

THREADS = 128
_LONGEST = 2**30
_MAX_SPLITS = 64
"""Backward: partial sums per group of channels, at most."""
_RUN = 64
"""Channels innermost: samples of a tile."""
_SUM_CHANNELS = 32
_DTYPES = {torch.float32: "float32", torch.bfloat16: "bfloat16", torch.float16: "float16"}


@dataclass(frozen=True)
class Kernel:
    """One kernel of cuda_kernels.cuh.

    Attributes:
        name: its name.
        channels: channels of a tile, which one thread computes.
        run: samples of a tile.
        channel_lanes: neighboring threads that compute neighboring channels.
    """

    name: str
    channels: int
    run: int
    channel_lanes: int


def kernel_for(operation: str, x_BDL: Tensor, *others: Tensor) -> Kernel:
    """The kernel for tensors with x's layout: with wide accesses if sizes, strides and addresses allow."""
    dtype, size = _DTYPES[x_BDL.dtype], x_BDL.element_size()
    if channels_last(x_BDL):
        wide = 4 if size == 4 or operation == "backward" else 8
        aligned = _is_aligned(x_BDL.shape[1], wide, 2, (x_BDL, *others))
        channels = wide if aligned else 1
        lanes = min(32, _next_power_of_2(x_BDL.shape[1] / channels))
        return Kernel(f"{operation}_{dtype}_channels_{'vector' if aligned else 'scalar'}", channels, _RUN, lanes)
    wide = 16 // size
    aligned = _is_aligned(x_BDL.shape[2], wide, 1, (x_BDL, *others))
    run = 2 * wide if aligned else 4
    return Kernel(f"{operation}_{dtype}_rows_{'vector' if aligned else 'scalar'}", 1, run, 1)


def forward(inputs: ConvInputs, options: ConvOptions) -> tuple[Tensor, Tensor]:
    """y [B, D, L] and the final state [B, D, S]."""
    x_BDL = inputs.x_BDL
    y_BDL = empty_like_layout(x_BDL)
    final_BDS = x_BDL.new_empty((*x_BDL.shape[:2], inputs.states))
    initial = _in_layout(inputs.initial_BDS, x_BDL)
    arguments = _arguments(inputs, initial, options)
    arguments.out, arguments.out_strides = _address_and_strides(y_BDL)
    arguments.states = final_BDS.data_ptr()
    _launch_tiles(kernel_for("forward", x_BDL, y_BDL), arguments, x_BDL, max_splits=None)
    return y_BDL, final_BDS


def backward(dy_BDL: Tensor, dfinal_BDS: Tensor | None, inputs: ConvInputs, options: ConvOptions) -> ConvGradients:
    """The gradients of all inputs."""
    x_BDL, weight_DW, bias_D, initial_BDS = inputs
    batch, channels, _ = x_BDL.shape
    dx_BDL = empty_like_layout(x_BDL)
    dweight_DW = torch.empty_like(weight_DW)
    dbias_D = None if bias_D is None else torch.empty_like(bias_D)
    dinitial_BDS = None if initial_BDS is None else torch.empty_like(initial_BDS)
    initial, dfinal = _in_layout(initial_BDS, x_BDL), _in_layout(dfinal_BDS, x_BDL)
    arguments = _arguments(inputs, initial, options)
    arguments.dy, arguments.dy_strides = _address_and_strides(dy_BDL)
    arguments.out, arguments.out_strides = _address_and_strides(dx_BDL)
    if dfinal is not None:
        arguments.dfinal, arguments.initial_strides = _address_and_strides(dfinal)
    arguments.dweight, arguments.dbias = dweight_DW.data_ptr(), 0 if dbias_D is None else dbias_D.data_ptr()
    partial = torch.empty((_MAX_SPLITS, 5, channels), dtype=torch.float32, device=x_BDL.device)
    arguments.partial = partial.data_ptr()
    _launch_tiles(kernel_for("backward", x_BDL, dy_BDL, dx_BDL), arguments, x_BDL, max_splits=_MAX_SPLITS)
    _launch(f"add_partial_sums_{_DTYPES[weight_DW.dtype]}", arguments, -(-channels // _SUM_CHANNELS), x_BDL)
    if dinitial_BDS is not None:
        arguments.states = dinitial_BDS.data_ptr()
        _launch(f"initial_gradient_{_DTYPES[x_BDL.dtype]}", arguments, -(-batch * channels // THREADS), x_BDL)
    return ConvGradients(dx_BDL, dweight_DW, dbias_D, dinitial_BDS)


def update(inputs: ConvInputs, state_BDN: Tensor, options: ConvOptions) -> Tensor:
    """y [B, D, 1] of one more sample; adds x to the state in place."""
    x_BD1 = inputs.x_BDL
    y_BD1 = torch.empty(x_BD1.shape, dtype=x_BD1.dtype, device=x_BD1.device)
    arguments = _arguments(inputs, None, options)
    arguments.out, arguments.out_strides = _address_and_strides(y_BD1)
    arguments.states, arguments.state_strides = _address_and_strides(state_BDN)
    arguments.state_columns = state_BDN.shape[2]
    _launch(f"update_{_DTYPES[x_BD1.dtype]}", arguments, -(-x_BD1.numel() // THREADS), x_BD1)
    return y_BD1


def unavailable_reason(device: torch.device) -> str | None:
    """Why the CUDA kernels cannot run on a device, or None; compiles them if this was not done before."""
    if device.type != "cuda":
        return f"runs on CUDA devices only, not on {device.type}"
    try:
        _load_kernels(torch.cuda.current_device() if device.index is None else device.index)
    except (OSError, RuntimeError) as error:
        return str(error)
    return None


def unsupported_reason(inputs: ConvInputs, options: ConvOptions) -> str | None:
    """Why the CUDA kernels cannot compute a call, or None."""
    if inputs.x_BDL.dtype not in _DTYPES:
        return f"has no {str(inputs.x_BDL.dtype).removeprefix('torch.')}"
    if inputs.x_BDL.shape[2] > _LONGEST:
        return f"length {inputs.x_BDL.shape[2]} is above {_LONGEST}"
    return None


@cache
def _load_kernels(device: int) -> Driver:
    """The driver, after loading the kernels onto a device."""
    launcher = driver()
    launcher.load_onto(device)
    return launcher


def _launch_tiles(kernel: Kernel, arguments: Arguments, x_BDL: Tensor, max_splits: int | None) -> None:
    """Launches a block for each group of channels and each split of its tiles, with at most `max_splits` splits."""
    batch, channels, length = x_BDL.shape
    arguments.run, arguments.channel_lanes = kernel.run, kernel.channel_lanes
    arguments.tiles = -(-length // kernel.run)
    splits = -(-batch * arguments.tiles // (THREADS // kernel.channel_lanes))
    arguments.splits = splits if max_splits is None else min(splits, max_splits)
    groups = -(-channels // (kernel.channel_lanes * kernel.channels))
    _launch(kernel.name, arguments, groups * arguments.splits, x_BDL)


def _launch(name: str, arguments: Arguments, blocks: int, x: Tensor) -> None:
    device, stream = x.device.index, torch.cuda.current_stream(x.device).cuda_stream
    with torch.cuda.device_of(x):  # restores the current device of torch
        _load_kernels(device).launch(name, arguments, blocks, THREADS, device, stream)


def _arguments(inputs: ConvInputs, initial: Tensor | None, options: ConvOptions) -> Arguments:
    x_BDL, weight_DW, bias_D, _ = inputs
    arguments = Arguments(
        weight=weight_DW.data_ptr(),
        bias=None if bias_D is None else bias_D.data_ptr(),
        batch=x_BDL.shape[0],
        channels=x_BDL.shape[1],
        length=x_BDL.shape[2],
        width=weight_DW.shape[1],
        silu=options.silu,
        reverse=options.reverse,
        weight_is_float=weight_DW.dtype == torch.float32,
    )
    arguments.x, arguments.x_strides = _address_and_strides(x_BDL)
    if initial is not None:
        arguments.initial, arguments.initial_strides = _address_and_strides(initial)
    return arguments


def _address_and_strides(tensor: Tensor) -> tuple[int, Strides]:
    return tensor.data_ptr(), Strides(*tensor.stride())


def _in_layout(state_BDS: Tensor | None, x_BDL: Tensor) -> Tensor | None:
    """A state with x's dimension innermost."""
    if state_BDS is None or not channels_last(x_BDL):
        return state_BDS
    return state_BDS.transpose(1, 2).contiguous().transpose(1, 2)


def _is_aligned(inner: int, wide: int, outer: int, tensors: tuple[Tensor, ...]) -> bool:
    """Whether every row of every tensor starts and ends at a multiple of `wide` elements."""
    sizes = [inner, *(tensor.stride(dimension) for tensor in tensors for dimension in (0, outer))]
    addresses = [tensor.data_ptr() // tensor.element_size() for tensor in tensors]
    return math.gcd(*sizes, *addresses) % wide == 0


def _next_power_of_2(size: float) -> int:
    return 1 << max(0, math.ceil(math.log2(max(1.0, size))))
