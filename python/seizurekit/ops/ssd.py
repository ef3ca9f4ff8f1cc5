"""Mamba-2's chunked state-space scan, forwards or backwards in time, and its single step for streaming.

Source: Dao and Gu 2024, "Transformers are SSMs"; the arguments are those of mamba-ssm's ``mamba_chunk_scan_combined``.
Shapes: B batch, L length, H heads of P channels, G groups of heads that share B and C, N states.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, overload

import torch
from torch import Tensor

from seizurekit.kernels.ssd_scan import chunked, reference
from seizurekit.ops import ssd_trial
from seizurekit.ops.dispatch import Operation, choose, load
from seizurekit.ops.ssd_trial import ScanCase

_FOLDER = "seizurekit.kernels.ssd_scan"
_INFINITE = float("inf")

SSD_SCAN = Operation(
    "ssd_scan",
    {"mamba-ssm": f"{_FOLDER}.package", "torch": f"{_FOLDER}.chunked"},
    {"cuda": ("mamba-ssm", "torch"), "cpu": ("torch",)},
    ssd_trial,
)
"""What each back end needs: the package mamba-ssm; nothing."""


@overload
def ssd_scan(
    x: Tensor,
    dt: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    chunk_size: int | None = None,
    D: Tensor | None = None,
    z: Tensor | None = None,
    dt_bias: Tensor | None = None,
    initial_states: Tensor | None = None,
    dt_softplus: bool = False,
    dt_limit: tuple[float, float] = (0.0, _INFINITE),
    return_final_states: Literal[False] = False,
    reverse: bool = False,
    backend: str | None = None,
) -> Tensor: ...
@overload
def ssd_scan(
    x: Tensor,
    dt: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    chunk_size: int | None = None,
    D: Tensor | None = None,
    z: Tensor | None = None,
    dt_bias: Tensor | None = None,
    initial_states: Tensor | None = None,
    dt_softplus: bool = False,
    dt_limit: tuple[float, float] = (0.0, _INFINITE),
    *,
    return_final_states: Literal[True],
    reverse: bool = False,
    backend: str | None = None,
) -> tuple[Tensor, Tensor]: ...
def ssd_scan(
    x: Tensor,
    dt: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    chunk_size: int | None = None,
    D: Tensor | None = None,
    z: Tensor | None = None,
    dt_bias: Tensor | None = None,
    initial_states: Tensor | None = None,
    dt_softplus: bool = False,
    dt_limit: tuple[float, float] = (0.0, _INFINITE),
    return_final_states: bool = False,
    reverse: bool = False,
    backend: str | None = None,
) -> Tensor | tuple[Tensor, Tensor]:
    """The scan ``state = exp(dt A) state + dt x B^T``, ``y = state C + D x``, times SiLU(z).

    Args:
        x: [B, L, H, P] float32, bfloat16, float16 or float64.
        dt: [B, L, H], step sizes before bias, softplus and limits.
        A: [H], negative.
        B: [B, L, G, N]; H is a multiple of G.
        C: [B, L, G, N].
        chunk_size: steps a chunk at most; None leaves it to the back end. No result depends on it but by rounding.
        D: [H] or [H, P]; None for 0.
        z: [B, L, H, P]; None for no gate.
        dt_bias: [H], added to dt.
        initial_states: [B, H, P, N]; None for 0.
        dt_softplus: whether softplus is taken of dt and its bias.
        dt_limit: dt is clamped to this range after it.
        return_final_states: also return the states after the last step.
        reverse: from the end to the beginning. Exactly: x, dt, B, C and z flipped along L, and y flipped back, with the
            states of the flipped sequence.
        backend: the only back end to take, ``mamba-ssm`` or ``torch``; None takes the best that works.

    Returns:
        y [B, L, H, P] of x's dtype; with `return_final_states` also the states [B, H, P, N], float32 or
        float64.

    Raises:
        ValueError: a shape does not fit; names the argument, what was found and what was wanted.
        BackendError: `backend` cannot serve; names the reason.
    """
    _check(x, dt, A, B, C, {"D": D, "z": z, "dt_bias": dt_bias, "initial_states": initial_states})
    name = _backend(x.device, x.dtype, reverse, D is not None or z is not None, 0 in x.shape, backend)
    scan: Callable[..., tuple[Tensor, Tensor]] = chunked.scan if name == "torch" else load(SSD_SCAN, name).scan
    y, final = scan(x, dt, A, B, C, chunk_size, D, z, dt_bias, initial_states, dt_softplus, tuple(dt_limit), reverse)
    return (y, final) if return_final_states else y


def ssd_step(
    state: Tensor,
    x: Tensor,
    dt: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None = None,
    z: Tensor | None = None,
    dt_bias: Tensor | None = None,
    dt_softplus: bool = False,
    dt_limit: tuple[float, float] = (0.0, _INFINITE),
) -> Tensor:
    """One step of the scan, for streaming.

    Args:
        state: [B, H, P, N], changed in place.
        x: [B, H, P].
        dt: [B, H].
        A: [H].
        B: [B, G, N].
        C: [B, G, N].
        D: as for `ssd_scan`.
        z: [B, H, P] or None.
        dt_bias: as for `ssd_scan`.
        dt_softplus: as for `ssd_scan`.
        dt_limit: as for `ssd_scan`.

    Returns:
        y [B, H, P] of x's dtype.
    """
    wide = torch.float64 if x.dtype == torch.float64 else torch.float32
    steps = reference.discretised(dt, dt_bias, dt_softplus, tuple(dt_limit), wide)
    after, y = reference.step(state.to(wide), x.to(wide), steps, A.to(wide), B.to(wide), C.to(wide))
    state.copy_(after)
    out: Tensor = reference.gated(y, x.to(wide), D, z).to(x.dtype)
    return out


@torch.compiler.assume_constant_result
def _backend(
    device: torch.device, dtype: torch.dtype, reverse: bool, extras: bool, empty: bool, requested: str | None
) -> str:
    """The name of the back end to call; chosen while tracing where torch compiles."""
    module = choose(SSD_SCAN, ScanCase(device, dtype, reverse, extras), requested=requested)
    return next(name for name, path in SSD_SCAN.backends.items() if path == module.__name__)


def _check(x: Tensor, dt: Tensor, A: Tensor, B: Tensor, C: Tensor, others: dict[str, Tensor | None]) -> None:
    if x.ndim != 4:
        raise ValueError(f"x: found shape {tuple(x.shape)}, wanted [B, L, H, P]")
    batch, length, heads, channels = x.shape
    if B.ndim != 4 or B.shape[2] == 0 or heads % B.shape[2]:
        raise ValueError(f"B: found shape {tuple(B.shape)}, wanted [{batch}, {length}, G, N], G a divisor of {heads}")
    wanted: dict[str, tuple[Tensor | None, list[tuple[int, ...]]]] = {
        "dt": (dt, [(batch, length, heads)]),
        "A": (A, [(heads,)]),
        "B": (B, [(batch, length, *B.shape[2:])]),
        "C": (C, [tuple(B.shape)]),
        "D": (others["D"], [(heads,), (heads, channels)]),
        "z": (others["z"], [tuple(x.shape)]),
        "dt_bias": (others["dt_bias"], [(heads,)]),
        "initial_states": (others["initial_states"], [(batch, heads, channels, B.shape[3])]),
    }
    for name, (tensor, shapes) in wanted.items():
        if tensor is not None and tuple(tensor.shape) not in shapes:
            raise ValueError(
                f"{name}: found shape {tuple(tensor.shape)}, wanted {' or '.join(str(list(s)) for s in shapes)}"
            )
