"""The back end ``torch``: the scan as matrix products of chunks, in plain torch on any device.

Chunks (`seizurekit.ops.ssd_scan.chunk`) are computed one after another, so that the data of a chunk stays in the cache
of the CPU. Chunks so small that the overhead of torch matters are computed several at a time, as a batch. Memory
holds inputs and results, the states of the chunks computed together, and in the backward pass one state per chunk.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from seizurekit.kernels.ssd_scan.contract import ScanGradients, ScanInputs, ScanOptions
from seizurekit.kernels.ssd_scan.reference import like_inputs
from seizurekit.kernels.ssd_scan.reference import unavailable_reason as unavailable_reason
from seizurekit.kernels.ssd_scan.reference import unsupported_reason as unsupported_reason
from seizurekit.kernels.ssd_scan.step_sizes import by_channel, step_sizes, step_sizes_backward
from seizurekit.ops.ssd_scan.chunk import Chunk

_CPU_CHUNK, _SMALL_CPU_CHUNK, _DEVICE_CHUNK = 64, 32, 256
_SMALL_STATE = 1024
"""Elements of a head's state, up to which more states cost less than products over longer chunks."""
_TOGETHER = 2**19
"""Elements, at most, of the largest tensor of the chunks computed together: 2 MiB, and no more than x has."""


def forward(inputs: ScanInputs, options: ScanOptions) -> tuple[Tensor, Tensor]:
    """y [B, L, H, P] and the final state [B, H, P, N]."""
    state_BHPN = _initial_state(inputs)
    y_BLHP = torch.empty(inputs.x_BLHP.shape, dtype=inputs.x_BLHP.dtype, device=inputs.x_BLHP.device)
    D = None if inputs.D is None else by_channel(inputs.D.to(inputs.sum_dtype))
    chunks = _Chunks(inputs, options, forward_only=True)
    for part in chunks.groups():
        chunk = chunks[part]
        states_before, state_BHPN = _propagate(chunk, chunks.count(part), state_BHPN, options.reverse)
        y_BQHP = chunk.outputs(states_before).reshape(inputs.x_BLHP[:, part].shape)
        if D is not None:
            y_BQHP = torch.addcmul(y_BQHP, inputs.x_BLHP[:, part].to(inputs.sum_dtype), D)
        y_BLHP[:, part] = y_BQHP
    return y_BLHP, state_BHPN.clone()


def backward(dy_BLHP: Tensor, dfinal_BHPN: Tensor | None, inputs: ScanInputs, options: ScanOptions) -> ScanGradients:
    """The gradients of all inputs but seq_idx."""
    sums = inputs.sum_dtype
    state_BHPN = _initial_state(inputs)
    states_before = []
    chunks = _Chunks(inputs, options)
    for part in chunks.parts:
        states_before.append(state_BHPN)
        state_BHPN = chunks[part].next_state(state_BHPN)

    D = None if inputs.D is None else by_channel(inputs.D.to(sums))
    dD_HP = torch.zeros(inputs.x_BLHP.shape[2:], dtype=sums, device=dy_BLHP.device)
    dx, dB, dC = (torch.empty_like(t) for t in (inputs.x_BLHP, inputs.B_BLGN, inputs.C_BLGN))
    ddt_BLH = torch.empty(inputs.dt_BLH.shape, dtype=sums, device=dy_BLHP.device)
    dA_H = torch.zeros(inputs.A_H.shape, dtype=sums, device=dy_BLHP.device)
    dstate_BHPN = torch.zeros_like(state_BHPN) if dfinal_BHPN is None else dfinal_BHPN.to(sums)
    for part in reversed(chunks.parts):
        dy_BQHP, x_BQHP = dy_BLHP[:, part].to(sums), inputs.x_BLHP[:, part].to(sums)
        gradients = chunks[part].gradients(dy_BQHP, dstate_BHPN, states_before.pop())
        dx_BQHP = gradients.dx_BQHP
        if D is not None:
            dx_BQHP = torch.addcmul(dx_BQHP, dy_BQHP, D)
            dD_HP += (dy_BQHP * x_BQHP).sum((0, 1))
        dx[:, part], dB[:, part], dC[:, part] = dx_BQHP, gradients.dB_BQGN, gradients.dC_BQGN
        ddt_BLH[:, part] = gradients.ddt_BQH
        dA_H += gradients.dA_H
        dstate_BHPN = gradients.dstate_BHPN

    ddt_BLH = step_sizes_backward(ddt_BLH, inputs, options)
    dD = dD_HP.sum(1) if inputs.D is not None and inputs.D.ndim == 1 else dD_HP
    return like_inputs((dx, ddt_BLH, dA_H, dB, dC, dD, ddt_BLH.sum((0, 1)), dstate_BHPN), inputs)


