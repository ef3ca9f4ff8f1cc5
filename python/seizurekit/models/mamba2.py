"""Mamba-2's block (Dao and Gu 2024), with the constructor, parameters and initialisation of mamba_ssm's.

A state dict moves both ways. Shapes: B batch, L length, H heads, P channels a head, G groups, N states a channel.
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
    """One block, from features to features of the same shape.

    The input is projected to [z, x, B, C, dt]; [x, B, C] go through a causal convolution and SiLU, then through the
    state-space scan; the result is gated by z, normalised and projected back.

    Args:
        d_model: features in and out.
        d_state: N.
        d_conv: taps of the convolution, 2 to 4.
        conv_init: bound of the uniform distribution that the filters are drawn from; None for torch's own.
        expand: the inner features are ``expand * d_model``.
        headdim: P.
        d_ssm: how many of the inner features go through the scan, all for None; the rest is a gated MLP.
        ngroups: G, which divides the heads.
        A_init_range: bounds between which -A starts.
        D_has_hdim: a skip factor for every channel, not only for every head.
        rmsnorm: whether there is a norm behind the scan.
        norm_before_gate: whether it comes before the gate.
        dt_min: least initial dt.
        dt_max: largest initial dt.
        dt_init_floor: initial dt are not below this.
        dt_limit: dt is clamped to this.
        bias: whether both projections have one.
        conv_bias: whether the convolution has one.
        chunk_size: of the scan; a matter of speed only.
        use_mem_eff_path: accepted for compatibility; there is one path, and it keeps little memory.
        layer_idx: kept, not used.
        process_group: must be None: a block is not divided among devices.
        sequence_parallel: accepted for compatibility.
        device: of the parameters.
        dtype: of the parameters.
        reverse: the anti-causal direction: what ``flip(Mamba2(flip(u)))`` computes, but nothing is flipped in memory.

    Raises:
        ValueError: an argument that no block can be built of; names it, what was found and what was wanted.
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
            raise ValueError("process_group: found one, wanted None: a block is not divided among devices")
        if d_conv not in _WIDTHS:
            raise ValueError(f"d_conv: found {d_conv}, wanted 2, 3 or 4")
        if not 0 < A_init_range[0] <= A_init_range[1]:
            raise ValueError(f"A_init_range: found {tuple(A_init_range)}, wanted two numbers above 0, the lesser first")
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
            setattr(getattr(self, name), "_no_weight_decay", True)  # noqa: B010 - as mamba_ssm marks them
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
        """The block over a whole signal, or over the next piece of one.

        Args:
            u: [B, L, d_model].
            seqlen: not supported, nor are packed sequences and mamba_ssm's cache of states; must be None.
            seq_idx: as seqlen.
            cu_seqlens: as seqlen.
            inference_params: as seqlen; give the states instead.
            conv_state: with `ssm_state`, as `allocate_inference_cache` makes them: the states after the samples before
                u. They are brought up to date in place and not differentiated through.
            ssm_state: see `conv_state`.

        Returns:
            [B, L, d_model].

        Raises:
            ValueError: u does not fit, or something that is not supported was given.
        """
        given = {"seqlen": seqlen, "seq_idx": seq_idx, "cu_seqlens": cu_seqlens, "inference_params": inference_params}
        for name, value in given.items():
            if value is not None:
                raise ValueError(
                    f"{name}: found {type(value).__name__}, wanted None: Mamba2.forward does not support it"
                )
        if u.ndim != 3 or u.shape[2] != self.d_model:
            raise ValueError(f"u: found shape {tuple(u.shape)}, wanted [B, L, {self.d_model}]")
        if (conv_state is None) != (ssm_state is None):
            raise ValueError("conv_state, ssm_state: found one of them, wanted both or neither")
        z0, x0, z, xBC, dt = self._projected(u)
        xBC = self._convolved(xBC, conv_state)
        y, final = self._scanned(xBC, z, dt, ssm_state)
        if ssm_state is not None:
            ssm_state.copy_(final.detach())
        return self._to_output(y, z, z0, x0)

    def step(self, hidden_states: Tensor, conv_state: Tensor, ssm_state: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """One more sample, for streaming: sample for sample what `forward` gives; not differentiable in the states.

        Args:
            hidden_states: [B, 1, d_model].
            conv_state: [B, channels, d_conv], changed in place.
            ssm_state: [B, H, P, N], changed in place.

        Returns:
            [B, 1, d_model], and the two states.

        Raises:
            ValueError: the block is anti-causal, or a shape does not fit.
        """
        if self.reverse:
            raise ValueError("step: a Mamba2 with reverse=True cannot stream: its first output needs the last input")
        if hidden_states.shape[1:] != (1, self.d_model):
            raise ValueError(f"hidden_states: found shape {tuple(hidden_states.shape)}, wanted [B, 1, {self.d_model}]")
        z0, x0, z, xBC, dt = (t[:, 0] for t in self._projected(hidden_states))
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
            z=None if self.rmsnorm else _divided(z, self.nheads, self.headdim),
            dt_bias=self.dt_bias,
            dt_softplus=True,
            dt_limit=self.dt_limit,
        )
        return self._to_output(y, z, z0, x0)[:, None], conv_state, ssm_state

    def allocate_inference_cache(
        self, batch_size: int, max_seqlen: int = 1, dtype: torch.dtype | None = None, **kwargs: Any
    ) -> tuple[Tensor, Tensor]:
        """Zero states to stream from: the convolution's [B, channels, d_conv] and the scan's [B, H, P, N].

        Args:
            batch_size: B.
            max_seqlen: not used; the states do not grow.
            dtype: of both; None for the parameters', but float32 at least for the scan's, which sums over all time.
            kwargs: accepted for compatibility.
        """
        weight = self.conv1d.weight
        conv_state = weight.new_zeros((batch_size, self.d_conv, self.conv_dim), dtype=dtype).transpose(1, 2)
        shape = (batch_size, self.nheads, self.headdim, self.d_state)
        wide = torch.float64 if weight.dtype == torch.float64 else torch.float32
        return conv_state, weight.new_zeros(shape, dtype=dtype or wide)

    def _projected(self, u: Tensor) -> tuple[Tensor, ...]:
        """z0 and x0 of the gated MLP, z, [x, B, C] and dt, of every sample."""
        d_mlp = self.d_inner - self.d_ssm
        sizes = [d_mlp, d_mlp, self.d_ssm, self.conv_dim, self.nheads]
        return torch.split(self.in_proj(u), sizes, dim=-1)

    def _convolved(self, xBC: Tensor, state: Tensor | None) -> Tensor:
        """[B, L, channels] to the same; the state is brought up to date."""
        # A copy, as of the scan's state: it is overwritten while the backward pass still needs what it was.
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

    def _scanned(self, xBC: Tensor, z: Tensor, dt: Tensor, state: Tensor | None) -> tuple[Tensor, Tensor]:
        x, B, C = self._split(xBC)
        return ops.ssd_scan(
            x,
            dt,
            self._A(),
            B,
            C,
            self.chunk_size,
            D=self._D(),
            z=None if self.rmsnorm else _divided(z, self.nheads, self.headdim),
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
        B, C = (_divided(t, self.ngroups, self.d_state) for t in (B, C))
        return _divided(x, self.nheads, self.headdim), B, C

    def _A(self) -> Tensor:  # noqa: N802 - the field's name for it
        wide = torch.float64 if self.A_log.dtype == torch.float64 else torch.float32
        return -torch.exp(self.A_log.to(wide))

    def _D(self) -> Tensor:  # noqa: N802 - the field's name for it
        return self.D.view(self.nheads, self.headdim) if self.D_has_hdim else self.D


def _divided(features: Tensor, parts: int, size: int) -> Tensor:
    """[..., parts * size] to [..., parts, size]."""
    return features.reshape(*features.shape[:-1], parts, size)


def _heads(d_inner: int, d_ssm: int, headdim: int, ngroups: int) -> int:
    if headdim < 1 or d_inner % headdim:
        raise ValueError(f"headdim: found {headdim}, wanted a number that divides expand * d_model = {d_inner}")
    if not 0 < d_ssm <= d_inner or d_ssm % headdim:
        raise ValueError(f"d_ssm: found {d_ssm}, wanted a multiple of headdim ({headdim}) up to {d_inner}")
    heads = d_ssm // headdim
    if ngroups < 1 or heads % ngroups:
        raise ValueError(f"ngroups: found {ngroups}, wanted a number that divides the {heads} heads")
    return heads


def _initial_dt_bias(
    heads: int,
    dt_min: float,
    dt_max: float,
    floor: float,
    device: torch.device | str | None,
    dtype: torch.dtype | None,
) -> Tensor:
    """The inverse of softplus of dt that are spread evenly over their logarithms."""
    share = torch.rand(heads, device=device, dtype=dtype)
    dt = torch.exp(share * (math.log(dt_max) - math.log(dt_min)) + math.log(dt_min)).clamp(min=floor)
    return dt + torch.log(-torch.expm1(-dt))


def _warn_if_unaligned(d_ssm: int, headdim: int, heads: int, d_in_proj: int) -> None:
    if heads % _ALIGNED == 0:
        return
    warnings.warn(
        f"Mamba2: (d_model * expand) / headdim: found {d_ssm} / {headdim} = {heads}, wanted a multiple of {_ALIGNED}:"
        f" in_proj has {d_in_proj} outputs, a stride that the package causal-conv1d does not take; here another"
        " back end serves, but mamba_ssm with that package could not run this block",
        stacklevel=1,  # one place, so that Python's filter shows it once however many blocks are built
    )
