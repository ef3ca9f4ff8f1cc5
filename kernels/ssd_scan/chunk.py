"""The scan of one chunk of Q samples as matrix products, and its gradients (Dao and Gu 2024, section 6).

With s the sums over time of dt * A and x~ = dt * x::

    y     = (C B^T * exp(s_i - s_j), 0 against time) x~  +  exp(s_i) C state
    state = exp(s_end) state  +  (exp(s_end - s_j) x~)^T B

Both directions are one computation: only the sums over time and the mask differ. Exponents are masked before they are
raised, never after.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

_LOG2_E = math.log2(math.e)
_VANISHED = -150.0
"""2 to this is 0 in float32; a decay beyond it would only cost the sums over a chunk their precision."""


class ChunkGradients(NamedTuple):
    """Of what a chunk was made of, and of the state that enters it."""

    dx_BQHP: Tensor
    ddt_BQH: Tensor
    dA_H: Tensor
    dB_BQGN: Tensor
    dC_BQGN: Tensor
    dstate_BHPN: Tensor


class Chunk:
    """One chunk.

    Args:
        x_BQHP: as the scan's, as B and C are.
        dt_BQH: after bias, softplus and limits, of the dtype of sums, as A is.
        A_H: see dt.
        B_BQGN: see x.
        C_BQGN: see x.
        runs_BQ: how many sequences have begun since the state that enters, up to each sample; None where none does.
        reverse: anti-causal.
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
        self.product = _product_dtype(x_BQHP)
        self.groups = B_BQGN.shape[2]
        self.dt_BQH, self.A_H = dt_BQH, A_H
        self.x_BQHP = x_BQHP.to(self.sums)
        self.scaled_BQHP = self.x_BQHP * dt_BQH[..., None]
        self.B_BGQN, self.C_BGQN = (t.to(self.product).transpose(1, 2) for t in (B_BQGN, C_BQGN))
        self.runs_BQ, self.reverse = runs_BQ, reverse
        # Powers of 2: torch's exp2 takes the same time for every exponent, its exp 30 times more where it underflows.
        step_BQH = (dt_BQH * (A_H * _LOG2_E)).clamp(min=_VANISHED)
        self.sum_BQH = step_BQH.cumsum(dim=1)
        self.total_BH = self.sum_BQH[:, -1]
        if reverse:
            self.sum_BQH = self.total_BH[:, None] - self.sum_BQH + step_BQH

    def outputs(self, state_BHPN: Tensor) -> Tensor:
        """y [B, Q, H, P] without the skip, of the dtype of sums."""
        weight_BHQQ = self._by_group(self._between()).mul_(self._scores()[:, :, None]).flatten(1, 2)
        within_BHQP = weight_BHQQ.to(self.product) @ self.scaled_BQHP.to(self.product).transpose(1, 2)
        entered_BQHP = self._entered(self.C_BGQN, state_BHPN)
        return torch.addcmul(within_BHQP.to(self.sums).transpose(1, 2), entered_BQHP, self._from_start()[..., None])

    def next_state(self, state_BHPN: Tensor) -> Tensor:
        """The state [B, H, P, N] that leaves the chunk."""
        gained_BHPN, kept_BH11 = self.passage()
        return torch.addcmul(gained_BHPN, state_BHPN, kept_BH11)

    def passage(self) -> tuple[Tensor, Tensor]:
        """What the state gains on its way through the chunk [B, H, P, N], and how much of it is kept [B, H, 1, 1]."""
        batch, _, heads, channels = self.x_BQHP.shape
        left_BGQR = self._merged(self.scaled_BQHP * self._to_end()[..., None])
        gained_BGRN = (left_BGQR.transpose(2, 3) @ self.B_BGQN).to(self.sums)
        return gained_BGRN.view(batch, heads, channels, self.B_BGQN.shape[3]), self._over_all()[..., None, None]

    def gradients(self, dy_BQHP: Tensor, dstate_BHPN: Tensor, state_BHPN: Tensor) -> ChunkGradients:
        """All gradients, from those of the outputs and of the state that leaves, for the state that enters."""
        dscaled_BQHP, dscores_BGQQ, dsum_BQH = self._gradients_within(dy_BQHP)
        to_end_BQH, from_start_BQH, over_all_BH = self._to_end(), self._from_start(), self._over_all()

        later_BGQR = self._merged(dy_BQHP * from_start_BQH[..., None])
        dC_BGQN = dscores_BGQQ @ self.B_BGQN + later_BGQR @ self._rows(state_BHPN)
        entered_BQHP = self._entered(self.C_BGQN, state_BHPN)
        dsum_BQH = dsum_BQH + from_start_BQH * (dy_BQHP * entered_BQHP).sum(3)

        left_BGQR = self._merged(self.scaled_BQHP * to_end_BQH[..., None])
        dB_BGQN = dscores_BGQQ.transpose(2, 3) @ self.C_BGQN + left_BGQR @ self._rows(dstate_BHPN)
        wanted_BQHP = self._entered(self.B_BGQN, dstate_BHPN)
        dscaled_BQHP = torch.addcmul(dscaled_BQHP, wanted_BQHP, to_end_BQH[..., None])
        dto_end_BQH = to_end_BQH * (self.scaled_BQHP * wanted_BQHP).sum(3)

        dtotal_BH = dto_end_BQH.sum(1) + over_all_BH * (state_BHPN * dstate_BHPN).sum((2, 3))
        dstep_BQH = self._dstep(dsum_BQH - dto_end_BQH) + dtotal_BH[:, None]
        entered_dstate_BHPN = (later_BGQR.transpose(2, 3) @ self.C_BGQN).to(self.sums).view(state_BHPN.shape)
        return ChunkGradients(
            dscaled_BQHP * self.dt_BQH[..., None],
            dstep_BQH * self.A_H + (dscaled_BQHP * self.x_BQHP).sum(3),
            (dstep_BQH * self.dt_BQH).sum((0, 1)),
            dB_BGQN.transpose(1, 2),
            dC_BGQN.transpose(1, 2),
            torch.addcmul(entered_dstate_BHPN, dstate_BHPN, over_all_BH[..., None, None]),
        )

    def _gradients_within(self, dy_BQHP: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """What the samples' weights on each other give to the gradients of x~, of C B^T and of s."""
        dy_BHQP = dy_BQHP.to(self.product).transpose(1, 2)
        between_BGJQQ = self._by_group(self._between())
        scores_BG1QQ = self._scores()[:, :, None]
        weight_BHQQ = (between_BGJQQ * scores_BG1QQ).flatten(1, 2).to(self.product)
        dscaled_BHQP = weight_BHQQ.transpose(2, 3) @ dy_BHQP
        dweight_BHQQ = (dy_BHQP @ self.scaled_BQHP.to(self.product).permute(0, 2, 3, 1)).to(self.sums)
        dscores_BGJQQ = between_BGJQQ.mul_(self._by_group(dweight_BHQQ))
        dscores_BGQQ = dscores_BGJQQ.sum(2).to(self.product)
        dexponent_BHQQ = dscores_BGJQQ.mul_(scores_BG1QQ).flatten(1, 2)
        dsum_BHQ = dexponent_BHQQ.sum(3) - dexponent_BHQQ.sum(2)
        return dscaled_BHQP.to(self.sums).transpose(1, 2), dscores_BGQQ, dsum_BHQ.transpose(1, 2)

    def _scores(self) -> Tensor:
        """C B^T [B, G, Q, Q]."""
        return (self.C_BGQN @ self.B_BGQN.transpose(2, 3)).to(self.sums)

    def _entered(self, C_BGQN: Tensor, state_BHPN: Tensor) -> Tensor:
        """C state: [B, Q, H, P]."""
        entered_BGQR = C_BGQN @ self._rows(state_BHPN).transpose(2, 3)
        return entered_BGQR.to(self.sums).transpose(1, 2).reshape(self.x_BQHP.shape)

    def _between(self) -> Tensor:
        """[B, H, Q, Q]: what time leaves from the sample of the last dimension to that of the last but one."""
        sum_BHQ = self.sum_BQH.transpose(1, 2).contiguous()
        size = sum_BHQ.shape[2]
        # Added, and not filled in by a mask: that takes half of the time of everything else here.
        never = torch.full((size, size), -torch.inf, dtype=sum_BHQ.dtype, device=sum_BHQ.device)
        never = never.tril(-1) if self.reverse else never.triu(1)
        if self.runs_BQ is not None:
            other = self.runs_BQ[:, :, None] != self.runs_BQ[:, None]
            never = never.masked_fill(other, -torch.inf)[:, None]
        return (sum_BHQ[..., :, None] - sum_BHQ[..., None, :]).add_(never).exp2_()

    def _to_end(self) -> Tensor:
        """[B, Q, H]: from each sample to the one that the chunk ends with, in the direction of the scan."""
        exponent_BQH = self.total_BH[:, None] - self.sum_BQH
        if self.runs_BQ is not None:
            exponent_BQH.masked_fill_((self.runs_BQ != self._last_run()[:, None])[..., None], -torch.inf)
        return exponent_BQH.exp2_()

    def _from_start(self) -> Tensor:
        """[B, Q, H]: from the state that enters to each sample."""
        if self.runs_BQ is None:
            return self.sum_BQH.exp2()
        return self.sum_BQH.masked_fill((self.runs_BQ != 0)[..., None], -torch.inf).exp2()

    def _over_all(self) -> Tensor:
        """[B, H]: from the state that enters to the one that leaves."""
        if self.runs_BQ is None:
            return self.total_BH.exp2()
        return self.total_BH.masked_fill((self._last_run() != 0)[:, None], -torch.inf).exp2()

    def _last_run(self) -> Tensor:
        assert self.runs_BQ is not None
        return self.runs_BQ[:, 0 if self.reverse else -1]

    def _dstep(self, dsum_BQH: Tensor) -> Tensor:
        """The gradient of dt * A: each is in the sums of all samples that come after it."""
        sum_BQH = dsum_BQH.cumsum(dim=1)
        return sum_BQH if self.reverse else sum_BQH[:, -1:] - sum_BQH + dsum_BQH

    def _by_group(self, of_heads: Tensor) -> Tensor:
        """[B, H, ...] to [B, G, J, ...], J the heads of a group."""
        batch, heads, *others = of_heads.shape
        return of_heads.reshape(batch, self.groups, heads // self.groups, *others)

    def _merged(self, of_samples_BQHP: Tensor) -> Tensor:
        """[B, Q, H, P] to [B, G, Q, R], R the channels of all heads of a group."""
        batch, size, heads, channels = of_samples_BQHP.shape
        merged = (batch, size, self.groups, heads // self.groups * channels)
        return of_samples_BQHP.to(self.product).reshape(merged).transpose(1, 2)

    def _rows(self, state_BHPN: Tensor) -> Tensor:
        """[B, H, P, N] to [B, G, R, N]."""
        return self._by_group(state_BHPN.to(self.product)).flatten(2, 3)


def _product_dtype(x: Tensor) -> torch.dtype:
    """What matrices are multiplied in: bfloat16 where an accelerator is built for it, else as sums are."""
    if x.dtype == torch.bfloat16 and x.device.type != "cpu":
        return torch.bfloat16
    return torch.float64 if x.dtype == torch.float64 else torch.float32
