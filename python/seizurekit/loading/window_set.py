"""The set of windows that a run reads: every window of a split, or a balanced choice among them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from seizurekit.cache.split import Split
from seizurekit.cache.windows import WindowKind, Windows
from seizurekit.errors import CacheError
from seizurekit.loading.order import Int64

FULL_PER_PARTIAL = 0.3
"""All-seizure windows of the balanced set per partly-seizure window."""
NONE_PER_PARTIAL = 2.5
"""Background windows of the balanced set per partly-seizure window."""


@dataclass(frozen=True, eq=False)
class WindowSet:
    """Some of the windows of a split. Datasets and loaders that share a set read the same windows.

    Attributes:
        windows: all windows of the split.
        indices: indices into `windows`, ascending, int64 [item].
    """

    windows: Windows
    indices: Int64

    def __len__(self) -> int:
        return len(self.indices)

    @property
    def cache(self) -> Split:
        """The split of a store."""
        return self.windows.cache

    @cached_property
    def seizure_ratio(self) -> float:
        """Exact fraction of the set's samples that are seizure, counted from the labels; NaN if the set is empty."""
        if len(self) == 0:
            return float("nan")
        return int(self.windows.seizure_samples[self.indices].sum()) / (len(self) * self.windows.length)


def every_window(windows: Windows) -> WindowSet:
    """The set of all windows of a split."""
    return WindowSet(windows, np.arange(len(windows), dtype=np.int64))


def balanced_set(windows: Windows, seed: int) -> WindowSet:
    """A balanced set of a split's windows, see `balanced_choice`. The same seed draws the same windows.

    Raises:
        CacheError: no window contains a seizure; the message says what to check.
    """
    indices = balanced_choice(windows.kind, np.random.default_rng(seed))
    if len(indices) == 0:
        cache = windows.cache
        raise CacheError(
            f"{cache.folder.url}: split {cache.split}: none of {len(windows)} windows of "
            f"{windows.length / cache.sampling_rate:g} s has a seizure, expected at least one; check that .csv_bi or "
            ".csv files were next to the EDF files when the store was built, that the labels of their seizures are in "
            "the seizure label set, and that recordings are longer than a window"
        )
    return WindowSet(windows, indices)


def balanced_choice(kind: npt.NDArray[np.integer], rng: np.random.Generator) -> Int64:
    """Indices of the chosen windows, ascending, int64.

    With P partly-seizure windows: all P, ``round(0.3 P)`` all-seizure and ``round(2.5 P)`` background windows, drawn
    without replacement. If there are fewer of a kind, all of them. With P = 0, all F all-seizure windows and
    ``round(2.5 F)`` background windows. Empty if no window contains a seizure.

    Args:
        kind: `WindowKind` of each window.
        rng: generator of the draws.
    """
    partial = np.flatnonzero(kind == WindowKind.PARTIAL)
    full = np.flatnonzero(kind == WindowKind.FULL)
    none = np.flatnonzero(kind == WindowKind.NONE)
    seizure = partial if len(partial) else full
    some_full = _draw(rng, full, round(FULL_PER_PARTIAL * len(partial))) if len(partial) else full[:0]
    some_none = _draw(rng, none, round(NONE_PER_PARTIAL * len(seizure)))
    return np.sort(np.concatenate((seizure, some_full, some_none))).astype(np.int64)


def _draw(rng: np.random.Generator, candidates: npt.NDArray[np.intp], count: int) -> npt.NDArray[np.intp]:
    return rng.choice(candidates, size=min(count, len(candidates)), replace=False, shuffle=False)
