"""Mamba-2's scan: API, torch operators, trial of the back ends, and the back ends."""

from __future__ import annotations

from seizurekit.ops.ssd_scan.api import ssd_scan as ssd_scan
from seizurekit.ops.ssd_scan.api import ssd_step as ssd_step

__all__ = ["ssd_scan", "ssd_step"]
