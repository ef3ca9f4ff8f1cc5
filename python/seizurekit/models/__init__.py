"""Detectors: networks from windows of EEG to a seizure logit for every sample."""

from __future__ import annotations

from seizurekit.models.bimamba2 import BiMamba2 as BiMamba2
from seizurekit.models.detector import build as build
from seizurekit.models.mamba2 import Mamba2 as Mamba2

__all__ = ["BiMamba2", "Mamba2", "build"]
