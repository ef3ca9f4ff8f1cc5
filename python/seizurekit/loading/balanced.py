"""The balanced choice among a split's windows, and the share of seizure in it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from seizurekit.cache.read.shard_cache import DEFAULT_GB
from seizurekit.cache.windows import WindowKind, Windows
from seizurekit.errors import CacheError
from seizurekit.loading.dataset import EEGWindowDataset, Int64
from seizurekit.storage.folder import Options

if TYPE_CHECKING:
    from seizurekit.signal.chain import Chain

FULL_SHARE = 0.3
NONE_SHARE = 2.5


class BalancedSeizureDataset(EEGWindowDataset):
    """Every partial window of a split, 0.3 times as many full ones and 2.5 times as many without seizure.

    See `balanced_choice` for the rule where there are too few of a kind. Items, arguments and errors are those of
    `EEGWindowDataset`; in addition:

    Args:
        seed: of the draw; the same seed draws the same windows.

    Raises:
        CacheError: the split has no window with a seizure; the message says what to check.
    """

    def __init__(
        self,
        cache_dir: str | os.PathLike[str],
        split: str = "train",
        *,
        window: float = 60.0,
        stride: float = 10.0,
        chain: Chain | None = None,
        storage_options: Options | None = None,
        local_dir: str | os.PathLike[str] | None = None,
        local_dir_gb: float = DEFAULT_GB,
        limit_recordings: int | None = None,
        seed: int = 0,
    ) -> None:
        self._seed = seed
        super().__init__(
            cache_dir,
            split,
            window=window,
            stride=stride,
            chain=chain,
            storage_options=storage_options,
            local_dir=local_dir,
            local_dir_gb=local_dir_gb,
            limit_recordings=limit_recordings,
        )

    def _chosen(self, windows: Windows) -> Int64:
        return balanced_windows(windows, self._seed)


def balanced_windows(windows: Windows, seed: int) -> Int64:
    """The numbers of a balanced set of a split's windows, see `balanced_choice`.

    Raises:
        CacheError: no window has a seizure; the message says what to check.
    """
    numbers = balanced_choice(windows.kind, np.random.default_rng(seed))
    if len(numbers) == 0:
        cache = windows.cache
        raise CacheError(
            f"{cache.folder.url}: split {cache.split}: found no window with a seizure among {len(windows)} of "
            f"{windows.length / cache.sampling_rate:g} s, wanted some; check that .csv_bi or .csv files lay beside the "
            "EDF files when the cache was built, that their seizures have labels of the seizure label set, and that "
            "recordings are longer than a window"
        )
    return numbers


def balanced_choice(kind: npt.NDArray[np.integer], rng: np.random.Generator) -> Int64:
    """Numbers of the chosen windows, ascending, int64.

    With P partial windows: all P, ``round(0.3 P)`` full and ``round(2.5 P)`` none, drawn without repetition; where
    there are fewer of a kind, all of them. With P = 0 the full ones take the partial ones' place: all F of them, and
    ``round(2.5 F)`` none. With neither, nothing.

    Args:
        kind: `WindowKind` of each window.
        rng: where the draws come from.
    """
    partial = np.flatnonzero(kind == WindowKind.PARTIAL)
    full = np.flatnonzero(kind == WindowKind.FULL)
    none = np.flatnonzero(kind == WindowKind.NONE)
    seizure = partial if len(partial) else full
    some_full = _draw(rng, full, round(FULL_SHARE * len(partial))) if len(partial) else full[:0]
    some_none = _draw(rng, none, round(NONE_SHARE * len(seizure)))
    return np.sort(np.concatenate((seizure, some_full, some_none))).astype(np.int64)


def _draw(rng: np.random.Generator, among: npt.NDArray[np.intp], count: int) -> npt.NDArray[np.intp]:
    return rng.choice(among, size=min(count, len(among)), replace=False, shuffle=False)
