"""The back ends of the causal convolution, the preferred ones first."""

from __future__ import annotations

from seizurekit.kernels.causal_conv1d.contract import ConvBackend
from seizurekit.ops.causal_conv1d import trial
from seizurekit.ops.causal_conv1d.trial import ConvCase
from seizurekit.ops.dispatch import REFERENCE, BackendEntry, Operation


def _package() -> ConvBackend:
    from seizurekit.ops.causal_conv1d import package

    return package


def _triton() -> ConvBackend:
    from seizurekit.ops.causal_conv1d import triton

    return triton


def _cuda() -> ConvBackend:
    from seizurekit.ops.causal_conv1d import cuda

    return cuda


def _native() -> ConvBackend:
    from seizurekit.ops.causal_conv1d import native

    return native


def _reference() -> ConvBackend:
    from seizurekit.kernels.causal_conv1d import reference

    return reference


CAUSAL_CONV1D: Operation[ConvBackend, ConvCase] = Operation(
    "causal_conv1d",
    (
        BackendEntry("cuda-package", "the package causal-conv1d, 1.6 or newer", ("cuda",), _package),
        BackendEntry("triton", "the package triton, 3.0 or newer; no compiler", ("cuda",), _triton),
        BackendEntry("cuda", "NVRTC, which comes with torch for CUDA", ("cuda",), _cuda),
        BackendEntry("native", "nothing: part of the C++ core", ("cpu",), _native),
        BackendEntry(REFERENCE, "nothing: plain torch, the reference", None, _reference),
    ),
    trial,
)
