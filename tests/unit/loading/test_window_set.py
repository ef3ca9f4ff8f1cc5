"""Sets of windows: the balanced choice, and the seizure ratio of a set."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import seizurekit as sk
from seizurekit.cache.windows import WindowKind
from seizurekit.errors import CacheError
from seizurekit.loading.window_set import WindowSet, balanced_choice, balanced_set

kinds = st.lists(st.sampled_from([0, 1, 2]), max_size=300).map(lambda values: np.array(values, np.uint8))


def count(kind: np.ndarray, chosen: np.ndarray, of: WindowKind) -> int:
    return int(np.count_nonzero(kind[chosen] == of))


@given(kind=kinds, seed=st.integers(0, 9))
def test_the_choice_has_all_partial_windows_and_fixed_shares_of_the_others(kind: np.ndarray, seed: int) -> None:
    chosen = balanced_choice(kind, np.random.default_rng(seed))
    have = {of: int(np.count_nonzero(kind == of)) for of in WindowKind}
    partial = have[WindowKind.PARTIAL]
    full = round(0.3 * partial) if partial else have[WindowKind.FULL]
    base = partial or have[WindowKind.FULL]
    assert count(kind, chosen, WindowKind.PARTIAL) == partial
    assert count(kind, chosen, WindowKind.FULL) == min(full, have[WindowKind.FULL])
    assert count(kind, chosen, WindowKind.NONE) == min(round(2.5 * base), have[WindowKind.NONE])
    assert len(set(chosen.tolist())) == len(chosen)
    assert np.all(np.diff(chosen) > 0)


def test_without_partial_windows_all_full_ones_are_chosen() -> None:
    kind = np.repeat(np.array([WindowKind.FULL, WindowKind.NONE], np.uint8), (4, 100))
    chosen = balanced_choice(kind, np.random.default_rng(0))
    assert count(kind, chosen, WindowKind.FULL) == 4
    assert count(kind, chosen, WindowKind.NONE) == 10


def test_the_same_seed_draws_the_same_windows_and_another_seed_others() -> None:
    kind = np.repeat(np.array([0, 1, 2], np.uint8), (500, 40, 60))
    one, same, other = (balanced_choice(kind, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert np.array_equal(one, same)
    assert not np.array_equal(one, other)


def test_the_seizure_ratio_is_counted_from_the_labels(small_store: Path) -> None:
    cache = sk.open_cache(small_store, split="train")
    windows = cache.windows(window=20.0, stride=7.0)
    drawn = balanced_set(windows, seed=0)
    _, y = windows.read(drawn.indices)
    assert drawn.seizure_ratio == y.mean(dtype=np.float64)
    assert math.isnan(WindowSet(windows, drawn.indices[:0]).seizure_ratio)
    assert sk.BalancedSeizureDataset(small_store, window=20.0, stride=7.0).seizure_ratio == y.mean(dtype=np.float64)


def test_a_split_without_a_seizure_window_is_rejected_with_what_to_check(small_store: Path) -> None:
    with pytest.raises(CacheError, match="none of 0 windows of 600 s has a seizure") as error:
        sk.BalancedSeizureDataset(small_store, window=600.0, stride=600.0)
    for hint in (".csv_bi", "label", "longer than a window"):
        assert hint in str(error.value)


def test_the_balanced_set_of_a_store_has_the_right_shares_and_no_window_twice(small_store: Path) -> None:
    dataset = sk.BalancedSeizureDataset(small_store, window=20.0, stride=1.0, seed=2)
    kind = dataset.windows.kind
    partial = dataset.windows.count(WindowKind.PARTIAL)
    assert partial > 10
    assert count(kind, dataset.indices, WindowKind.PARTIAL) == partial
    shares = {WindowKind.FULL: round(0.3 * partial), WindowKind.NONE: round(2.5 * partial)}
    for of, share in shares.items():
        assert count(kind, dataset.indices, of) == min(share, dataset.windows.count(of))
    assert len(np.unique(dataset.indices)) == len(dataset)
