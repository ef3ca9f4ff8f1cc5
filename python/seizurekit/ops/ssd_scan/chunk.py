"""The scan of one chunk of Q samples as matrix products, and its gradients (Dao and Gu 2024, section 6).

With s the cumulative sums over time of dt * A, and x~ = dt * x::

    y     = (C B^T * exp(s_i - s_j), masked where j is after i) x~  +  exp(s_i) C state
    state = exp(s_end) state  +  (exp(s_end - s_j) x~)^T B

The directions differ only in the sums over time and the mask. Exponents are masked before exp, never after it, which
would turn inf into NaN gradients. Factors of matrix products have the dtype of sums on every device: rounded to
bfloat16, they make errors of ddt twice as large as the trial accepts. J is the number of heads of a group, R = J * P
its channels.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

_LOG2_E = math.log2(math.e)
_VANISHED = -150.0
"""2 ** -150 is 0 in float32; smaller exponents would only cost precision of the sums over a chunk."""


class ChunkGradients(NamedTuple):
    """The gradients of the inputs of a chunk and of the state before it."""

    dx_BQHP: Tensor
    ddt_BQH: Tensor
    dA_H: Tensor
    dB_BQGN: Tensor
    dC_BQGN: Tensor
    dstate_BHPN: Tensor


class Chunk:
    """One chunk.

    Args:
        x_BQHP: x of the chunk.
        dt_BQH: dt after bias, softplus and limits, in the dtype of sums.
        A_H: A in the dtype of sums.
        B_BQGN: B of the chunk, x's dtype.
        C_BQGN: C of the chunk, x's dtype.
        runs_BQ: number of sequences that started between the state before the chunk and each sample; None if the scan
            has one sequence.
        reverse: the anti-causal direction.
    """

    def __init__(
        self,
        x_BQHP: Tensor,
        dt_BQH: Tensor,
        A_H: Tensor,
        B_BQGN: Tensor,
        C_BQGN: Tensor,
        runs_BQ: Tensor | None,
        reverse: bool,
    ) -> None:
        self.sums = dt_BQH.dtype
        self.groups = B_BQGN.shape[2]
        self.dt_BQH, self.A_H = dt_BQH, A_H
        self.x_BQHP = x_BQHP.to(self.sums)
        self.scaled_BQHP = self.x_BQHP * dt_BQH[..., None]
        self.B_BGQN, self.C_BGQN = (t.to(self.sums).transpose(1, 2) for t in (B_BQGN, C_BQGN))
        self.runs_BQ, self.reverse = runs_BQ, reverse
        # Powers of 2: torch's exp is 30 times slower where it underflows, its exp2 is not.
        step_BQH = (dt_BQH * (A_H * _LOG2_E)).clamp(min=_VANISHED)
        self.sum_BQH = step_BQH.cumsum(dim=1)
        self.total_BH = self.sum_BQH[:, -1]
        if reverse:
            self.sum_BQH = self.total_BH[:, None] - self.sum_BQH + step_BQH

    def outputs(self, state_BHPN: Tensor) -> Tensor:
        """y [B, Q, H, P] without the skip, in the dtype of sums."""
        weight_BHQQ = self._split_groups(self._between()).mul_(self._scores()[:, :, None]).flatten(1, 2)
        within_BHQP = weight_BHQQ @ self.scaled_BQHP.transpose(1, 2)
        from_state_BQHP = self._project(self.C_BGQN, state_BHPN)
        return torch.addcmul(within_BHQP.transpose(1, 2), from_state_BQHP, self._from_start()[..., None])

    def next_state(self, state_BHPN: Tensor) -> Tensor:
        """The state [B, H, P, N] after the chunk."""
        update_BHPN, decay_BH11 = self.state_update()
        return torch.addcmul(update_BHPN, state_BHPN, decay_BH11)

    def state_update(self) -> tuple[Tensor, Tensor]:
        """What the chunk adds to the state [B, H, P, N], and the factor by which the state decays [B, H, 1, 1]."""
        batch, _, heads, channels = self.x_BQHP.shape
        decayed_BGQR = self._merge_heads(self.scaled_BQHP * self._to_end()[..., None])
        update_BGRN = decayed_BGQR.transpose(2, 3) @ self.B_BGQN
        return update_BGRN.view(batch, heads, channels, self.B_BGQN.shape[3]), self._over_chunk()[..., None, None]

    def gradients(self, dy_BQHP: Tensor, dstate_BHPN: Tensor, state_BHPN: Tensor) -> ChunkGradients:
        """All gradients, given those of y and of the state after the chunk, and the state before it."""
        dscaled_BQHP, dscores_BGQQ, dsum_BQH = self._gradients_within(dy_BQHP)
        to_end_BQH, from_start_BQH, over_chunk_BH = self._to_end(), self._from_start(), self._over_chunk()

        # y of the chunk that comes from the state before it
        dfrom_state_BGQR = self._merge_heads(dy_BQHP * from_start_BQH[..., None])
        dC_BGQN = dscores_BGQQ @ self.B_BGQN + dfrom_state_BGQR @ self._rows(state_BHPN)
        from_state_BQHP = self._project(self.C_BGQN, state_BHPN)
        dsum_BQH = dsum_BQH + from_start_BQH * (dy_BQHP * from_state_BQHP).sum(3)

        # the state after the chunk that comes from its samples
        decayed_BGQR = self._merge_heads(self.scaled_BQHP * to_end_BQH[..., None])
        dB_BGQN = dscores_BGQQ.transpose(2, 3) @ self.C_BGQN + decayed_BGQR @ self._rows(dstate_BHPN)
        ddecayed_BQHP = self._project(self.B_BGQN, dstate_BHPN)
        dscaled_BQHP = torch.addcmul(dscaled_BQHP, ddecayed_BQHP, to_end_BQH[..., None])
        dto_end_BQH = to_end_BQH * (self.scaled_BQHP * ddecayed_BQHP).sum(3)

        dtotal_BH = dto_end_BQH.sum(1) + over_chunk_BH * (state_BHPN * dstate_BHPN).sum((2, 3))
        dstep_BQH = self._dstep(dsum_BQH - dto_end_BQH) + dtotal_BH[:, None]
        dstate_from_y_BHPN = (dfrom_state_BGQR.transpose(2, 3) @ self.C_BGQN).view(state_BHPN.shape)
        return ChunkGradients(
            dscaled_BQHP * self.dt_BQH[..., None],
            dstep_BQH * self.A_H + (dscaled_BQHP * self.x_BQHP).sum(3),
            (dstep_BQH * self.dt_BQH).sum((0, 1)),
            dB_BGQN.transpose(1, 2),
            dC_BGQN.transpose(1, 2),
            torch.addcmul(dstate_from_y_BHPN, dstate_BHPN, over_chunk_BH[..., None, None]),
        )

    def _gradients_within(self, dy_BQHP: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The parts of the gradients of x~, C B^T and s that come from y within the chunk."""
        dy_BHQP = dy_BQHP.transpose(1, 2)
        between_BGJQQ = self._split_groups(self._between())
        scores_BG1QQ = self._scores()[:, :, None]
        weight_BHQQ = (between_BGJQQ * scores_BG1QQ).flatten(1, 2)
        dscaled_BHQP = weight_BHQQ.transpose(2, 3) @ dy_BHQP
        dweight_BHQQ = dy_BHQP @ self.scaled_BQHP.permute(0, 2, 3, 1)
        dscores_BGJQQ = between_BGJQQ.mul_(self._split_groups(dweight_BHQQ))
        dscores_BGQQ = dscores_BGJQQ.sum(2)
        dexponent_BHQQ = dscores_BGJQQ.mul_(scores_BG1QQ).flatten(1, 2)
        dsum_BHQ = dexponent_BHQQ.sum(3) - dexponent_BHQQ.sum(2)
        return dscaled_BHQP.transpose(1, 2), dscores_BGQQ, dsum_BHQ.transpose(1, 2)

    def _scores(self) -> Tensor:
        """C B^T [B, G, Q, Q]."""
        return self.C_BGQN @ self.B_BGQN.transpose(2, 3)

    def _project(self, C_BGQN: Tensor, state_BHPN: Tensor) -> Tensor:
        """C state [B, Q, H, P]."""
        product_BGQR = C_BGQN @ self._rows(state_BHPN).transpose(2, 3)
        return product_BGQR.transpose(1, 2).reshape(self.x_BQHP.shape)

    def _between(self) -> Tensor:
        """Decay [B, H, Q, Q] from the sample of the last dimension to that of the one before it; 0 against time."""
        sum_BHQ = self.sum_BQH.transpose(1, 2).contiguous()
        size = sum_BHQ.shape[2]
        # Added instead of masked_fill, which takes half as long as all the rest of this function.
        mask = torch.full((size, size), -torch.inf, dtype=sum_BHQ.dtype, device=sum_BHQ.device)
        mask = mask.tril(-1) if self.reverse else mask.triu(1)
        if self.runs_BQ is not None:
            other = self.runs_BQ[:, :, None] != self.runs_BQ[:, None]
            mask = mask.masked_fill(other, -torch.inf)[:, None]
        return (sum_BHQ[..., :, None] - sum_BHQ[..., None, :]).add_(mask).exp2_()

    def _to_end(self) -> Tensor:
        """Decay [B, Q, H] from each sample to the last one in the direction of the scan."""
        exponent_BQH = self.total_BH[:, None] - self.sum_BQH
        if self.runs_BQ is not None:
            exponent_BQH.masked_fill_((self.runs_BQ != self._last_run()[:, None])[..., None], -torch.inf)
        return exponent_BQH.exp2_()

    def _from_start(self) -> Tensor:
        """Decay [B, Q, H] from the state before the chunk to each sample."""
        if self.runs_BQ is None:
            return self.sum_BQH.exp2()
        return self.sum_BQH.masked_fill((self.runs_BQ != 0)[..., None], -torch.inf).exp2()

    def _over_chunk(self) -> Tensor:
        """Decay [B, H] from the state before the chunk to the state after it."""
        if self.runs_BQ is None:
            return self.total_BH.exp2()
        return self.total_BH.masked_fill((self._last_run() != 0)[:, None], -torch.inf).exp2()

    def _last_run(self) -> Tensor:
        assert self.runs_BQ is not None
        return self.runs_BQ[:, 0 if self.reverse else -1]

    def _dstep(self, dsum_BQH: Tensor) -> Tensor:
        """The gradient of dt * A: each is part of the sums of all samples after it."""
        sum_BQH = dsum_BQH.cumsum(dim=1)
        return sum_BQH if self.reverse else sum_BQH[:, -1:] - sum_BQH + dsum_BQH

    def _split_groups(self, per_head: Tensor) -> Tensor:
        """[B, H, ...] to [B, G, J, ...]."""
        batch, heads, *others = per_head.shape
        return per_head.reshape(batch, self.groups, heads // self.groups, *others)

    def _merge_heads(self, samples_BQHP: Tensor) -> Tensor:
        """[B, Q, H, P] to [B, G, Q, R]."""
        batch, size, heads, channels = samples_BQHP.shape
        shape = (batch, size, self.groups, heads // self.groups * channels)
        return samples_BQHP.reshape(shape).transpose(1, 2)

    def _rows(self, state_BHPN: Tensor) -> Tensor:
        """[B, H, P, N] to [B, G, R, N]."""
        return self._split_groups(state_BHPN).flatten(2, 3)
