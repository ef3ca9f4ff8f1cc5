"""What a training is stopped by before its first step, kernels that fell back, and what it is warned of later."""

from __future__ import annotations

import torch

from seizurekit.config import Config
from seizurekit.errors import BackendError
from seizurekit.ops import dispatch
from seizurekit.training.precision import autocast

_TRIED_SAMPLES = 4096
ALL_NEGATIVE = (
    "epoch {epoch}: hardly any seizure sample reached a probability of 0.5 in the whole epoch: the detector has learnt "
    "to say no. Usual causes: labels that do not lie on the signal (look at some windows), a learning rate too high or "
    "too low, a seizure weight (training.pos_weight) too small for the windows, loader.balanced switched off"
)


def check_kernels(model: torch.nn.Module, config: Config, device: torch.device) -> dict[str, str]:
    """Runs the model once, forward and backward, and tells which back end served each operation.

    The model, its gradients and running statistics are left as they were.

    Raises:
        BackendError: `model.require_kernels` forbids what served; names operation, back end and the reason.
    """
    model_state = {name: tensor.clone() for name, tensor in model.named_buffers()}
    x_BCT = torch.zeros(2, 19, _TRIED_SAMPLES, device=device)
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        with autocast(device, config.training.precision):
            logits_BT = model(x_BCT)
        logits_BT.float().sum().backward()
    model.zero_grad(set_to_none=True)
    with torch.no_grad():
        for name, buffer in model.named_buffers():
            buffer.copy_(model_state[name])
    served = [choice for choice in dispatch.taken() if torch.device(choice.device).type == device.type]
    required = config.model.require_kernels
    fallen = [choice for choice in served if choice.fallback] if required else []
    if fallen:
        raise BackendError(
            f"model.require_kernels: found {'; '.join(map(str, fallen))}, wanted no operation in plain torch; "
            "`seizurekit selftest kernels` tells more"
        )
    names = {choice.backend for choice in served}
    lacking = [name for name in required if name not in names] if not isinstance(required, bool) else []
    if lacking:
        told = "; ".join(map(str, served))
        raise BackendError(f"model.require_kernels: wanted {', '.join(lacking)} to serve, found {told}")
    return {choice.operation: choice.backend for choice in served}
