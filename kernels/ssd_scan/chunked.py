"""The scan by chunks of matrix products in plain torch, on any device: the back end ``torch``.

Within a chunk the outputs are those of a masked attention, ``(C B^T * decay) (dt x)``; between chunks one state a head
is handed on (Dao and Gu 2024, section 6). Both directions are one computation: only the sums over time, the mask and
the order of the chunks differ. Memory is linear in the length.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from seizurekit.kernels.ssd_scan.arguments import Gradients, ScanInputs, ScanOptions
from seizurekit.kernels.ssd_scan.recompute import recomputed_gradients
from seizurekit.kernels.ssd_scan.reference import step_sizes, with_skip
from seizurekit.kernels.ssd_scan.reference import why_not as why_not
from seizurekit.kernels.ssd_scan.reference import why_not_call as why_not_call

_CPU_CHUNK, _DEVICE_CHUNK = 64, 256
_VANISHED = -104.0
"""exp of this is 0 in float32; a decay beyond it would only cost the sums over a chunk their precision."""


def forward(inputs: ScanInputs, options: ScanOptions) -> tuple[Tensor, Tensor]:
    """See `seizurekit.kernels.ssd_scan.reference.forward`."""
    x_BLHP, sums = inputs.x_BLHP, inputs.sums
    batch, length, heads, channels = x_BLHP.shape
    groups, states = inputs.B_BLGN.shape[2:]
    if inputs.initial_BHPN is None:
        initial_BHPN = x_BLHP.new_zeros((batch, heads, channels, states), dtype=sums)
    else:
        initial_BHPN = inputs.initial_BHPN.to(sums)
    if x_BLHP.numel() == 0 or states == 0:
        # Every input stays in the graph, so that each has a gradient, of zeros.
        return with_skip(x_BLHP.to(sums) * 0, inputs).to(x_BLHP.dtype), initial_BHPN.clone()

    chunk = _chunk_size(x_BLHP, options)
    product = _product_dtype(x_BLHP)
    dt_BLH = step_sizes(inputs, options)
    dt_BKQH = _in_chunks(dt_BLH, chunk)  # the samples that fill the last chunk have dt 0: they change no state
    decay = _Decay(dt_BKQH, inputs.A_H.to(sums), _sequences_in_chunks(inputs, options, chunk), options.reverse)
    x_BKQHP = _in_chunks(x_BLHP.to(sums), chunk) * dt_BKQH[..., None]
    B_BKGQN = _in_chunks(inputs.B_BLGN.to(product), chunk).transpose(2, 3)
    C_BKGQN = _in_chunks(inputs.C_BLGN.to(product), chunk).transpose(2, 3)
    y_BKQHP = _within_chunks(x_BKQHP.to(product), B_BKGQN, C_BKGQN, decay).to(sums)

    gained_BKGNR = B_BKGQN.transpose(3, 4) @ _by_group(x_BKQHP * decay.to_end()[..., None], groups).to(product)
    initial_BGNR = _state_by_group(initial_BHPN, groups)
    entering_BKGNR, final_BGNR = _handed_on(gained_BKGNR.to(sums), initial_BGNR, decay.over_chunk(groups), options)
    from_before_BKGQR = (C_BKGQN @ entering_BKGNR.to(product)).to(sums)
    from_before_BKQHP = from_before_BKGQR.transpose(2, 3).reshape(y_BKQHP.shape)
    y_BKQHP = torch.addcmul(y_BKQHP, from_before_BKQHP, decay.from_start()[..., None])

    y_BLHP = with_skip(y_BKQHP.flatten(1, 2)[:, :length], inputs).to(x_BLHP.dtype)
    final_BHPN = final_BGNR.unflatten(3, (heads // groups, channels)).permute(0, 1, 3, 4, 2).flatten(1, 2)
    return y_BLHP.contiguous(), final_BHPN.contiguous()


def backward(
    dy_BLHP: Tensor, dfinal_BHPN: Tensor | None, inputs: ScanInputs, options: ScanOptions
) -> Gradients:
    """See `seizurekit.kernels.ssd_scan.reference.backward`."""
    return recomputed_gradients(forward, dy_BLHP, dfinal_BHPN, inputs, options)


class _Decay:
    """What is left of a contribution after some time: exp of sums of dt * A, masked before exp, never after.

    Args:
        dt_BKQH: dt, by chunks.
        A_H: as given.
        seq_BKQ: numbers of the packed sequences by chunks, or None.
        reverse: anti-causal.
    """

    def __init__(self, dt_BKQH: Tensor, A_H: Tensor, seq_BKQ: Tensor | None, reverse: bool) -> None:
        step_BKQH = (dt_BKQH * A_H).clamp(min=_VANISHED)
        self.sum_BKQH = step_BKQH.cumsum(dim=2)
        self.total_BKH = self.sum_BKQH[:, :, -1]
        if reverse:
            self.sum_BKQH = self.total_BKH[:, :, None] - self.sum_BKQH + step_BKQH
        self.seq_BKQ = seq_BKQ
        self.reverse = reverse

    def between(self) -> Tensor:
        """[B, K, H, Q, Q]: from the sample of the last dimension to that of the last but one; 0 against time."""
        sum_BKHQ = self.sum_BKQH.transpose(2, 3)
        chunk = sum_BKHQ.shape[3]
        earlier = sum_BKHQ.new_ones((chunk, chunk), dtype=torch.bool).tril()
        never = ~(earlier.T if self.reverse else earlier)
        if self.seq_BKQ is not None:
            never = never | (self.seq_BKQ[..., :, None] != self.seq_BKQ[..., None, :])[:, :, None]
        exponent = sum_BKHQ[..., :, None] - sum_BKHQ[..., None, :]
        return exponent.masked_fill_(never, -torch.inf).exp_()

    def to_end(self) -> Tensor:
        """[B, K, Q, H]: from each sample to the one that its chunk ends with, in the direction of the scan."""
        exponent = self.total_BKH[:, :, None] - self.sum_BKQH
        if self.seq_BKQ is not None:
            exponent = exponent.masked_fill((self.seq_BKQ != self._last_seq()[..., None])[..., None], -torch.inf)
        return exponent.exp()

    def from_start(self) -> Tensor:
        """[B, K, Q, H]: from the state that enters a chunk to each sample."""
        if self.seq_BKQ is None:
            return self.sum_BKQH.exp()
        return self.sum_BKQH.masked_fill((self.seq_BKQ != self._seq_before()[..., None])[..., None], -torch.inf).exp()

    def over_chunk(self, groups: int) -> Tensor:
        """[B, K, G, 1, H / G, 1]: from the state that enters a chunk to the one that leaves it."""
        exponent = self.total_BKH
        if self.seq_BKQ is not None:
            exponent = exponent.masked_fill((self._last_seq() != self._seq_before())[..., None], -torch.inf)
        return exponent.exp().unflatten(2, (groups, -1))[:, :, :, None, :, None]

    def _last_seq(self) -> Tensor:
        assert self.seq_BKQ is not None
        return self.seq_BKQ[:, :, 0 if self.reverse else -1]

    def _seq_before(self) -> Tensor:
        last_BK = self._last_seq()
        first = torch.zeros_like(last_BK[:, :1])
        return torch.cat((last_BK[:, 1:], first) if self.reverse else (first, last_BK[:, :-1]), dim=1)


def _within_chunks(x_BKQHP: Tensor, B_BKGQN: Tensor, C_BKGQN: Tensor, decay: _Decay) -> Tensor:
    """What the samples of a chunk give to each other: [B, K, Q, H, P]."""
    batch, chunks, groups, chunk, _ = B_BKGQN.shape
    scores_BKGQQ = C_BKGQN @ B_BKGQN.transpose(3, 4)
    weight_BKHQQ = decay.between()
    weight = weight_BKHQQ.view(batch, chunks, groups, -1, chunk, chunk) * scores_BKGQQ[:, :, :, None]
    y_BKHQP = weight.flatten(2, 3).to(x_BKQHP.dtype) @ x_BKQHP.transpose(2, 3)
    return y_BKHQP.transpose(2, 3)


def _handed_on(
    gained_BKGNR: Tensor, state_BGNR: Tensor, decay: Tensor, options: ScanOptions
) -> tuple[Tensor, Tensor]:
    """The state that enters each chunk, and the final one."""
    chunks = gained_BKGNR.shape[1]
    heads = decay.shape[4]
    entering = [state_BGNR] * chunks
    for k in reversed(range(chunks)) if options.reverse else range(chunks):
        entering[k] = state_BGNR
        kept = (state_BGNR.unflatten(3, (heads, -1)) * decay[:, k]).flatten(3)
        state_BGNR = kept + gained_BKGNR[:, k]
    return torch.stack(entering, dim=1), state_BGNR


def _chunk_size(x_BLHP: Tensor, options: ScanOptions) -> int:
    most = _CPU_CHUNK if x_BLHP.device.type == "cpu" else _DEVICE_CHUNK
    return min(options.chunk_size or most, most, x_BLHP.shape[1])


def _product_dtype(x_BLHP: Tensor) -> torch.dtype:
    """What matrices are multiplied in: bfloat16 where an accelerator is built for it, else as sums are."""
    if x_BLHP.dtype == torch.bfloat16 and x_BLHP.device.type != "cpu":
        return torch.bfloat16
    return torch.float64 if x_BLHP.dtype == torch.float64 else torch.float32


def _in_chunks(tensor: Tensor, chunk: int) -> Tensor:
    """[B, L, a, b] to [B, K, Q, a, b], the last chunk filled with zeros."""
    missing = -tensor.shape[1] % chunk
    if missing:
        tensor = functional.pad(tensor, (0, 0) * (tensor.ndim - 2) + (0, missing))
    return tensor.unflatten(1, (-1, chunk))


def _sequences_in_chunks(inputs: ScanInputs, options: ScanOptions, chunk: int) -> Tensor | None:
    """[B, K, Q]: how often the sequence has changed up to each sample; the initial state stands before any change."""
    seq_BL = inputs.seq_idx_BL
    if seq_BL is None:
        return None
    first = torch.zeros_like(seq_BL[:, :1])
    before_BL = torch.cat((seq_BL[:, 1:], first) if options.reverse else (first, seq_BL[:, :-1]), dim=1)
    change_BL = (seq_BL != before_BL).long()
    count_BL = change_BL.cumsum(dim=1)
    if options.reverse:
        count_BL = count_BL[:, -1:] - count_BL + change_BL
    # The samples that fill the last chunk change nothing: they belong to what is beside them in the order of the scan.
    beside = first if options.reverse else count_BL[:, -1:]
    return torch.cat((count_BL, beside.expand(-1, -seq_BL.shape[1] % chunk)), dim=1).unflatten(1, (-1, chunk))


def _by_group(x_BKQHP: Tensor, groups: int) -> Tensor:
    """[B, K, G, Q, R], R the channels of all heads of a group."""
    return x_BKQHP.unflatten(3, (groups, -1)).flatten(4).transpose(2, 3)


def _state_by_group(state_BHPN: Tensor, groups: int) -> Tensor:
    """[B, G, N, R]."""
    return state_BHPN.unflatten(1, (groups, -1)).flatten(2, 3).transpose(2, 3)
