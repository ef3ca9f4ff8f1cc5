"""The causal convolution in CUDA C++: the back end ``cuda``.

The kernels are in the files *.cuh beside this one, and cuda_kernels.cuh names them. Each thread takes tiles of one or a
few neighbouring channels; where the layout and the addresses allow it, an access moves 16 bytes. Gradients are summed
in an order that only the shapes decide, so they are the same in every run.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from seizurekit.kernels.causal_conv1d import reference
from seizurekit.kernels.causal_conv1d.cuda_arguments import Arguments, Launcher, Strides
from seizurekit.kernels.causal_conv1d.cuda_driver import driver
from seizurekit.kernels.causal_conv1d.cuda_library import library
from seizurekit.kernels.causal_conv1d.reference import channels_last, empty_like_layout

THREADS = 128
_LONGEST = 2**30
_MOST_SPLITS = 64
"""Backward: rows of partial sums a group of channels, at most."""
_RUN = 64
"""Channels innermost: times of a thread's tile."""
_SUM_CHANNELS = 32
_DTYPES = {torch.float32: "float32", torch.bfloat16: "bfloat16", torch.float16: "float16"}


@dataclass(frozen=True)
class Kernel:
    """One kernel of cuda_kernels.cuh: channels and times of a thread's tile, neighbouring threads' channels."""

    name: str
    channels: int
    run: int
    channel_lanes: int


def kernel_for(operation: str, x_BDL: Tensor, *others: Tensor) -> Kernel:
    """The kernel for tensors of x's layout: of wide accesses where sizes, strides and addresses allow."""
    dtype, size = _DTYPES[x_BDL.dtype], x_BDL.element_size()
    if channels_last(x_BDL):
        wide = 4 if size == 4 or operation == "backward" else 8
        aligned = _aligned(x_BDL.shape[1], wide, 2, (x_BDL, *others))
        channels = wide if aligned else 1
        lanes = min(32, _power_of_2_up_to(x_BDL.shape[1] / channels))
        return Kernel(f"{operation}_{dtype}_channels_{'vector' if aligned else 'scalar'}", channels, _RUN, lanes)
    wide = 16 // size
    aligned = _aligned(x_BDL.shape[2], wide, 1, (x_BDL, *others))
    run = 2 * wide if aligned else 4
    return Kernel(f"{operation}_{dtype}_rows_{'vector' if aligned else 'scalar'}", 1, run, 1)


