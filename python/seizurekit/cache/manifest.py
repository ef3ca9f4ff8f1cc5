"""The manifest: a store's windows counted by kind. Derived from the store, and made anew whenever it does not fit."""

from __future__ import annotations

import hashlib
import json
import logging
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from seizurekit import settings
from seizurekit.cache.layout import MANIFEST_FILE
from seizurekit.cache.windows import WindowKind, Windows

if TYPE_CHECKING:
    from seizurekit.cache.store import Cache

WINDOW, STRIDE = 60.0, 10.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Manifest:
    """Counts of a split, and the hash of the columns they were counted from.

    Attributes:
        counted_from: SHA-256 of the columns that the counts depend on.
        recordings: rows in the store.
        usable: those that could be read and are annotated.
        hours: of signal of all recordings.
        seizures: annotated seizures.
        window: s.
        stride: s.
        none: windows without seizure.
        partial: windows with some.
        full: windows of which at least 99 % are seizure.
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


def count_windows(cache: Cache) -> Manifest:
    """Counts a split's windows."""
    windows = Windows(cache, WINDOW, STRIDE)
    return Manifest(
        counted_from=_hash(cache),
        recordings=len(cache.usable),
        usable=int(cache.usable.sum()),
        hours=float(cache.recordings["samples"].sum() / cache.sampling_rate / 3600),
        seizures=len(cache.events["start"]),
        window=WINDOW,
        stride=STRIDE,
        none=windows.count(WindowKind.NONE),
        partial=windows.count(WindowKind.PARTIAL),
        full=windows.count(WindowKind.FULL),
    )


def write_manifest(cache: Cache) -> Manifest:
    """Counts a split's windows and writes the manifest."""
    manifest = count_windows(cache)
    cache.folder.write(MANIFEST_FILE, (json.dumps(asdict(manifest), indent=2) + "\n").encode())
    return manifest


def read_manifest(cache: Cache) -> Manifest:
    """The manifest as it stands, or made anew, with one log line, where it is missing, damaged or stale.

    In a store that cannot be written the counts are given all the same.
    """
    found, why = _stored(cache)
    if found is not None and not settings.force_manifest_rebuild():
        return found
    _log.warning(
        "%s: manifest %s: counted anew", cache.folder.url, why or "to be rebuilt by BGB_FORCE_MANIFEST_REBUILD"
    )
    try:
        return write_manifest(cache)
    except OSError:
        return count_windows(cache)


def _stored(cache: Cache) -> tuple[Manifest | None, str]:
    try:
        text = cache.folder.read(MANIFEST_FILE).decode()
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
    return (manifest, "") if manifest.counted_from == _hash(cache) else (None, "stale")


def _hash(cache: Cache) -> str:
    digest = hashlib.sha256(f"{WINDOW} {STRIDE} {cache.sampling_rate}".encode())
    digest.update(cache.recordings["samples"].tobytes())
    digest.update(cache.usable.tobytes())
    for name in ("recording", "start", "stop"):
        digest.update(cache.events[name].tobytes())
    return digest.hexdigest()
