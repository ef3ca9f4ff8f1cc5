"""The back ends of the scan, the preferred ones first."""

from __future__ import annotations

from seizurekit.kernels.ssd_scan.contract import ScanBackend
from seizurekit.ops.dispatch import REFERENCE, BackendEntry, Operation
from seizurekit.ops.ssd_scan import trial
from seizurekit.ops.ssd_scan.trial import ScanCase


def _package() -> ScanBackend:
    from seizurekit.ops.ssd_scan import package

    return package


def _chunked() -> ScanBackend:
    from seizurekit.ops.ssd_scan import chunked

    return chunked


SSD_SCAN: Operation[ScanBackend, ScanCase] = Operation(
    "ssd_scan",
    (
        BackendEntry("mamba-ssm", "the package mamba-ssm", ("cuda",), _package),
        BackendEntry(REFERENCE, "nothing: matrix products of chunks in plain torch", None, _chunked),
    ),
    trial,
)