def forward(
    x_BDL: Tensor, weight_DW: Tensor, bias_D: Tensor | None, initial_BDS: Tensor | None, silu: bool, reverse: bool
) -> tuple[Tensor, Tensor]:
    """See `seizurekit.kernels.causal_conv1d.reference.forward`."""
    if x_BDL.numel() == 0:
        nothing: tuple[Tensor, Tensor] = reference.forward(x_BDL, weight_DW, bias_D, initial_BDS, silu, reverse)
        return nothing
    y_BDL = empty_like_layout(x_BDL)
    final_BDS = x_BDL.new_empty((*x_BDL.shape[:2], weight_DW.shape[1] - 1))
    initial = _in_layout(initial_BDS, x_BDL)
    arguments = _arguments(x_BDL, weight_DW, bias_D, initial, silu, reverse)
    arguments.out, arguments.out_strides = _placed(y_BDL)
    arguments.states = final_BDS.data_ptr()
    _launch_tiles(kernel_for("forward", x_BDL, y_BDL), arguments, x_BDL, most_splits=None)
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
    if x_BDL.numel() == 0:
        zeros: tuple[Tensor, Tensor, Tensor | None, Tensor | None] = reference.backward(
            dy_BDL, x_BDL, weight_DW, bias_D, initial_BDS, dfinal_BDS, silu, reverse, deterministic
        )
        return zeros
    if channels_last(dy_BDL) != channels_last(x_BDL) or dy_BDL.stride(1 if channels_last(x_BDL) else 2) != 1:
        dy_BDL = empty_like_layout(x_BDL).copy_(dy_BDL)
    batch, channels, _ = x_BDL.shape
    dx_BDL = empty_like_layout(x_BDL)
    dweight_DW = torch.empty_like(weight_DW)
    dbias_D = None if bias_D is None else torch.empty_like(bias_D)
    dinitial_BDS = None if initial_BDS is None else torch.empty_like(initial_BDS)
    initial, dfinal = _in_layout(initial_BDS, x_BDL), _in_layout(dfinal_BDS, x_BDL)
    arguments = _arguments(x_BDL, weight_DW, bias_D, initial, silu, reverse)
    arguments.dy, arguments.dy_strides = _placed(dy_BDL)
    arguments.out, arguments.out_strides = _placed(dx_BDL)
    if dfinal is not None:
        arguments.dfinal, arguments.initial_strides = _placed(dfinal)
    arguments.dweight, arguments.dbias = dweight_DW.data_ptr(), 0 if dbias_D is None else dbias_D.data_ptr()
    partial = torch.empty((_MOST_SPLITS, 5, channels), dtype=torch.float32, device=x_BDL.device)
    arguments.partial = partial.data_ptr()
    _launch_tiles(kernel_for("backward", x_BDL, dy_BDL, dx_BDL), arguments, x_BDL, most_splits=_MOST_SPLITS)
    _launch(f"add_partial_sums_{_DTYPES[weight_DW.dtype]}", arguments, -(-channels // _SUM_CHANNELS), x_BDL)
    if dinitial_BDS is not None:
        arguments.states = dinitial_BDS.data_ptr()
        _launch(f"initial_gradient_{_DTYPES[x_BDL.dtype]}", arguments, -(-batch * channels // THREADS), x_BDL)
    return dx_BDL, dweight_DW, dbias_D, dinitial_BDS


def update(x_BD: Tensor, state_BDN: Tensor, weight_DW: Tensor, bias_D: Tensor | None, silu: bool) -> Tensor:
    """See `seizurekit.kernels.causal_conv1d.reference.update`."""
    y_BD = torch.empty(x_BD.shape, dtype=x_BD.dtype, device=x_BD.device)
    if x_BD.numel() == 0:
        return y_BD
    arguments = _arguments(x_BD[:, :, None], weight_DW, bias_D, None, silu, reverse=False)
    arguments.out, arguments.out_strides = _placed(y_BD[:, :, None])
    arguments.states, arguments.state_strides = _placed(state_BDN)
    arguments.state_columns = state_BDN.shape[2]
    _launch(f"update_{_DTYPES[x_BD.dtype]}", arguments, -(-x_BD.numel() // THREADS), x_BD)
    return y_BD


def why_not(device: torch.device) -> str | None:
    """Why our CUDA kernels cannot serve on the device; None where they can."""
    if device.type != "cuda":
        return f"runs on CUDA devices only, not on {device.type}"
    try:
        _loaded_onto(torch.cuda.current_device() if device.index is None else device.index)
    except RuntimeError as error:
        return str(error)
    return None


def why_not_call(x_BDL: Tensor, weight_DW: Tensor, initial_BDS: Tensor | None, reverse: bool) -> str | None:
    """Why these arguments are not for our CUDA kernels; None where they are."""
    if x_BDL.dtype not in _DTYPES:
        return f"has no {str(x_BDL.dtype).removeprefix('torch.')}"
    if x_BDL.shape[2] > _LONGEST:
        return f"length {x_BDL.shape[2]} is above {_LONGEST}"
    return None


@cache
def _loaded_onto(device: int) -> Launcher:
    """The library, or where it cannot serve this device, kernels compiled for it now."""
    reasons = []
    for what, launcher in (("", library), ("compiled now: ", driver)):
        try:
            found: Launcher = launcher()
            found.load_onto(device)
            return found
        except (OSError, RuntimeError) as error:
            reasons.append(f"{what}{error}")
    raise RuntimeError("; ".join(reasons))


def _launch_tiles(kernel: Kernel, arguments: Arguments, x_BDL: Tensor, most_splits: int | None) -> None:
    """As many blocks as there is work for; `most_splits` of them share a group of channels."""
    batch, channels, length = x_BDL.shape
    arguments.run, arguments.channel_lanes = kernel.run, kernel.channel_lanes
    arguments.tiles = -(-length // kernel.run)
    splits = -(-batch * arguments.tiles // (THREADS // kernel.channel_lanes))
    arguments.splits = splits if most_splits is None else min(splits, most_splits)
    groups = -(-channels // (kernel.channel_lanes * kernel.channels))
    _launch(kernel.name, arguments, groups * arguments.splits, x_BDL)


def _launch(name: str, arguments: Arguments, blocks: int, x: Tensor) -> None:
    if not x.is_cuda:  # in tests, which compile the library for the host
        library().launch(name, arguments, blocks, THREADS, 0, 0)
        return
    device, stream = x.device.index, torch.cuda.current_stream(x.device).cuda_stream
    with torch.cuda.device_of(x):  # which brings torch's own device back, should it be another
        _loaded_onto(device).launch(name, arguments, blocks, THREADS, device, stream)


def _arguments(
    x_BDL: Tensor, weight_DW: Tensor, bias_D: Tensor | None, initial: Tensor | None, silu: bool, reverse: bool
) -> Arguments:
    arguments = Arguments(
        weight=weight_DW.data_ptr(),
        bias=None if bias_D is None else bias_D.data_ptr(),
        batch=x_BDL.shape[0],
        channels=x_BDL.shape[1],
        length=x_BDL.shape[2],
        width=weight_DW.shape[1],
        silu=silu,
        reverse=reverse,
        weight_is_float=weight_DW.dtype == torch.float32,
    )
    arguments.x, arguments.x_strides = _placed(x_BDL)
    if initial is not None:
        arguments.initial, arguments.initial_strides = _placed(initial)
    return arguments


def _placed(tensor: Tensor) -> tuple[int, Strides]:
    return tensor.data_ptr(), Strides(*tensor.stride())


def _in_layout(state_BDS: Tensor | None, x_BDL: Tensor) -> Tensor | None:
    """A state with x's dimension innermost."""
    if state_BDS is None or not channels_last(x_BDL):
        return state_BDS
    return state_BDS.transpose(1, 2).contiguous().transpose(1, 2)


def _aligned(inner: int, wide: int, outer: int, tensors: tuple[Tensor, ...]) -> bool:
    """Whether every row of every tensor begins at a multiple of the access, and ends at one."""
    numbers = [inner, *(tensor.stride(dimension) for tensor in tensors for dimension in (0, outer))]
    addresses = [tensor.data_ptr() // tensor.element_size() for tensor in tensors]
    return math.gcd(*numbers, *addresses) % wide == 0


def _power_of_2_up_to(number: float) -> int:
    return 1 << max(0, math.ceil(math.log2(max(1.0, number))))
