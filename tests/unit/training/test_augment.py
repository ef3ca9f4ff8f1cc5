"""Augmentation: what changes in a window, and that the changes follow from seed, epoch and window alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import seizurekit as sk
from seizurekit.training.augment import MIRROR, augment, draw_changes

INDICES = np.arange(5_000)


def test_mirroring_exchanges_the_sides_and_nothing_else() -> None:
    names = [sk.Chain().channels[i] for i in MIRROR]
    assert names[:8] == list(sk.Chain().channels[11:])
    assert names[8:11] == ["Fz", "Cz", "Pz"]
    assert [MIRROR[i] for i in MIRROR] == list(range(19))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_augmented_windows_are_mirrored_or_not_and_scaled_by_channel(dtype: torch.dtype) -> None:
    x = torch.randn(64, 19, 32, dtype=dtype)
    before, indices = x.clone(), np.arange(64) * 1000
    mirrored, gain = draw_changes(indices, 3, 1)
    augmented = augment(x, indices, 3, 1)
    assert augmented.dtype == dtype
    assert torch.equal(x, before)
    for i in range(64):
        expected = (x[i, MIRROR] if mirrored[i] else x[i]).float() * torch.from_numpy(gain[i])[:, None]
        torch.testing.assert_close(augmented[i], expected.to(dtype))
    assert 0 < mirrored.sum() < 64


def test_windows_that_are_not_contiguous_in_memory_are_augmented_too() -> None:
    x = torch.randn(19, 4, 32).transpose(0, 1)
    assert torch.equal(augment(x, INDICES[:4], 0, 0), augment(x.contiguous(), INDICES[:4], 0, 0))


def test_a_window_changes_in_the_same_way_in_any_batch() -> None:
    x, indices = torch.randn(32, 19, 16), np.random.default_rng(0).integers(0, 2**40, 32)
    whole = augment(x, indices, 7, 2)
    for part in (slice(5, 6), slice(0, 32, 3), slice(31, None)):
        assert torch.equal(augment(x[part], indices[part], 7, 2), whole[part])
    order = np.random.default_rng(1).permutation(32)
    assert torch.equal(augment(x[order], indices[order], 7, 2), whole[order])


def test_the_draw_never_changes() -> None:
    """A resumed run must continue with the draws of the version that started it."""
    mirrored, gain = draw_changes(np.array([0, 1, 123_456_789]), 5, 3)
    assert mirrored.tolist() == [False, False, True]
    np.testing.assert_allclose(
        gain[:, [0, 9, 10, 18]],
        [
            [1.0555652, 0.5066909, 0.69418514, 1.0689796],
            [1.311454, 1.0365244, 0.8316104, 1.0453655],
            [0.9502615, 0.70281523, 1.0607991, 0.96180636],
        ],
        rtol=1e-6,
    )


def test_half_of_the_windows_are_mirrored_and_gains_are_log_normal() -> None:
    mirrored, gain = draw_changes(INDICES, 0, 0)
    z = np.log(gain.astype(np.float64)) / 0.25
    assert abs(mirrored.mean() - 0.5) < 4 * 0.5 / len(INDICES) ** 0.5
    assert np.abs(z.mean(0)).max() < 4.5 / len(INDICES) ** 0.5
    assert np.abs(z.std(0) - 1).max() < 4.5 / (2 * len(INDICES)) ** 0.5
    assert np.abs((z**3).mean(0)).max() < 4.5 * (15 / len(INDICES)) ** 0.5
    assert np.abs((z**4).mean(0) - 3).max() < 4.5 * (96 / len(INDICES)) ** 0.5
    # Kolmogorov and Smirnov: the largest distance from the normal distribution
    ordered = torch.from_numpy(np.sort(z.ravel()))
    distance = (torch.special.ndtr(ordered) - (torch.arange(len(ordered)) + 0.5) / len(ordered)).abs().max()
    assert distance < 2.0 / len(ordered) ** 0.5


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.abs(np.corrcoef(a.T, b.T)[: a.shape[1], a.shape[1] :]).max())


def features(indices: np.ndarray, seed: int, epoch: int) -> np.ndarray:
    mirrored, gain = draw_changes(indices, seed, epoch)
    return np.concatenate([mirrored[:, None], np.log(gain), np.log(gain) ** 2], axis=1)


@pytest.fixture(scope="module")
def reference() -> np.ndarray:
    return features(INDICES, 1, 1)


@pytest.mark.parametrize(
    ("index", "seed", "epoch"),
    [(1, 0, 0), (0, 1, 0), (0, 0, 1), (2**32, 0, 0), (0, 2**32, 0), (0, 2**62, 0), (1, 0, -1), (1, -1, 0), (0, 1, -1)],
)
def test_windows_seeds_and_epochs_next_to_each_other_are_independent(
    reference: np.ndarray, index: int, seed: int, epoch: int
) -> None:
    assert correlation(reference, features(INDICES + index, 1 + seed, 1 + epoch)) < 6 / len(INDICES) ** 0.5


def test_the_channels_of_a_window_are_independent(reference: np.ndarray) -> None:
    found = np.corrcoef(reference.T)
    assert np.abs(found - np.eye(len(found))).max() < 6 / len(INDICES) ** 0.5


def test_the_largest_seed_and_epoch_are_accepted() -> None:
    mirrored, gain = draw_changes(INDICES[:100], 2**63 - 1, 2**31)
    assert 0 < mirrored.sum() < 100
    assert np.isfinite(gain).all()


def test_indices_that_do_not_match_the_windows_are_rejected() -> None:
    with pytest.raises(ValueError, match=r"indices has shape \(3,\), expected one index for each of 2 windows"):
        augment(torch.zeros(2, 19, 8), np.arange(3), 0, 0)
