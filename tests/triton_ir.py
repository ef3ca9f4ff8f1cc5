"""Evaluates the IR of compiled Triton kernels with NumPy, on a machine without a GPU.

Triton's interpreter runs the Python source, so it does not show what the compiler makes of it. This evaluates the last
IR that is written in tensors (TTGIR), after Triton's own passes. Layouts do not change values and are ignored. Every
access is checked: one outside of its tensor raises an IndexError.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

Array = npt.NDArray[Any]

_DTYPES = {"i1": np.bool_, "i32": np.int32, "i64": np.int64, "f16": np.float16, "f32": np.float32, "f64": np.float64}
_TENSOR_BITS = 40
"""A pointer is an index of a tensor, shifted by these bits, plus an offset in elements."""

_NAME = re.compile(r"%[\w.$-]+(?:#\d+)?")
_COMPARISONS: dict[str, Callable[[Array, Array], Array]] = {
    "slt": np.less,
    "sle": np.less_equal,
    "sgt": np.greater,
    "sge": np.greater_equal,
    "eq": np.equal,
    "ne": np.not_equal,
}
_ELEMENTWISE: dict[str, Callable[..., Any]] = {
    "arith.addf": np.add,
    "arith.addi": np.add,
    "arith.andi": np.bitwise_and,
    "arith.divf": np.divide,
    "arith.divsi": lambda a, b: (np.sign(a) * np.sign(b) * (np.abs(a) // np.abs(b))).astype(a.dtype),
    "arith.mulf": np.multiply,
    "arith.muli": np.multiply,
    "arith.negf": np.negative,
    "arith.ori": np.bitwise_or,
    "arith.remsi": np.fmod,
    "arith.select": np.where,
    "arith.subf": np.subtract,
    "arith.subi": np.subtract,
    "arith.xori": np.bitwise_xor,
    "math.exp": np.exp,
    "tt.addptr": np.add,
    "tt.join": lambda a, b: np.stack((a, b), -1),
    "ttg.convert_layout": lambda a: a,
}
_CASTS = ("arith.extf", "arith.extsi", "arith.extui", "arith.sitofp", "arith.truncf", "arith.trunci")
_RESHAPES = ("tt.reshape", "tt.splat", "tt.broadcast")


def evaluate(ir: str, arguments: Sequence[torch.Tensor | int | float], programs: tuple[int, ...]) -> None:
    """Runs all programs of a kernel, one after another; writes to its tensors.

    Args:
        ir: the TTGIR or TTIR text.
        arguments: arguments of the compiled function in order; dense CPU tensors.
        programs: number of programs in each dimension of the grid.
    """
    lines = [re.sub(r" loc\(.*$", "", line).strip() for line in ir.splitlines() if not line.startswith("#")]
    start = next(i for i, line in enumerate(lines) if line.startswith("tt.func public"))
    header = next(line for line in ir.splitlines() if "tt.func public" in line)
    names = re.findall(r"(%[\w.$-]+): ", header)
    memory = [np.zeros(0)]
    values: dict[str, Any] = {}
    for name, argument, kind in zip(names, arguments, re.findall(r"%[\w.$-]+: ([!\w.<>]+)", header), strict=True):
        if isinstance(argument, torch.Tensor):
            values[name] = np.int64(len(memory) << _TENSOR_BITS)
            memory.append(
                argument.detach()
                .as_strided((argument.untyped_storage().nbytes() // argument.itemsize,), (1,), 0)
                .numpy()
            )
            values[name] += argument.storage_offset()
        else:
            values[name] = _DTYPES[kind](argument)
    body, _ = _block(lines, start + 1)
    for program in np.ndindex(*programs):
        with np.errstate(over="ignore"):
            _Program(memory, (*program, 0, 0)).run(body, dict(values))


class _Operation:
    """One line, and the regions that it opens."""

    def __init__(self, line: str) -> None:
        self.regions: list[list[_Operation]] = []
        self.line = line
        left, found, right = line.partition(" = ")
        self.results = left if found and left.startswith("%") else ""
        rest = right if self.results else line
        self.name = rest.split("(")[0].split(" ")[0].strip('"')
        self.text = rest[len(self.name) :]
        self.operands = _NAME.findall(self.text)

    def type(self) -> tuple[tuple[int, ...], str]:
        """Shape and kind of the last type of the line."""
        text = re.split(r" : | -> | to ", self.line)[-1]
        tensors = re.findall(r"tensor<((?:\d+x)+)([!\w.]+(?:<\w+>)?)", text)
        if not tensors:
            return (), text.split(",")[-1].strip()
        sizes, kind = tensors[-1]
        return tuple(int(size) for size in sizes.split("x")[:-1]), kind


def _block(lines: Sequence[str], position: int) -> tuple[list[_Operation], int]:
    """The operations up to the closing brace, and the position of that."""
    operations: list[_Operation] = []
    while not lines[position].startswith("}"):
        line = lines[position]
        if line.endswith("{"):
            operation = _Operation(line)
            region, position = _block(lines, position + 1)
            operation.regions.append(region)
            while lines[position].endswith("{"):  # } else {
                region, position = _block(lines, position + 1)
                operation.regions.append(region)
            operations.append(operation)
        elif line and not line.startswith("^"):
            operations.append(_Operation(line))
        position += 1
    return operations, position


class _Program:
    def __init__(self, memory: list[Array], program: tuple[int, ...]) -> None:
        self.memory, self.program = memory, program

    def run(self, operations: list[_Operation], values: dict[str, Any]) -> list[Any]:
        """Runs a region; returns what it yields."""
        for operation in operations:
            if operation.name in ("scf.yield", "tt.return"):
                return [values[name] for name in operation.operands]
            self._store_results(operation, self._compute(operation, values), values)
        return []

    def _store_results(self, operation: _Operation, results: list[Any], values: dict[str, Any]) -> None:
        name, _, count = operation.results.partition(":")
        if count:
            values |= {f"{name}#{i}": result for i, result in enumerate(results)}
        elif operation.results:
            values |= dict(zip(operation.results.split(", "), results, strict=True))

    def _compute(self, operation: _Operation, values: dict[str, Any]) -> list[Any]:
        name, text = operation.name, operation.text
        if name == "scf.for":
            return self._loop(operation, values)
        if name == "scf.if":
            taken = operation.regions[:1] if values[operation.operands[0]] else operation.regions[1:]
            return self.run(taken[0], values) if taken else []
        operands = [values[operand] for operand in operation.operands]
        if name == "tt.store":
            self._store(*operands)
            return []
        if name == "tt.split":
            return [operands[0][..., 0], operands[0][..., 1]]
        return [self._result(operation, name, text, operands)]

    def _result(self, operation: _Operation, name: str, text: str, operands: list[Any]) -> Any:
        if name in _ELEMENTWISE:
            return _ELEMENTWISE[name](*operands)
        if name == "arith.cmpi":
            return _COMPARISONS[text.split(",")[0].strip()](*operands)
        if name == "tt.get_program_id":
            return np.int32(self.program["xyz".index(text.split()[0])])
        if name == "tt.load":
            return self._load(*operands)
        if name == "tt.reduce":
            (combine,) = (inner.name for inner in operation.regions[0] if inner.name != "tt.reduce.return")
            assert combine == "arith.addf", combine
            return operands[0].sum(int(_attribute(text, "axis")))
        shape, kind = operation.type()
        if name == "arith.constant":
            return np.full(shape, _number(text), _DTYPES[kind])[()]
        if name == "tt.make_range":
            return np.arange(int(_attribute(text, "start")), int(_attribute(text, "end")), dtype=np.int32)
        if name == "tt.expand_dims":
            return np.expand_dims(operands[0], int(_attribute(text, "axis")))
        if name in _RESHAPES:
            return operands[0].reshape(shape) if name == "tt.reshape" else np.broadcast_to(operands[0], shape)
        if name in _CASTS:
            return operands[0].astype(_DTYPES[kind])
        raise NotImplementedError(operation.line)

    def _loop(self, operation: _Operation, values: dict[str, Any]) -> list[Any]:
        header = operation.text.partition("iter_args(")
        index, *bounds = _NAME.findall(header[0])
        arguments = _NAME.findall(header[2].partition(")")[0])
        names, state = arguments[::2], [values[name] for name in arguments[1::2]]
        for i in range(*(int(values[bound]) for bound in bounds)):
            inner = values | dict(zip(names, state, strict=True)) | {index: np.int32(i)}
            state = self.run(operation.regions[0], inner)
        return state

    def _load(self, pointer: Any, mask: Any = True, other: Any = 0) -> Any:
        mask = np.broadcast_to(mask, np.shape(pointer))
        ((tensor, offset),) = self._locate(np.asarray(pointer)[mask]) or [(0, np.zeros(0, np.int64))]
        result = np.array(np.broadcast_to(other, np.shape(pointer)), self.memory[tensor].dtype)
        result[mask] = self.memory[tensor][offset]
        return result[()]

    def _store(self, pointer: Any, value: Any, mask: Any = True) -> None:
        mask = np.broadcast_to(mask, np.shape(pointer))
        for tensor, offset in self._locate(np.asarray(pointer)[mask]):
            self.memory[tensor][offset] = np.broadcast_to(value, mask.shape)[mask]

    def _locate(self, pointers: Array) -> list[tuple[int, Array]]:
        """The tensor that pointers point to, with their offsets; nothing without pointers."""
        if pointers.size == 0:
            return []
        tensors = (pointers + (1 << _TENSOR_BITS - 1)) >> _TENSOR_BITS
        (tensor,) = set(tensors.tolist())
        offsets = pointers - (tensor << _TENSOR_BITS)
        if offsets.min() < 0 or offsets.max() >= self.memory[tensor].size:
            raise IndexError(f"offsets {offsets.min()} to {offsets.max()} of {self.memory[tensor].size} elements")
        return [(tensor, offsets)]


def _attribute(text: str, name: str) -> str:
    found = re.search(rf"\b{name} = (-?\d+)", text)
    assert found, text
    return found[1]


def _number(text: str) -> float | int | bool:
    value = text.partition(" : ")[0].strip().removeprefix("dense<").removesuffix(">")
    if value in ("true", "false"):
        return value == "true"
    return int(value) if re.fullmatch(r"-?\d+", value) else float(value)
