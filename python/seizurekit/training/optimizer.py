"""The optimiser, AdamW (Loshchilov and Hutter 2019), and its learning rate."""

from __future__ import annotations

import math

import torch

from seizurekit.config import TrainingConfig


def make_optimizer(model: torch.nn.Module, config: TrainingConfig) -> torch.optim.AdamW:
    """AdamW, fused where torch has that for the device.

    Matrices and convolutions are decayed; norms, biases and Mamba-2's ``A_log``, ``D`` and ``dt_bias`` are not.
    """
    decayed: list[torch.nn.Parameter] = []
    others: list[torch.nn.Parameter] = []
    for parameter in model.parameters():
        kept = parameter.ndim <= 1 or getattr(parameter, "_no_weight_decay", False)
        (others if kept else decayed).append(parameter)
    groups = [
        {"params": decayed, "weight_decay": config.weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    try:
        return torch.optim.AdamW(groups, lr=config.lr, fused=True)
    except RuntimeError:  # torch's word for a device, or a release of torch, without it
        return torch.optim.AdamW(groups, lr=config.lr)


def learning_rate(share: float, config: TrainingConfig) -> float:
    """Rises in a line over the warm-up, then falls as a half cosine to 0.

    Args:
        share: of the run that is over, 0 to 1; a step's is that of its middle, so that the first has some.
        config: with the highest rate and the warm-up's share.
    """
    share = min(max(share, 0.0), 1.0)
    if share < config.warmup:
        return config.lr * share / config.warmup
    if config.warmup >= 1.0:
        return config.lr
    return config.lr * 0.5 * (1.0 + math.cos(math.pi * (share - config.warmup) / (1.0 - config.warmup)))
