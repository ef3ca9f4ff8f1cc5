"""Running the chain on ordinary and on unusual recordings."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import edfio
import numpy as np
import pytest
from numpy.typing import NDArray

import seizurekit as sk
from eeg_noise import noise
from seizurekit import _core
from seizurekit.errors import ChannelError
from seizurekit.recordings.channels import CANONICAL_CHANNELS
from seizurekit.signal.chain import Chain
from seizurekit.signal.preprocess import output_samples, preprocess_array, preprocess_edf, quantize

LABELS = list(CANONICAL_CHANNELS)


def write_edf(
    path: Path,
    x: Sequence[NDArray[np.float32]] | NDArray[np.float32],
    rate: int = 250,
    labels: Sequence[str] = LABELS,
    dimension: str = "uV",
    rates: Sequence[int] | None = None,
) -> Path:
    signals = [
        edfio.EdfSignal(
            row, each, label=f"EEG {label}-REF", physical_dimension=dimension, physical_range=(-3276.8, 3276.7)
        )
        for row, label, each in zip(x, labels, rates or [rate] * len(labels), strict=True)
    ]
    edfio.Edf(signals).write(path)
    return path


@pytest.mark.parametrize("rate", [256, 250, 512, 5000, Fraction("999.5"), Fraction(1000003, 4001)], ids=str)
@pytest.mark.parametrize("electrodes", [19, 17])
def test_every_instruction_set_gives_the_same_bytes(rate: Fraction | int, electrodes: int) -> None:
    labels = LABELS if electrodes == 19 else [name for name in LABELS if name not in {"Fz", "Pz"}]
    x = noise(rate, 10.0)[:electrodes]
    x[2, 700:800] = np.nan
    results = []
    try:
        for isa in _core.support.isas():
            _core.support.use_isa(isa)
            found = preprocess_array(x, rate, labels)
            arrays = (found.signal, found.mean, found.std, quantize(found.signal, 1 / 512))
            results.append([array.tobytes() for array in arrays])
    finally:
        _core.support.use_isa(_core.support.isas()[-1])
    assert all(result == results[0] for result in results)


def test_a_file_gives_the_same_result_as_its_samples(tmp_path: Path) -> None:
    path = write_edf(tmp_path / "a.edf", noise(250, 20.0))
    with sk.open_edf(path) as edf:
        x = edf.read()
        np.testing.assert_array_equal(sk.preprocess(edf), preprocess_array(x, 250, LABELS).signal)


def test_the_result_is_z_scored_and_the_scale_is_in_microvolts() -> None:
    found = preprocess_array(noise(256, 120.0), 256, LABELS)
    np.testing.assert_allclose(found.signal.mean(axis=1), 0, atol=0.02)
    np.testing.assert_allclose(found.signal.std(axis=1), 1, atol=0.05)
    assert np.all((found.std > 5) & (found.std < 60))


@pytest.mark.parametrize(("unit", "factor"), [("nV", 1e-3), ("mV", 1e3), ("V", 1e6), ("%", 1.0)])
def test_units_are_converted_to_microvolts(tmp_path: Path, unit: str, factor: float) -> None:
    x = noise(256, 20.0)
    with sk.open_edf(write_edf(tmp_path / "microvolts.edf", x, 256)) as edf:
        expected = preprocess_edf(edf)
    with sk.open_edf(write_edf(tmp_path / "other.edf", x, 256, dimension=unit)) as edf:
        found = preprocess_edf(edf)
    np.testing.assert_allclose(found.std, factor * expected.std, rtol=1e-5)
    np.testing.assert_allclose(found.signal, expected.signal, atol=1e-4)


@pytest.mark.parametrize("samples", [0, 1, 2, 3, 255, 256, 513])
@pytest.mark.parametrize("rate", [256, 250, 1000])
def test_short_recordings_have_the_right_length(samples: int, rate: int) -> None:
    x = np.random.default_rng(0).normal(size=(19, samples)).astype(np.float32)
    found = preprocess_array(x, rate, LABELS).signal
    assert found.shape == (19, samples * 256 // rate)
    assert np.isfinite(found).all()


def test_a_zero_channel_stays_zero_and_a_constant_channel_is_finite() -> None:
    x = noise(256, 30.0)
    x[3], x[4] = 0, 100
    found = preprocess_array(x, 256, LABELS)
    assert not found.signal[3].any()
    assert found.std[3] == 0
    assert np.isfinite(found.signal[4]).all()


def test_gaps_are_zero_and_do_not_change_the_other_samples() -> None:
    x = noise(250, 60.0) * np.float32(1)
    gap = slice(20 * 250, 30 * 250)
    x[:, gap] = np.nan
    found = preprocess_array(x, 250, LABELS)
    assert not found.signal[:, 20 * 256 : 30 * 256].any()
    kept = np.concatenate([found.signal[:, : 20 * 256], found.signal[:, 30 * 256 :]], axis=1)
    np.testing.assert_allclose(kept.mean(axis=1), 0, atol=0.02)
    held = x.copy()
    held[:, gap] = x[:, gap.start - 1 : gap.start]
    other = preprocess_array(held, 250, LABELS)
    ours = found.signal * found.std[:, None] + found.mean[:, None]
    theirs = other.signal * other.std[:, None] + other.mean[:, None]
    np.testing.assert_allclose(ours[:, 5 * 256 : 20 * 256], theirs[:, 5 * 256 : 20 * 256], atol=1e-2)


def test_infinities_and_gaps_of_one_channel_do_not_change_the_others() -> None:
    x = noise(256, 20.0)
    damaged = x.copy()
    damaged[5, 1000:1010] = np.inf
    damaged[5, 0] = np.nan
    found, clean = preprocess_array(damaged, 256, LABELS).signal, preprocess_array(x, 256, LABELS).signal
    assert np.isfinite(found).all()
    assert not found[5, 1000:1010].any()
    others = [i for i in range(19) if i != 5]
    np.testing.assert_array_equal(found[others], clean[others])


def test_outliers_are_clipped() -> None:
    x = noise(256, 60.0)
    x[:, 5000] += 1e6
    assert np.abs(preprocess_array(x, 256, LABELS).signal).max() == 10


def test_the_error_of_a_missing_electrode_names_electrode_and_file(tmp_path: Path) -> None:
    path = write_edf(tmp_path / "no_c3.edf", noise(250, 5.0)[1:], labels=LABELS[1:])
    with sk.open_edf(path) as edf, pytest.raises(ChannelError, match=r"no_c3\.edf: .*missing electrodes: Fp1"):
        sk.preprocess(edf)


def test_electrodes_with_different_rates_are_rejected_by_name(tmp_path: Path) -> None:
    rows = [noise(250, 4.0)[0]] + [noise(500, 4.0)[0]] * 18
    path = write_edf(tmp_path / "rates.edf", rows, rates=[250] + [500] * 18)
    with sk.open_edf(path) as edf, pytest.raises(ChannelError, match=r"Fp1-REF 250 Hz.*F3-REF 500 Hz"):
        sk.preprocess(edf)


def test_quantizing_with_the_stores_step_keeps_60_db_and_the_clipping_range() -> None:
    signal = preprocess_array(noise(256, 60.0), 256, LABELS).signal
    stored = quantize(signal, 1 / 512)
    assert stored.dtype == np.int16
    error = np.sqrt(np.mean((stored / 512 - signal) ** 2))
    assert 20 * np.log10(np.sqrt(np.mean(signal**2)) / error) >= 60
    np.testing.assert_array_equal(
        quantize(np.array([10, -10, 0.5 / 512, 1.5 / 512, 99], np.float32), 1 / 512), [5120, -5120, 0, 2, 32767]
    )


@pytest.mark.parametrize("rate", [250, 256, 512])
def test_samples_do_not_change_the_result_a_second_before_them(rate: int) -> None:
    x = noise(rate, 40.0)
    chain = Chain(clip=1e6)
    whole, part = (preprocess_array(each, rate, LABELS, chain) for each in (x, x[:, : 10 * rate + 77]))
    before = slice(0, 9 * 256)
    own, others = (each.signal[:, before] * each.std[:, None] + each.mean[:, None] for each in (whole, part))
    np.testing.assert_allclose(own, others, atol=1e-4)


def test_a_channel_whose_variance_overflows_is_zero() -> None:
    x = noise(256, 20.0)
    x[7] = np.random.default_rng(0).choice([-3e38, 3e38], x.shape[1])
    found = preprocess_array(x, 256, LABELS)
    assert np.isfinite(found.signal).all()
    assert np.isfinite(found.mean).all()
    assert not found.signal[7].any()
    assert found.signal[6].any()


def test_a_rate_that_is_not_a_decimal_fraction_is_rounded() -> None:
    x = noise(Fraction(1000, 3), 10.0)
    np.testing.assert_array_equal(
        preprocess_array(x, 1000 / 3, LABELS).signal, preprocess_array(x, Fraction(1000, 3), LABELS).signal
    )
    assert preprocess_array(x, Fraction(250 * 10**20 + 1, 10**20), LABELS).signal.shape[1] == x.shape[1] * 256 // 250


@pytest.mark.parametrize("rate", [0, -250, 99.9, 5000.1, float("nan"), float("inf")])
def test_impossible_rates_are_rejected(rate: float) -> None:
    with pytest.raises(ChannelError, match="sampling rate is"):
        preprocess_array(noise(256, 1.0), rate, LABELS)


@pytest.mark.parametrize("step", [0.0, -1.0, float("nan"), float("inf")])
def test_impossible_steps_are_rejected(step: float) -> None:
    with pytest.raises(ValueError, match="step is"):
        quantize(np.zeros((1, 4), np.float32), step)


def test_quantizing_rounds_like_numpy() -> None:
    x = np.random.default_rng(0).normal(0, 4, (3, 1001)).astype(np.float32)
    np.testing.assert_array_equal(quantize(x, 1 / 512), np.rint(x * 512).astype(np.int16))
    assert quantize(np.array([[np.nan, np.inf, -np.inf]], np.float32), 1.0).tolist() == [[0, 32767, -32767]]


def test_only_channels_of_the_chain_are_reported_as_interpolated() -> None:
    kept = [i for i, name in enumerate(LABELS) if name not in {"Fz", "Pz"}]
    chain = Chain(channels=("O1", "Fz"))
    found = preprocess_array(noise(256, 5.0)[kept], 256, [LABELS[i] for i in kept], chain)
    assert found.interpolated == ("Fz",)
    assert found.signal.shape[0] == 2


def test_interpolation_uses_electrodes_that_are_not_in_the_output() -> None:
    kept = [i for i, name in enumerate(LABELS) if name != "Fz"]
    x, labels = noise(256, 5.0)[kept], [LABELS[i] for i in kept]
    full = preprocess_array(x, 256, labels)
    reduced = preprocess_array(x, 256, labels, Chain(channels=("O1", "Fz")))
    np.testing.assert_array_equal(reduced.signal[1], full.signal[LABELS.index("Fz")])


@pytest.mark.parametrize("samples", [1, 249, 250, 251, 1001, 2503])
def test_the_planned_length_is_the_length_of_the_output(samples: int) -> None:
    x = np.zeros((19, samples), np.float32)
    for rate in (250, 256, 1000, Fraction("999.5")):
        assert output_samples(samples, Fraction(rate), Chain()) == preprocess_array(x, rate, LABELS).signal.shape[1]


def test_a_row_without_a_label_is_rejected() -> None:
    with pytest.raises(ValueError, match=r"expected \(19, samples\)"):
        preprocess_array(noise(256, 1.0)[:5], 256, LABELS)
