"""The manifest: a split's windows counted by kind. It is derived from the columns, and rebuilt if it does not match."""

from __future__ import annotations

import hashlib
import json
import logging
from dataclasses import asdict, dataclass

from seizurekit.cache.layout import MANIFEST_FILE
from seizurekit.cache.split import Split
from seizurekit.cache.windows import WindowKind, Windows
from seizurekit.settings import force_manifest_rebuild

WINDOW, STRIDE = 60.0, 10.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Manifest:
    """Counts of a split, and the hash of the columns they were counted from.

    Attributes:
        counted_from: SHA-256 of the columns that the counts depend on.
        recordings: number of recordings.
        usable: number of recordings that were read and have annotations.
        hours: hours of signal of all recordings.
        seizures: number of annotated seizures.
        window: length of a window, s.
        stride: from the start of a window to the start of the next, s.
        none: number of windows without seizure.
        partial: number of windows that are partly seizure.
        full: number of windows of which at least 99 % are seizure.
    """

    counted_from: str
    recordings: int
    usable: int
    hours: float
    seizures: int
    window: float
    stride: float
    none: int
    partial: int
    full: int

    @property
    def seizure_windows(self) -> int:
        """Number of windows with a seizure."""
        return self.partial + self.full

    @property
    def windows(self) -> int:
        """Number of windows of all kinds."""
        return self.none + self.seizure_windows

    def explain_no_seizures(self) -> str:
        """Why no window has a seizure, and what to check; for a manifest without `seizure_windows`."""
        if not self.usable:
            reason = f"none of its {self.recordings} recordings is readable and annotated"
        elif not self.none:
            reason = f"all of its {self.usable} usable recordings are shorter than a window of {self.window:g} s"
        else:
            reason = f"it has {self.none} background windows and {self.seizures} annotated seizures"
        return (
            f"no window with a seizure: {reason}; check the label set (seiz in .csv_bi, fnsz gnsz … in .csv), that "
            "each annotation file has the name and the folder of its EDF file, and that it is in TUSZ's .csv_bi or "
            ".csv format"
        )


def count_windows(split: Split) -> Manifest:
    """Counts a split's windows."""
    windows = Windows(split, WINDOW, STRIDE)
    return Manifest(
        counted_from=_hash(split),
        recordings=len(split.usable),
        usable=int(split.usable.sum()),
        hours=float(split.recordings["samples"].sum() / split.sampling_rate / 3600),
        seizures=len(split.events["start"]),
        window=WINDOW,
        stride=STRIDE,
        none=windows.count(WindowKind.NONE),
        partial=windows.count(WindowKind.PARTIAL),
        full=windows.count(WindowKind.FULL),
    )


def write_manifest(split: Split) -> Manifest:
    """Counts a split's windows and writes its manifest."""
    manifest = count_windows(split)
    split.folder.write(MANIFEST_FILE, (json.dumps(asdict(manifest), indent=2) + "\n").encode())
    return manifest


def read_manifest(split: Split) -> Manifest:
    """A split's manifest; rebuilt, with one log line, if it is missing, damaged or stale.

    If the store is read-only the counts are returned and not written.
    """
    manifest, problem = _read_stored(split)
    if manifest is not None and not force_manifest_rebuild():
        return manifest
    cause = f"manifest is {problem}" if problem else "BGB_FORCE_MANIFEST_REBUILD is set"
    _log.warning("%s: %s: rebuilding the manifest", split.folder.url, cause)
    try:
        return write_manifest(split)
    except OSError:
        return count_windows(split)


def _read_stored(split: Split) -> tuple[Manifest | None, str]:
    """The stored manifest, or None and what is wrong with it."""
    try:
        text = split.folder.read(MANIFEST_FILE).decode()
    except FileNotFoundError:
        return None, "missing"
    except (OSError, UnicodeDecodeError):
        return None, "damaged"
    if not text.strip():
        return None, "empty"
    try:
        manifest = Manifest(**json.loads(text))
    except (ValueError, TypeError):
        return None, "damaged"
    return (manifest, "") if manifest.counted_from == _hash(split) else (None, "stale")


def _hash(split: Split) -> str:
    digest = hashlib.sha256(f"{WINDOW} {STRIDE} {split.sampling_rate}".encode())
    digest.update(split.recordings["samples"].tobytes())
    digest.update(split.usable.tobytes())
    for name in ("recording", "start", "stop"):
        digest.update(split.events[name].tobytes())
    return digest.hexdigest()
