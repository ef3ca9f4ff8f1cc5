"""Names and arguments of the CUDA kernels."""

from __future__ import annotations

import ctypes

_I64, _I32 = ctypes.c_longlong, ctypes.c_int
DTYPES = ("float32", "bfloat16", "float16")
KERNELS = (
    *(
        f"{operation}_{dtype}_{inner}_{access}"
        for operation in ("forward", "backward")
        for dtype in DTYPES
        for inner in ("rows", "channels")
        for access in ("vector", "scalar")
    ),
    *(f"{operation}_{dtype}" for operation in ("add_partial_sums", "initial_gradient", "update") for dtype in DTYPES),
)
"""The names in cuda_kernels.cuh."""


class Strides(ctypes.Structure):
    """The structure of the same name in cuda_arguments.cuh; in elements."""

    _fields_ = (("batch", _I64), ("channel", _I64), ("time", _I64))


class Arguments(ctypes.Structure):
    """The structure of the same name in cuda_arguments.cuh; a tensor that is None is a null pointer."""

    _fields_ = (
        *((name, ctypes.c_void_p) for name in ("x", "weight", "bias", "initial", "dy", "dfinal", "out", "states")),
        *((name, ctypes.c_void_p) for name in ("partial", "dweight", "dbias")),
        *((name, _I64) for name in ("batch", "channels")),
        *((f"{name}_strides", Strides) for name in ("x", "initial", "dy", "out", "state")),
        *((name, _I64) for name in ("state_columns", "tiles", "splits")),
        *((name, _I32) for name in ("length", "run", "width", "silu", "reverse", "weight_is_float", "channel_lanes")),
    )
