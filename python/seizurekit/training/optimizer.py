"""The optimizer: AdamW (Loshchilov and Hutter 2019)."""

from __future__ import annotations

import torch

from seizurekit.config import TrainingConfig


def make_optimizer(model: torch.nn.Module, config: TrainingConfig) -> torch.optim.AdamW:
    """AdamW, fused if torch has a fused kernel for the device.

    Matrices and convolutions have weight decay; norms, biases and Mamba-2's ``A_log``, ``D`` and ``dt_bias`` have none.
    """
    decayed: list[torch.nn.Parameter] = []
    others: list[torch.nn.Parameter] = []
    for parameter in model.parameters():
        has_no_decay = parameter.ndim <= 1 or getattr(parameter, "_no_weight_decay", False)
        (others if has_no_decay else decayed).append(parameter)
    groups = [
        {"params": decayed, "weight_decay": config.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    try:
        return torch.optim.AdamW(groups, lr=config.lr, fused=True)
    except RuntimeError:  # this device, or this release of torch, has no fused kernel
        return torch.optim.AdamW(groups, lr=config.lr)
