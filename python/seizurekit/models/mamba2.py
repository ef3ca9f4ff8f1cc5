"""The Mamba-2 block (Dao and Gu 2024), with the constructor, parameters and initialization of mamba_ssm's Mamba2.

State dicts of the two are interchangeable. Shapes: B batch, L length, H heads, P channels per head, G groups, N states
per channel.
"""

from __future__ import annotations

import math
import warnings
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from seizurekit import ops
from seizurekit.models.norm import RMSNorm

_WIDTHS = (2, 3, 4)
_ALIGNED = 8
_NOT_DECAYED = ("dt_bias", "A_log", "D")


class Mamba2(nn.Module):
    """One block; maps features to features of the same shape.

    The input is projected to [z, x, B, C, dt]. [x, B, C] go through a causal convolution and SiLU, then through the
    state-space scan. The result is gated by z, normalized and projected back.

    Args:
        d_model: input and output features.
        d_state: N.
        d_conv: taps of the convolution, 2 to 4.
        conv_init: bound of the uniform distribution that initializes the filters; None for torch's default.
        expand: the inner features are ``expand * d_model``.
        headdim: P.
        d_ssm: number of inner features that go through the scan, None for all; the others go through a gated MLP.
        ngroups: G, a divisor of H.
        A_init_range: range of the initial -A.
        D_has_hdim: one skip factor per channel instead of one per head.
        rmsnorm: whether a norm follows the scan.
        norm_before_gate: whether the norm comes before the gate.
        dt_min: smallest initial dt.
        dt_max: largest initial dt.
        dt_init_floor: lower bound of the initial dt.
        dt_limit: dt is clamped to this range.
        bias: whether both projections have a bias.
        conv_bias: whether the convolution has a bias.
        chunk_size: chunk size of the scan; affects speed only.
        use_mem_eff_path: accepted for compatibility; the only path keeps little memory.
        layer_idx: stored, not used.
        process_group: must be None; a block cannot be split across devices.
        sequence_parallel: accepted for compatibility.
        device: device of the parameters.
        dtype: dtype of the parameters.
        reverse: the anti-causal direction: ``flip(Mamba2(flip(u)))`` without flipping anything in memory.

    Raises:
        ValueError: an argument is invalid; names the argument, its value and the expected one.
    """

    def __init__(
        self,
        d_model: int,
        d_state: int = 128,
        d_conv: int = 4,
        conv_init: float | None = None,
        expand: int = 2,
        headdim: int = 64,
        d_ssm: int | None = None,
        ngroups: int = 1,
        A_init_range: tuple[float, float] = (1, 16),
        D_has_hdim: bool = False,
        rmsnorm: bool = True,
        norm_before_gate: bool = False,
        dt_min: float = 0.001,
        dt_max: float = 0.1,
        dt_init_floor: float = 1e-4,
        dt_limit: tuple[float, float] = (0.0, float("inf")),
        bias: bool = False,
        conv_bias: bool = True,
        chunk_size: int = 256,
        use_mem_eff_path: bool = True,
        layer_idx: int | None = None,
        process_group: Any = None,
        sequence_parallel: bool = True,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        *,
        reverse: bool = False,
    ) -> None:
        super().__init__()
        if process_group is not None:
            raise ValueError("process_group is given, expected None: a block cannot be split across devices")
        if d_conv not in _WIDTHS:
            raise ValueError(f"d_conv is {d_conv}, expected 2, 3 or 4")
        if not 0 < A_init_range[0] <= A_init_range[1]:
            raise ValueError(f"A_init_range is {tuple(A_init_range)}, expected two ascending numbers above 0")
        self.d_model, self.d_state, self.d_conv = d_model, d_state, d_conv
        self.conv_init, self.expand, self.headdim, self.ngroups = conv_init, expand, headdim, ngroups
        self.d_inner = expand * d_model
        self.d_ssm = self.d_inner if d_ssm is None else d_ssm
        self.nheads = _heads(self.d_inner, self.d_ssm, headdim, ngroups)
        self.D_has_hdim, self.rmsnorm, self.norm_before_gate = D_has_hdim, rmsnorm, norm_before_gate
        self.dt_limit, self.chunk_size = (float(dt_limit[0]), float(dt_limit[1])), chunk_size
        self.activation = "silu"
        self.use_mem_eff_path, self.layer_idx, self.reverse = use_mem_eff_path, layer_idx, reverse

        states = ngroups * d_state
        self.conv_dim = self.d_ssm + 2 * states
        d_in_proj = 2 * self.d_inner + 2 * states + self.nheads
        _warn_if_unaligned(self.d_ssm, headdim, self.nheads, d_in_proj)
        self.in_proj = nn.Linear(d_model, d_in_proj, bias=bias, device=device, dtype=dtype)
        self.conv1d = nn.Conv1d(
            self.conv_dim,
            self.conv_dim,
            d_conv,
            groups=self.conv_dim,
            padding=d_conv - 1,
            bias=conv_bias,
            device=device,
            dtype=dtype,
        )
        if conv_init is not None:
            nn.init.uniform_(self.conv1d.weight, -conv_init, conv_init)
        self.dt_bias = nn.Parameter(_initial_dt_bias(self.nheads, dt_min, dt_max, dt_init_floor, device, dtype))
        A = torch.empty(self.nheads, dtype=torch.float32, device=device).uniform_(*A_init_range)
        self.A_log = nn.Parameter(A.log().to(dtype=dtype))
        self.D = nn.Parameter(torch.ones(self.d_ssm if D_has_hdim else self.nheads, device=device))
        for name in _NOT_DECAYED:
            setattr(getattr(self, name), "_no_weight_decay", True)  # noqa: B010 - the attribute that mamba_ssm sets
        if rmsnorm:
            self.norm = RMSNorm(self.d_ssm, ngroups, norm_before_gate, device=device, dtype=dtype)
        self.out_proj = nn.Linear(self.d_inner, d_model, bias=bias, device=device, dtype=dtype)

    def forward(
        self,
        u: Tensor,
        seqlen: int | None = None,
        seq_idx: Tensor | None = None,
        cu_seqlens: Tensor | None = None,
        inference_params: Any = None,
        *,
        conv_state: Tensor | None = None,
        ssm_state: Tensor | None = None,
    ) -> Tensor:
        """Applies the block to a whole signal, or to the next piece of one.

        Args:
            u: [B, L, d_model].
            seqlen: not supported, must be None; neither are packed sequences and the state cache of mamba_ssm.
            seq_idx: as seqlen.
            cu_seqlens: as seqlen.
            inference_params: as seqlen; pass the states instead.
            conv_state: with `ssm_state`, the states after the samples before u, from `allocate_inference_cache`. They
                are updated in place, and no gradients flow through them.
            ssm_state: see `conv_state`.

        Returns:
            [B, L, d_model].

        Raises:
            ValueError: the shape of u is wrong, or an argument is not supported.
        """
        others = {"seqlen": seqlen, "seq_idx": seq_idx, "cu_seqlens": cu_seqlens, "inference_params": inference_params}
        for name, value in others.items():
            if value is not None:
                raise ValueError(f"{name}: type is {type(value).__name__}, expected None: not supported")
        if u.ndim != 3 or u.shape[2] != self.d_model:
            raise ValueError(f"u: shape is {tuple(u.shape)}, expected [B, L, {self.d_model}]")
        if (conv_state is None) != (ssm_state is None):
            raise ValueError("conv_state, ssm_state: one of them is None, expected both or neither")
        z0, x0, z, xBC, dt = self._project(u)
        xBC = self._convolve(xBC, conv_state)
        y, final = self._scan(xBC, z, dt, ssm_state)
        if ssm_state is not None:
            ssm_state.copy_(final.detach())
        return self._to_output(y, z, z0, x0)

    def step(self, hidden_states: Tensor, conv_state: Tensor, ssm_state: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Applies the block to one more sample, for streaming; equals `forward`, without gradients for the states.

        Args:
            hidden_states: [B, 1, d_model].
            conv_state: [B, channels, d_conv], updated in place.
            ssm_state: [B, H, P, N], updated in place.

        Returns:
            The output [B, 1, d_model] and both states.

        Raises:
            ValueError: the block is anti-causal, or a shape does not fit.
        """
        if self.reverse:
            raise ValueError("step: a Mamba2 with reverse=True cannot stream: its first output needs the last input")
        if hidden_states.shape[1:] != (1, self.d_model):
            raise ValueError(f"hidden_states: shape is {tuple(hidden_states.shape)}, expected [B, 1, {self.d_model}]")
        z0, x0, z, xBC, dt = (t[:, 0] for t in self._project(hidden_states))
        weight, bias = self.conv1d.weight[:, 0], self.conv1d.bias
        xBC = ops.causal_conv1d_update(xBC, conv_state, weight, bias, self.activation)
        x, B, C = self._split(xBC)
        y = ops.ssd_step(
            ssm_state,
            x,
            dt,
            self._A(),
            B,
            C,
            D=self._D(),
            z=None if self.rmsnorm else _split_last(z, self.nheads, self.headdim),
            dt_bias=self.dt_bias,
            dt_softplus=True,
            dt_limit=self.dt_limit,
        )
        return self._to_output(y, z, z0, x0)[:, None], conv_state, ssm_state

    def allocate_inference_cache(
        self, batch_size: int, max_seqlen: int = 1, dtype: torch.dtype | None = None, **kwargs: Any
    ) -> tuple[Tensor, Tensor]:
        """States of zeros to start a stream: [B, channels, d_conv] of the convolution and [B, H, P, N] of the scan.

        Args:
            batch_size: B.
            max_seqlen: not used; the states do not grow.
            dtype: dtype of both; None for that of the parameters, and float32 (float64 for float64) for the scan, which
                sums over all time.
            kwargs: accepted for compatibility.
        """
        weight = self.conv1d.weight
        conv_state = weight.new_zeros((batch_size, self.d_conv, self.conv_dim), dtype=dtype).transpose(1, 2)
        shape = (batch_size, self.nheads, self.headdim, self.d_state)
        wide = torch.float64 if weight.dtype == torch.float64 else torch.float32
        return conv_state, weight.new_zeros(shape, dtype=dtype or wide)

    def _project(self, u: Tensor) -> tuple[Tensor, ...]:
        """z0 and x0 of the gated MLP, z, [x, B, C] and dt."""
        d_mlp = self.d_inner - self.d_ssm
        sizes = [d_mlp, d_mlp, self.d_ssm, self.conv_dim, self.nheads]
        return torch.split(self.in_proj(u), sizes, dim=-1)

    def _convolve(self, xBC: Tensor, state: Tensor | None) -> Tensor:
        """Maps [B, L, channels] to the same shape; updates the state."""
        # A copy, like that of the scan's state: the backward pass needs the values that are overwritten here.
        before = None if state is None else state[..., 1:].to(xBC.dtype, copy=True)
        y = ops.causal_conv1d(
            xBC.transpose(1, 2),
            self.conv1d.weight[:, 0],
            self.conv1d.bias,
            self.activation,
            initial_state=before,
            reverse=self.reverse,
        )
        if state is not None:
            newest = xBC.detach().transpose(1, 2)
            if self.reverse:
                newest = newest[..., : self.d_conv].flip(-1)
            state.copy_(torch.cat((state, newest), dim=-1)[..., -self.d_conv :])
        return y.transpose(1, 2)

    def _scan(self, xBC: Tensor, z: Tensor, dt: Tensor, state: Tensor | None) -> tuple[Tensor, Tensor]:
        x, B, C = self._split(xBC)
        return ops.ssd_scan(
            x,
            dt,
            self._A(),
            B,
            C,
            self.chunk_size,
            D=self._D(),
            z=None if self.rmsnorm else _split_last(z, self.nheads, self.headdim),
            dt_bias=self.dt_bias,
            initial_states=None if state is None else state.clone(),
            dt_softplus=True,
            dt_limit=self.dt_limit,
            return_final_states=True,
            reverse=self.reverse,
        )

    def _to_output(self, y: Tensor, z: Tensor, z0: Tensor, x0: Tensor) -> Tensor:
        y = y.flatten(-2)
        if self.rmsnorm:
            y = self.norm(y, z)
        if self.d_ssm < self.d_inner:
            y = torch.cat((functional.silu(z0) * x0, y), dim=-1)
        out: Tensor = self.out_proj(y)
        return out

    def _split(self, xBC: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """x [..., H, P], B and C [..., G, N]."""
        states = self.ngroups * self.d_state
        x, B, C = torch.split(xBC, [self.d_ssm, states, states], dim=-1)
        B, C = (_split_last(t, self.ngroups, self.d_state) for t in (B, C))
        return _split_last(x, self.nheads, self.headdim), B, C

    def _A(self) -> Tensor:  # noqa: N802 - the name in the paper
        wide = torch.float64 if self.A_log.dtype == torch.float64 else torch.float32
        return -torch.exp(self.A_log.to(wide))

    def _D(self) -> Tensor:  # noqa: N802 - the name in the paper
        return self.D.view(self.nheads, self.headdim) if self.D_has_hdim else self.D


def _split_last(features: Tensor, parts: int, size: int) -> Tensor:
    """Maps [..., parts * size] to [..., parts, size]."""
    return features.reshape(*features.shape[:-1], parts, size)


def _heads(d_inner: int, d_ssm: int, headdim: int, ngroups: int) -> int:
    if headdim < 1 or d_inner % headdim:
        raise ValueError(f"headdim is {headdim}, expected a divisor of expand * d_model = {d_inner}")
    if not 0 < d_ssm <= d_inner or d_ssm % headdim:
        raise ValueError(f"d_ssm is {d_ssm}, expected a multiple of headdim ({headdim}) up to {d_inner}")
    heads = d_ssm // headdim
    if ngroups < 1 or heads % ngroups:
        raise ValueError(f"ngroups is {ngroups}, expected a divisor of the {heads} heads")
    return heads


def _initial_dt_bias(
    heads: int,
    dt_min: float,
    dt_max: float,
    floor: float,
    device: torch.device | str | None,
    dtype: torch.dtype | None,
) -> Tensor:
    """The inverse softplus of dt that are log-uniformly distributed."""
    uniform = torch.rand(heads, device=device, dtype=dtype)
    dt = torch.exp(uniform * (math.log(dt_max) - math.log(dt_min)) + math.log(dt_min)).clamp(min=floor)
    return dt + torch.log(-torch.expm1(-dt))


def _warn_if_unaligned(d_ssm: int, headdim: int, heads: int, d_in_proj: int) -> None:
    if heads % _ALIGNED == 0:
        return
    warnings.warn(
        f"Mamba2: number of heads is {d_ssm} / {headdim} = {heads}, expected a multiple of {_ALIGNED}: in_proj has"
        f" {d_in_proj} outputs, a stride that the package causal-conv1d does not support. seizurekit uses another back"
        " end, but mamba_ssm with that package cannot run this block",
        stacklevel=1,  # the same line for all blocks, so that Python's filter shows the warning once
    )