def _propagate(chunk: Chunk, count: int, state_BHPN: Tensor, reverse: bool) -> tuple[Tensor, Tensor]:
    """The states before each of the `count` chunks that are batched in `chunk`, and the state after the last one."""
    if count == 1:
        return state_BHPN, chunk.next_state(state_BHPN)
    update, decay = (t.unflatten(0, (state_BHPN.shape[0], count)) for t in chunk.state_update())
    before = []
    for i in reversed(range(count)) if reverse else range(count):
        before.append(state_BHPN)
        state_BHPN = torch.addcmul(update[:, i], state_BHPN, decay[:, i])
    return torch.stack(before[::-1] if reverse else before, dim=1).flatten(0, 1), state_BHPN


class _Chunks:
    """The chunks of a scan.

    Args:
        inputs: inputs of the scan.
        options: options of the scan.
        forward_only: whether no gradients are needed.

    Attributes:
        parts: the slice of L of each chunk, in the order of the scan.
    """

    def __init__(self, inputs: ScanInputs, options: ScanOptions, forward_only: bool = False) -> None:
        self.inputs, self.reverse = inputs, options.reverse
        self.dt_BLH = step_sizes(inputs, options)
        self.A_H = inputs.A_H.to(inputs.sum_dtype)
        self.runs_BL = None if inputs.seq_idx_BL is None else _runs(inputs.seq_idx_BL, options.reverse)
        batch, length, heads, channels = inputs.x_BLHP.shape
        small = (
            forward_only and inputs.x_BLHP.device.type == "cpu" and channels * inputs.B_BLGN.shape[3] <= _SMALL_STATE
        )
        most = _CPU_CHUNK if inputs.x_BLHP.device.type == "cpu" else _DEVICE_CHUNK
        most = _SMALL_CPU_CHUNK if small else most
        self.size = min(options.chunk_size or most, most)
        parts = [slice(start, min(start + self.size, length)) for start in range(0, length, self.size)]
        self.parts = parts[::-1] if options.reverse else parts
        most = min(_TOGETHER, inputs.x_BLHP.numel()) if small else 0
        self.together = most // max(1, batch * heads * self.size**2)

    def groups(self) -> Iterator[slice]:
        """The slice of L of each group of chunks that are computed together, in the order of the scan."""
        parts = list(self.parts)
        while parts:
            whole = 0
            while whole < min(len(parts), self.together) and parts[whole].stop - parts[whole].start == self.size:
                whole += 1
            some = parts[: max(1, whole if self.runs_BL is None else 1)]
            del parts[: len(some)]
            yield slice(min(part.start for part in some), max(part.stop for part in some))

    def count(self, part: slice) -> int:
        """Number of chunks of a group."""
        return max(1, int(part.stop - part.start) // self.size)

    def __getitem__(self, part: slice) -> Chunk:
        tensors = (self.inputs.x_BLHP, self.dt_BLH, self.inputs.B_BLGN, self.inputs.C_BLGN)
        count = self.count(part)
        x, dt, B, C = (t[:, part] if count == 1 else _fold(t[:, part], count) for t in tensors)
        return Chunk(x, dt, self.A_H, B, C, self._runs_since(part), self.reverse)

    def _runs_since(self, part: slice) -> Tensor | None:
        if self.runs_BL is None:
            return None
        previous = part.stop if self.reverse else part.start - 1
        before = self.runs_BL[:, previous, None] if 0 <= previous < self.runs_BL.shape[1] else 0
        return self.runs_BL[:, part] - before


def _fold(samples: Tensor, count: int) -> Tensor:
    """[B, count * Q, ...] to [B * count, Q, ...]."""
    return samples.reshape(samples.shape[0] * count, -1, *samples.shape[2:])


def _runs(seq_idx_BL: Tensor, reverse: bool) -> Tensor:
    """Number of sequence changes up to each sample [B, L], in the order of the scan, which starts in sequence 0."""
    zero = torch.zeros_like(seq_idx_BL[:, :1])
    before_BL = torch.cat((seq_idx_BL[:, 1:], zero) if reverse else (zero, seq_idx_BL[:, :-1]), dim=1)
    change_BL = (seq_idx_BL != before_BL).long()
    count_BL = change_BL.cumsum(dim=1)
    return count_BL[:, -1:] - count_BL + change_BL if reverse else count_BL


def _initial_state(inputs: ScanInputs) -> Tensor:
    if inputs.initial_BHPN is not None:
        return inputs.initial_BHPN.to(inputs.sum_dtype)
    batch, _, heads, channels = inputs.x_BLHP.shape
    shape = (batch, heads, channels, inputs.B_BLGN.shape[3])
    return torch.zeros(shape, dtype=inputs.sum_dtype, device=inputs.x_BLHP.device)
