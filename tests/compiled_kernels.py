"""Compiles Triton kernels for GPUs that this machine does not have, with the arguments of real launches.

`launches` calls a function of the package with CPU tensors and records its launches; `compile_launch` compiles one
launch ahead of time and reads registers, spills and the width of its accesses.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

CAPABILITIES = (80, 90, 100, 120)
CUOBJDUMP = Path(triton.__file__).parent / "backends" / "nvidia" / "bin" / "cuobjdump"

_TYPES = {
    torch.float64: "*fp64",
    torch.float32: "*fp32",
    torch.float16: "*fp16",
    torch.bfloat16: "*bf16",
    torch.int16: "*i16",
}
_OPTIONS = ("num_warps", "num_stages", "enable_fp_fusion")


@dataclass(frozen=True)
class Launch:
    """A kernel with the arguments of a launch, by name, and its number of programs in each dimension."""

    kernel: triton.JITFunction
    arguments: dict[str, Any]
    options: dict[str, Any]
    grid: tuple[int, ...]


@dataclass(frozen=True)
class CompiledKernel:
    """Resources of a compiled kernel.

    Attributes:
        name: name of the kernel.
        registers: registers per thread.
        spilled: bytes of stack and local memory per thread.
        shared: bytes of shared memory per program.
        ptx: the PTX text.
        ttgir: the last IR that is written in tensors.
        parameters: names of the arguments that are not constants.
    """

    name: str
    registers: int
    spilled: int
    shared: int
    ptx: str
    ttgir: str
    parameters: tuple[str, ...]

    def loads(self, bits: int) -> int:
        """Number of loads of this many bits from global memory."""
        return _accesses(self.ptx, "ld", bits)

    @property
    def atomics(self) -> int:
        """Number of atomic operations on global memory."""
        return len(re.findall(r"\b(?:atom|red)\.(?:\w+\.)*global", self.ptx))

    def stores(self, bits: int) -> int:
        """Number of stores of this many bits to global memory."""
        return _accesses(self.ptx, "st", bits)


def launches(function: Callable[..., Any], *arguments: Any) -> list[Launch]:
    """The launches that a call would make, in order; launches nothing."""
    recorded: list[Launch] = []
    with _recording(recorded):
        function(*arguments)
    return recorded


def compile_launch(launch: Launch, capability: int, folder: Path) -> CompiledKernel:
    """Compiles a launch for a compute capability, e.g. 90; writes the binary to `folder`."""
    signature: dict[str, str] = {}
    constants: dict[tuple[int, ...], Any] = {}
    aligned: dict[tuple[int, ...], list[list[Any]]] = {}
    for parameter in launch.kernel.params:
        value = launch.arguments[parameter.name]
        kind = "constexpr" if parameter.is_constexpr or value is None else _kind(value, parameter.do_not_specialize)
        signature[parameter.name] = kind
        if kind == "constexpr":
            constants[(parameter.num,)] = value
        elif _is_multiple_of_16(value, parameter.do_not_specialize):
            aligned[(parameter.num,)] = [["tt.divisibility", 16]]
    source = ASTSource(launch.kernel, signature, constants, aligned)
    compiled = triton.compile(source, target=GPUTarget("cuda", capability, 32), options=launch.options)
    binary = folder / f"{launch.kernel.__name__}.{capability}.cubin"
    binary.write_bytes(compiled.asm["cubin"])
    command = [str(CUOBJDUMP), "--dump-resource-usage", str(binary)]
    usage = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    amounts = {name: int(number) for name, number in re.findall(r"(REG|STACK|LOCAL):(\d+)", usage)}
    spilled = amounts["STACK"] + amounts["LOCAL"]
    return CompiledKernel(
        launch.kernel.__name__,
        amounts["REG"],
        spilled,
        compiled.metadata.shared,
        compiled.asm["ptx"],
        compiled.asm["ttgir"],
        tuple(name for name, kind in signature.items() if kind != "constexpr"),
    )


@contextmanager
def _recording(recorded: list[Launch]) -> Iterator[None]:
    def record(kernel: triton.JITFunction, *values: Any, grid: Any, warmup: bool, **named: Any) -> None:
        names = [parameter.name for parameter in kernel.params]
        options = {name: named.pop(name) for name in _OPTIONS if name in named}
        recorded.append(Launch(kernel, dict(zip(names, values, strict=False)) | named, options, grid))

    launched = triton.JITFunction.run
    triton.JITFunction.run = record
    try:
        yield
    finally:
        triton.JITFunction.run = launched


def _kind(value: Any, plain: bool) -> str:
    """The type of an argument in a signature, as Triton chooses it at a launch."""
    if isinstance(value, torch.Tensor):
        return _TYPES[value.dtype]
    if isinstance(value, float):
        return "fp32"
    if value == 1 and not plain:
        return "constexpr"
    return "i32" if -(2**31) <= value < 2**31 else "i64"


def _is_multiple_of_16(value: Any, plain: bool) -> bool:
    if isinstance(value, torch.Tensor):
        return value.data_ptr() % 16 == 0
    return isinstance(value, int) and not plain and value % 16 == 0


def _accesses(ptx: str, operation: str, bits: int) -> int:
    """Counts instructions such as ``ld.global.v4.b32``, with or without a predicate or cache hint."""
    accesses = re.findall(rf"\b{operation}\.global(?:\.[a-z_0-9:]+)*?(?:\.v(\d))?\.[a-z](\d+)\b", ptx)
    return sum(int(count or 1) * int(width) == bits for count, width in accesses)
