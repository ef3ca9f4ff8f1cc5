"""The scan by chunks of matrix products in plain torch, on any device: the back end ``torch``.

One chunk (`seizurekit.kernels.ssd_scan.chunk`) is computed after the other: what it needs stays in the processor's
cache. Beside inputs and results, memory holds one state, and in the backward pass one for each chunk.
"""

from __future__ import annotations

import torch
from torch import Tensor

from seizurekit.kernels.ssd_scan.arguments import Gradients, ScanInputs, ScanOptions
from seizurekit.kernels.ssd_scan.chunk import Chunk
from seizurekit.kernels.ssd_scan.reference import like_inputs
from seizurekit.kernels.ssd_scan.reference import why_not as why_not
from seizurekit.kernels.ssd_scan.reference import why_not_call as why_not_call
from seizurekit.kernels.ssd_scan.step_sizes import by_channel, step_sizes, step_sizes_backward

_CPU_CHUNK, _DEVICE_CHUNK = 64, 256


def forward(inputs: ScanInputs, options: ScanOptions) -> tuple[Tensor, Tensor]:
    """See `seizurekit.kernels.ssd_scan.reference.forward`."""
    state_BHPN = _initial_state(inputs)
    y_BLHP = torch.empty(inputs.x_BLHP.shape, dtype=inputs.x_BLHP.dtype, device=inputs.x_BLHP.device)
    D = None if inputs.D is None else by_channel(inputs.D.to(inputs.sums))
    chunks = _Chunks(inputs, options)
    for part in chunks.parts:
        chunk = chunks[part]
        y_BQHP = chunk.outputs(state_BHPN)
        if D is not None:
            y_BQHP = torch.addcmul(y_BQHP, inputs.x_BLHP[:, part].to(inputs.sums), D)
        y_BLHP[:, part] = y_BQHP
        state_BHPN = chunk.next_state(state_BHPN)
    return y_BLHP, state_BHPN.clone()


def backward(dy_BLHP: Tensor, dfinal_BHPN: Tensor | None, inputs: ScanInputs, options: ScanOptions) -> Gradients:
    """See `seizurekit.kernels.ssd_scan.reference.backward`."""
    sums = inputs.sums
    state_BHPN = _initial_state(inputs)
    entering = []
    chunks = _Chunks(inputs, options)
    for part in chunks.parts:
        entering.append(state_BHPN)
        state_BHPN = chunks[part].next_state(state_BHPN)

    D = None if inputs.D is None else by_channel(inputs.D.to(sums))
    dD_HP = torch.zeros(inputs.x_BLHP.shape[2:], dtype=sums, device=dy_BLHP.device)
    dx, dB, dC = (torch.empty_like(t) for t in (inputs.x_BLHP, inputs.B_BLGN, inputs.C_BLGN))
    ddt_BLH = torch.empty(inputs.dt_BLH.shape, dtype=sums, device=dy_BLHP.device)
    dA_H = torch.zeros(inputs.A_H.shape, dtype=sums, device=dy_BLHP.device)
    dstate_BHPN = torch.zeros_like(state_BHPN) if dfinal_BHPN is None else dfinal_BHPN.to(sums)
    for part in reversed(chunks.parts):
        dy_BQHP, x_BQHP = dy_BLHP[:, part].to(sums), inputs.x_BLHP[:, part].to(sums)
        of_chunk = chunks[part].gradients(dy_BQHP, dstate_BHPN, entering.pop())
        dx_BQHP = of_chunk.dx_BQHP
        if D is not None:
            dx_BQHP = torch.addcmul(dx_BQHP, dy_BQHP, D)
            dD_HP += (dy_BQHP * x_BQHP).sum((0, 1))
        dx[:, part], dB[:, part], dC[:, part] = dx_BQHP, of_chunk.dB_BQGN, of_chunk.dC_BQGN
        ddt_BLH[:, part] = of_chunk.ddt_BQH
        dA_H += of_chunk.dA_H
        dstate_BHPN = of_chunk.dstate_BHPN

    ddt_BLH = step_sizes_backward(ddt_BLH, inputs, options)
    dD = dD_HP.sum(1) if inputs.D is not None and inputs.D.ndim == 1 else dD_HP
    return like_inputs((dx, ddt_BLH, dA_H, dB, dC, dD, ddt_BLH.sum((0, 1)), dstate_BHPN), inputs)


class _Chunks:
    """The chunks of a scan, each made when it is asked for.

    Attributes:
        parts: where they lie along L, in the order of the scan.
    """

    def __init__(self, inputs: ScanInputs, options: ScanOptions) -> None:
        self.inputs, self.reverse = inputs, options.reverse
        self.dt_BLH = step_sizes(inputs, options)
        self.A_H = inputs.A_H.to(inputs.sums)
        self.runs_BL = None if inputs.seq_idx_BL is None else _runs(inputs.seq_idx_BL, options.reverse)
        most = _CPU_CHUNK if inputs.x_BLHP.device.type == "cpu" else _DEVICE_CHUNK
        size, length = min(options.chunk_size or most, most), inputs.x_BLHP.shape[1]
        parts = [slice(start, min(start + size, length)) for start in range(0, length, size)]
        self.parts = parts[::-1] if options.reverse else parts

    def __getitem__(self, part: slice) -> Chunk:
        x, B, C = self.inputs.x_BLHP[:, part], self.inputs.B_BLGN[:, part], self.inputs.C_BLGN[:, part]
        return Chunk(x, self.dt_BLH[:, part], self.A_H, B, C, self._runs_since(part), self.reverse)

    def _runs_since(self, part: slice) -> Tensor | None:
        if self.runs_BL is None:
            return None
        beside = part.stop if self.reverse else part.start - 1
        before = self.runs_BL[:, beside, None] if 0 <= beside < self.runs_BL.shape[1] else 0
        return self.runs_BL[:, part] - before


def _runs(seq_idx_BL: Tensor, reverse: bool) -> Tensor:
    """How often the sequence has changed up to each sample, in the order of the scan; number 0 is before it."""
    zero = torch.zeros_like(seq_idx_BL[:, :1])
    before_BL = torch.cat((seq_idx_BL[:, 1:], zero) if reverse else (zero, seq_idx_BL[:, :-1]), dim=1)
    change_BL = (seq_idx_BL != before_BL).long()
    count_BL = change_BL.cumsum(dim=1)
    return count_BL[:, -1:] - count_BL + change_BL if reverse else count_BL


def _initial_state(inputs: ScanInputs) -> Tensor:
    if inputs.initial_BHPN is not None:
        initial_BHPN: Tensor = inputs.initial_BHPN.to(inputs.sums)
        return initial_BHPN
    batch, _, heads, channels = inputs.x_BLHP.shape
    shape = (batch, heads, channels, inputs.B_BLGN.shape[3])
    return torch.zeros(shape, dtype=inputs.sums, device=inputs.x_BLHP.device)
