"""Augmentation: what is done to a window, and that it follows from seed, epoch and window alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import seizurekit as sk
from seizurekit.training.augment import MIRROR, augment, drawn

NUMBERS = np.arange(50_000)


def test_mirroring_exchanges_the_sides_and_nothing_else() -> None:
    names = [sk.Chain().channels[i] for i in MIRROR]
    assert names[:8] == list(sk.Chain().channels[11:])
    assert names[8:11] == ["Fz", "Cz", "Pz"]
    assert [MIRROR[i] for i in MIRROR] == list(range(19))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_augmented_windows_are_mirrored_or_not_and_scaled_by_channel(dtype: torch.dtype) -> None:
    x = torch.randn(64, 19, 32, dtype=dtype)
    before, numbers = x.clone(), np.arange(64) * 1000
    mirrored, gain = drawn(numbers, 3, 1)
    found = augment(x, numbers, 3, 1)
    assert found.dtype == dtype
    assert torch.equal(x, before)
    for i in range(64):
        wanted = (x[i, MIRROR] if mirrored[i] else x[i]).float() * torch.from_numpy(gain[i])[:, None]
        torch.testing.assert_close(found[i], wanted.to(dtype))
    assert 0 < mirrored.sum() < 64


def test_windows_that_do_not_lie_one_after_the_other_in_memory_are_augmented_as_well() -> None:
    x = torch.randn(19, 4, 32).transpose(0, 1)
    assert torch.equal(augment(x, NUMBERS[:4], 0, 0), augment(x.contiguous(), NUMBERS[:4], 0, 0))


def test_a_window_is_changed_alike_in_any_batch() -> None:
    x, numbers = torch.randn(32, 19, 16), np.random.default_rng(0).integers(0, 2**40, 32)
    whole = augment(x, numbers, 7, 2)
    for part in (slice(5, 6), slice(0, 32, 3), slice(31, None)):
        assert torch.equal(augment(x[part], numbers[part], 7, 2), whole[part])
    order = np.random.default_rng(1).permutation(32)
    assert torch.equal(augment(x[order], numbers[order], 7, 2), whole[order])


def test_what_was_drawn_once_is_drawn_for_ever() -> None:
    """A resumed run must go on with what an older version drew."""
    mirrored, gain = drawn(np.array([0, 1, 123_456_789]), 5, 3)
    assert mirrored.tolist() == [False, True, False]
    np.testing.assert_allclose(
        gain[:, [0, 9, 10, 18]],
        [
            [1.1580098, 0.7880529, 1.3203976, 1.0069373],
            [1.0650872, 0.7345566, 1.8736136, 0.9610831],
            [1.0048268, 1.1490836, 1.4741027, 1.2758229],
        ],
        rtol=1e-6,
    )


def test_half_of_the_windows_are_mirrored_and_gains_are_log_normal() -> None:
    mirrored, gain = drawn(NUMBERS, 0, 0)
    z = np.log(gain.astype(np.float64)) / 0.25
    assert abs(mirrored.mean() - 0.5) < 4 * 0.5 / len(NUMBERS) ** 0.5
    assert np.abs(z.mean(0)).max() < 4.5 / len(NUMBERS) ** 0.5
    assert np.abs(z.std(0) - 1).max() < 4.5 / (2 * len(NUMBERS)) ** 0.5
    assert np.abs((z**3).mean(0)).max() < 4.5 * (15 / len(NUMBERS)) ** 0.5
    assert np.abs((z**4).mean(0) - 3).max() < 4.5 * (96 / len(NUMBERS)) ** 0.5
    # Kolmogorov and Smirnov: the largest distance from the normal distribution
    ordered = torch.from_numpy(np.sort(z.ravel()))
    distance = (torch.special.ndtr(ordered) - (torch.arange(len(ordered)) + 0.5) / len(ordered)).abs().max()
    assert distance < 2.0 / len(ordered) ** 0.5


def correlation(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.abs(np.corrcoef(a.T, b.T)[: a.shape[1], a.shape[1] :]).max())


def told(numbers: np.ndarray, seed: int, epoch: int) -> np.ndarray:
    mirrored, gain = drawn(numbers, seed, epoch)
    return np.concatenate([mirrored[:, None], np.log(gain), np.log(gain) ** 2], axis=1)


@pytest.mark.parametrize(
    ("number", "seed", "epoch"),
    [(1, 0, 0), (0, 1, 0), (0, 0, 1), (2**32, 0, 0), (0, 2**32, 0), (0, 2**62, 0), (1, 0, -1), (1, -1, 0), (0, 1, -1)],
)
def test_neighbours_in_number_seed_or_epoch_have_nothing_in_common(number: int, seed: int, epoch: int) -> None:
    first = told(NUMBERS, 1, 1)
    other = told(NUMBERS + number, 1 + seed, 1 + epoch)
    assert correlation(first, other) < 6 / len(NUMBERS) ** 0.5


def test_channels_of_a_window_have_nothing_in_common() -> None:
    found = np.corrcoef(told(NUMBERS, 4, 2).T)
    assert np.abs(found - np.eye(len(found))).max() < 6 / len(NUMBERS) ** 0.5


def test_the_largest_seed_and_epoch_will_do() -> None:
    mirrored, gain = drawn(NUMBERS, 2**63 - 1, 2**31)
    assert 0 < mirrored.sum() < len(NUMBERS)
    assert np.isfinite(gain).all()


def test_another_number_of_windows_than_of_numbers_is_refused() -> None:
    with pytest.raises(ValueError, match=r"numbers: found shape \(3,\), wanted one for each of 2 windows"):
        augment(torch.zeros(2, 19, 8), np.arange(3), 0, 0)
