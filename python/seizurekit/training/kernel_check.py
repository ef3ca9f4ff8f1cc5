"""The check before the first step that every operation of the detector runs on the required back ends."""

from __future__ import annotations

import torch

from seizurekit.config import Config
from seizurekit.errors import BackendError
from seizurekit.models.device import autocast
from seizurekit.ops import dispatch

_SAMPLES = 4096


def check_required_kernels(model: torch.nn.Module, config: Config, device: torch.device) -> dict[str, str]:
    """Runs the model once, forward and backward, and returns the back end of each operation.

    The model, its gradients and its running statistics stay as they were.

    Raises:
        BackendError: `model.require_kernels` does not allow a back end; names operation, back end and reason.
    """
    buffers = {name: buffer.clone() for name, buffer in model.named_buffers()}
    x_BCT = torch.zeros(2, 19, _SAMPLES, device=device)
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        with autocast(device, config.training.precision):
            logits_BT = model(x_BCT)
        logits_BT.float().sum().backward()
    model.zero_grad(set_to_none=True)
    with torch.no_grad():
        for name, buffer in model.named_buffers():
            buffer.copy_(buffers[name])
    choices = [choice for choice in dispatch.selected() if torch.device(choice.device).type == device.type]
    _check_required(choices, config.model.require_kernels)
    return {choice.operation: choice.backend for choice in choices}


def _check_required(choices: list[dispatch.Selection], required: bool | tuple[str, ...]) -> None:
    fallbacks = [choice for choice in choices if choice.fallback]
    if required and fallbacks:
        raise BackendError(
            f"model.require_kernels: back ends are {_listed(fallbacks)}, expected no fallback to plain torch; "
            "`seizurekit selftest kernels` shows the reasons"
        )
    names = {choice.backend for choice in choices}
    missing = [name for name in required if name not in names] if not isinstance(required, bool) else []
    if missing:
        raise BackendError(
            f"model.require_kernels: no operation uses {', '.join(missing)}; back ends are {_listed(choices)}"
        )


def _listed(choices: list[dispatch.Selection]) -> str:
    return "; ".join(map(str, choices))
