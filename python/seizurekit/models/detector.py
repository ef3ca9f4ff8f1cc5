"""From a configuration to a detector."""

from __future__ import annotations

from seizurekit.config import Config, ModelConfig
from seizurekit.models.unet import ConvUNet


def build(config: Config | ModelConfig, seizure_ratio: float = 0.1) -> ConvUNet:
    """Builds the detector that a configuration asks for, with fresh parameters from torch's default generator.

    Args:
        config: a whole configuration, or its section ``model``.
        seizure_ratio: share of seizure samples expected, between 0 and 1; the untrained detector's probability.

    Returns:
        A module from windows float32 [B, 19, T] to logits [B, T], for any T of 1 or more.
    """
    if not 0.0 < seizure_ratio < 1.0:
        raise ValueError(f"seizure_ratio: found {seizure_ratio}, wanted a share between 0 and 1")
    model = config.model if isinstance(config, Config) else config
    return ConvUNet(model.widths, model.blocks, model.dropout, seizure_ratio)
