"""Detectors: networks from windows of EEG to a seizure logit for every sample."""

from __future__ import annotations

from seizurekit.models.detector import build as build

__all__ = ["build"]
