"""Mamba-2 (Dao and Gu 2024), in one direction or in both, with mamba_ssm's parameters.

Shapes: B batch, L length, D ``d_model``, C channels of the convolution, W its taps, H heads of P channels, G groups
that share B and C, N states.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from seizurekit.models.norm import RMSNorm
from seizurekit.ops import causal_conv1d, causal_conv1d_update, ssd_scan, ssd_step
from seizurekit.ops.causal_conv1d import WIDTHS

ALIGNED = 8
"""What mamba-ssm's and causal-conv1d's fused kernels want widths to be multiples of."""


class State(NamedTuple):
    """What a Mamba-2 remembers of what it has seen: conv [B, C, W], the newest last, and ssm [B, H, P, N]."""

    conv: Tensor
    ssm: Tensor


class Mamba2(nn.Module):
    """A Mamba-2 layer; its state dict and mamba_ssm's ``Mamba2``'s load into one another.

    Args:
        d_model: features in and out.
        d_state: states a channel.
        d_conv: taps of the convolution, 2 to 4.
        conv_init: the convolution's weights are drawn from ±conv_init; None for torch's own start.
        expand: the inner width is this many times `d_model`.
        headdim: channels a head.
        d_ssm: of the inner width, what goes through the scan, the rest through a gated MLP; None for all.
        ngroups: groups of heads that share B and C.
        A_init_range: A starts between these, negated.
        D_has_hdim: one D for each channel and not for each head.
        rmsnorm: a gated norm before the last projection; else the scan's output is gated alone.
        norm_before_gate: see `RMSNorm`.
        dt_min: step sizes start between this …
        dt_max: … and this, …
        dt_init_floor: … and not below this.
        dt_limit: step sizes are clamped to this range.
        bias: of the projections.
        conv_bias: of the convolution.
        chunk_size: steps a chunk of the scan at most.
        use_mem_eff_path: taken for mamba_ssm's sake; `seizurekit.ops` chooses the path.
        layer_idx: taken for mamba_ssm's sake, and kept.
        reverse: anti-causal: the layer runs from the end to the beginning. Ours, as nothing of mamba_ssm's.
        device: of the parameters.
        dtype: of the parameters.

    Raises:
        ValueError: an argument does not fit the others.
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
        dt_limit: Sequence[float] = (0.0, float("inf")),
        bias: bool = False,
        conv_bias: bool = True,
        chunk_size: int = 256,
        use_mem_eff_path: bool = True,
        layer_idx: int | None = None,
        reverse: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.d_model, self.d_state, self.d_conv, self.headdim, self.ngroups = d_model, d_state, d_conv, headdim, ngroups
        self.d_inner = expand * d_model
        self.d_ssm = self.d_inner if d_ssm is None else d_ssm
        self.D_has_hdim, self.rmsnorm, self.chunk_size, self.reverse = D_has_hdim, rmsnorm, chunk_size, reverse
        self.dt_limit = (float(dt_limit[0]), float(dt_limit[1]))
        self.use_mem_eff_path, self.layer_idx = use_mem_eff_path, layer_idx
        self._check()
        self.nheads = self.d_ssm // headdim
        self.d_mlp = self.d_inner - self.d_ssm
        conv_dim = self.d_ssm + 2 * ngroups * d_state
        self.splits = [self.d_mlp, self.d_mlp, self.d_ssm, conv_dim, self.nheads]
        self._warn_of_widths()
        place: dict[str, Any] = {"device": device, "dtype": dtype}
        self.in_proj = nn.Linear(d_model, sum(self.splits), bias=bias, **place)
        self.conv1d = nn.Conv1d(
            conv_dim, conv_dim, d_conv, groups=conv_dim, padding=d_conv - 1, bias=conv_bias, **place
        )
        if conv_init is not None:
            nn.init.uniform_(self.conv1d.weight, -conv_init, conv_init)
        dt = torch.exp(torch.rand(self.nheads, **place) * math.log(dt_max / dt_min) + math.log(dt_min))
        dt = dt.clamp(min=dt_init_floor)
        self.dt_bias = nn.Parameter(dt + torch.log(-torch.expm1(-dt)))  # softplus of it is dt
        self.A_log = nn.Parameter(torch.empty(self.nheads, **place).uniform_(*A_init_range).log())
        self.D = nn.Parameter(torch.ones(self.d_ssm if D_has_hdim else self.nheads, **place))
        if rmsnorm:
            self.norm = RMSNorm(self.d_ssm, ngroups, norm_before_gate, **place)
        self.out_proj = nn.Linear(self.d_inner, d_model, bias=bias, **place)

    def forward(
        self, u: Tensor, state: State | None = None, return_state: bool = False
    ) -> Tensor | tuple[Tensor, State]:
        """[B, L, D] to the same; with `return_state` also the state to go on from, and `state` is such a one."""
        x0, z0, z, conved, dt = self._projected(u)
        taps = self.d_conv
        conved_BCL, last = causal_conv1d(
            conved.transpose(1, 2),
            self.conv1d.weight[:, 0],
            self.conv1d.bias,
            "silu",
            None if state is None else state.conv[:, :, 1 - taps :],
            return_final_state=True,
            reverse=self.reverse,
        )
        x, B, C = self._parts(conved_BCL.transpose(1, 2))
        y, ssm = ssd_scan(
            x,
            dt,
            self._A(),
            B,
            C,
            self.chunk_size,
            self._D(),
            None if self.rmsnorm else z.unflatten(-1, (self.nheads, self.headdim)),
            self.dt_bias,
            None if state is None else state.ssm,
            dt_softplus=True,
            dt_limit=self.dt_limit,
            return_final_states=True,
            reverse=self.reverse,
        )
        out = self._out(y.flatten(-2), z, x0, z0)
        if not return_state:
            return out
        return out, State(functional.pad(last, (1, 0)), ssm)

    def step(self, hidden_states: Tensor, conv_state: Tensor, ssm_state: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """One step [B, 1, D] to the same; the states, of `allocate_inference_cache`, are changed in place."""
        if self.reverse:
            raise ValueError("a layer that runs from the end to the beginning cannot stream: it needs the future")
        if hidden_states.shape[1] != 1:
            raise ValueError(f"hidden_states: found {hidden_states.shape[1]} steps, wanted 1")
        x0, z0, z, conved, dt = self._projected(hidden_states[:, 0])
        conved = causal_conv1d_update(conved, conv_state, self.conv1d.weight[:, 0], self.conv1d.bias, "silu")
        x, B, C = self._parts(conved)
        y = ssd_step(
            ssm_state,
            x,
            dt,
            self._A(),
            B,
            C,
            self._D(),
            None if self.rmsnorm else z.unflatten(-1, (self.nheads, self.headdim)),
            self.dt_bias,
            dt_softplus=True,
            dt_limit=self.dt_limit,
        )
        return self._out(y.flatten(-2), z, x0, z0)[:, None], conv_state, ssm_state

    def allocate_inference_cache(
        self, batch_size: int, max_seqlen: int | None = None, dtype: torch.dtype | None = None
    ) -> State:
        """The state of a layer that has seen nothing, for `step`; `max_seqlen` is taken for mamba_ssm's sake."""
        weight = self.in_proj.weight
        channels = self.conv1d.weight.shape[0]
        conv = torch.zeros(batch_size, channels, self.d_conv, device=weight.device, dtype=dtype or weight.dtype)
        wide = torch.float64 if conv.dtype == torch.float64 else torch.float32
        ssm = (batch_size, self.nheads, self.headdim, self.d_state)
        return State(conv, torch.zeros(ssm, device=weight.device, dtype=wide))

    def _projected(self, u: Tensor) -> tuple[Tensor, ...]:
        """The MLP's gate and features, the scan's gate, what is convolved, and dt."""
        z0, x0, z, conved, dt = torch.split(self.in_proj(u), self.splits, dim=-1)
        return x0, z0, z, conved, dt

    def _parts(self, conved: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """x […, H, P], B and C […, G, N]."""
        shared = self.ngroups * self.d_state
        x, B, C = torch.split(conved, [self.d_ssm, shared, shared], dim=-1)
        group = (self.ngroups, self.d_state)
        return x.unflatten(-1, (self.nheads, self.headdim)), B.unflatten(-1, group), C.unflatten(-1, group)

    def _A(self) -> Tensor:  # noqa: N802 (as below)
        return -torch.exp(self.A_log if self.A_log.dtype == torch.float64 else self.A_log.float())

    def _D(self) -> Tensor:  # noqa: N802 (the paper's name)
        return self.D.unflatten(0, (self.nheads, self.headdim)) if self.D_has_hdim else self.D

    def _out(self, y: Tensor, z: Tensor, x0: Tensor, z0: Tensor) -> Tensor:
        if self.rmsnorm:
            y = self.norm(y, z)
        if self.d_mlp:
            y = torch.cat((functional.silu(z0) * x0, y), dim=-1)
        out: Tensor = self.out_proj(y)
        return out

    def _check(self) -> None:
        if self.d_conv not in WIDTHS:
            raise ValueError(f"d_conv: found {self.d_conv}, wanted 2, 3 or 4")
        if not 0 < self.d_ssm <= self.d_inner:
            raise ValueError(f"d_ssm: found {self.d_ssm}, wanted at most the inner width {self.d_inner}")
        if self.d_ssm % self.headdim:
            raise ValueError(
                f"headdim: found {self.headdim}, wanted a divisor of the {self.d_ssm} channels of the scan"
            )
        if (self.d_ssm // self.headdim) % self.ngroups:
            raise ValueError(
                f"ngroups: found {self.ngroups}, wanted a divisor of the {self.d_ssm // self.headdim} heads"
            )

    def _warn_of_widths(self) -> None:
        widths = {"heads": self.nheads, "features of in_proj": sum(self.splits), "channels convolved": self.splits[3]}
        odd = {name: width for name, width in widths.items() if width % ALIGNED}
        if odd:
            found = ", ".join(f"{width} {name}" for name, width in odd.items())
            warnings.warn(
                f"Mamba2: found {found}, wanted multiples of {ALIGNED} for mamba-ssm's and causal-conv1d's fused "
                f"kernels; others compute the same, perhaps slower (d_model {self.d_model}, headdim {self.headdim})",
                stacklevel=3,
            )


class BiMamba2(nn.Module):
    """Two Mamba-2 layers, one from the beginning and one from the end; their outputs are added.

    The second runs backwards by itself: no sequence is flipped in memory.

    Args:
        d_model: features in and out.
        **arguments: both layers' further arguments; see `Mamba2`.
    """

    def __init__(self, d_model: int, **arguments: Any) -> None:
        super().__init__()
        self.forwards = Mamba2(d_model, **arguments)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # said once, by the first
            self.backwards = Mamba2(d_model, reverse=True, **arguments)

    def forward(self, u: Tensor) -> Tensor:
        """[B, L, D] to the same."""
        y: Tensor = self.forwards(u) + self.backwards(u)
        return y

    def step(self, *_: Any) -> None:
        """Refuses: the direction from the end needs what has not come yet."""
        raise ValueError("BiMamba2 cannot stream: its second direction begins at the end; a Mamba2 can")
