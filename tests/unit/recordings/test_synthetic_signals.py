"""Synthetic signals: spectra, and the differences between seizures, background and mimics."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from scipy import signal

from seizurekit.recordings.synthetic.artifacts import add_artifacts
from seizurekit.recordings.synthetic.background import background
from seizurekit.recordings.synthetic.mimics import KINDS, Mimic, add_mimic
from seizurekit.recordings.synthetic.noise import band_noise, colored_noise, on_and_off
from seizurekit.recordings.synthetic.patient import Patient, draw_patient
from seizurekit.recordings.synthetic.plan import CorpusSpec, RecordingPlan, plan_corpus
from seizurekit.recordings.synthetic.recording import scalp_potentials
from seizurekit.recordings.synthetic.scalp import ELECTRODES, cortical_field, distances, field_around
from seizurekit.recordings.synthetic.seizures import Seizure, add_seizure

RATE = 256
SECONDS = 120
SAMPLES = RATE * SECONDS
Float32 = npt.NDArray[np.float32]


def at(electrode: str) -> int:
    return ELECTRODES.index(electrode)


def spectrum(x: Float32) -> tuple[npt.NDArray[np.float64], Float32]:
    frequency, power = signal.welch(x, RATE, nperseg=4 * RATE)
    return frequency, power


def power_between(x: Float32, low: float, high: float) -> float:
    frequency, power = spectrum(x)
    return float(power[..., (frequency >= low) & (frequency < high)].mean())


@pytest.fixture(scope="module")
def patient() -> Patient:
    return draw_patient(np.random.default_rng(0), "aaaaaaaa", "train")


@pytest.fixture(scope="module")
def quiet(patient: Patient) -> Float32:
    return background(np.random.default_rng(1), patient, SAMPLES, RATE, np.zeros(SAMPLES, np.float32))


def focal(**changes: Any) -> Seizure:
    seizure = Seizure(
        start=30.0, stop=90.0, label="fnsz", focus="T3", strength=2.0, first_hz=7.0, last_hz=2.5,
        sharpness=5.0, spread=6.0, reach=1.6, aftermath=10.0,
    )  # fmt: skip
    return replace(seizure, **changes)


def only(seizure: Seizure) -> Float32:
    potentials = np.zeros((len(ELECTRODES), SAMPLES), np.float32)
    add_seizure(np.random.default_rng(2), seizure, 15.0, potentials, RATE)
    return potentials


@pytest.mark.parametrize("exponent", [1.0, 1.5, 2.0])
def test_the_power_of_colored_noise_falls_with_its_exponent(exponent: float) -> None:
    noise = colored_noise(np.random.default_rng(0), 4, SAMPLES, RATE, exponent)
    frequency, power = spectrum(noise)
    band = (frequency > 3.0) & (frequency < 60.0)
    slope = np.polyfit(np.log(frequency[band]), np.log(power[:, band].mean(axis=0)), 1)[0]
    assert slope == pytest.approx(-exponent, abs=0.1)
    assert noise.std() == pytest.approx(1.0, abs=0.1)
    assert np.abs(noise.mean(axis=1)).max() < 1e-3
    assert noise.dtype == np.float32


def test_band_noise_stays_within_its_band() -> None:
    noise = band_noise(np.random.default_rng(0), 1, SAMPLES, RATE, 20.0, 40.0)[0]
    assert power_between(noise, 22.0, 38.0) > 1000 * power_between(noise, 0.0, 8.0)
    assert power_between(noise, 22.0, 38.0) > 100 * power_between(noise, 90.0, 120.0)


def test_an_intermittent_rhythm_is_on_for_the_expected_share_of_time() -> None:
    level = on_and_off(np.random.default_rng(0), 30 * SAMPLES, RATE, on=5.0, off=15.0)
    assert level.min() == 0.0
    assert level.max() == 1.0
    assert level.mean() == pytest.approx(0.28, abs=0.1)


def test_the_background_is_1_over_f_with_alpha_at_the_back_of_the_head(patient: Patient, quiet: Float32) -> None:
    frequency, power = spectrum(quiet)
    band = (frequency > 2.0) & (frequency < 35.0) & ((frequency < 7.0) | (frequency > 13.0))
    slope = np.polyfit(np.log(frequency[band]), np.log(power[at("C3"), band]), 1)[0]
    assert -2.2 < slope < -0.9
    alpha, above = patient.alpha_hz, patient.alpha_hz * 1.8
    rise = {}
    for name in ("O1", "FP1"):
        trace = quiet[at(name)]
        rise[name] = power_between(trace, alpha - 1, alpha + 1) / power_between(trace, above, above + 3)
    assert rise["O1"] > 4 * rise["FP1"]


def test_neighboring_electrodes_correlate_more_than_distant_ones(quiet: Float32) -> None:
    correlation = np.asarray(np.corrcoef(quiet))
    assert correlation[at("F3"), at("C3")] > correlation[at("F3"), at("O2")] + 0.2
    np.testing.assert_allclose(np.linalg.norm(cortical_field(16), axis=1), 1.0, rtol=1e-5)


def test_left_and_right_electrodes_are_symmetric() -> None:
    pairs = {
        "FP1": "FP2",
        "F7": "F8",
        "T3": "T4",
        "T5": "T6",
        "O1": "O2",
        "F3": "F4",
        "C3": "C4",
        "P3": "P4",
        "A1": "A2",
    }
    for left, right in pairs.items():
        assert distances("CZ")[at(left)] == pytest.approx(distances("CZ")[at(right)], abs=1e-6)
        assert field_around("FZ", 0.5)[at(left)] == pytest.approx(field_around("FZ", 0.5)[at(right)], abs=1e-6)
    assert np.argsort(distances("F3"))[0] == at("F3")


def test_artifacts_include_mains_hum_blinks_and_drift(patient: Patient) -> None:
    potentials = np.zeros((len(ELECTRODES), SAMPLES), np.float32)
    add_artifacts(np.random.default_rng(3), replace(patient, blinks=15.0), potentials, RATE)
    mains, nearby = (
        np.median([power_between(x, low, high) for x in potentials]) for low, high in ((59.7, 60.3), (63, 67))
    )
    assert mains > 20 * nearby
    assert np.ptp(potentials[at("FP1")]) > 50.0
    assert np.abs(potentials.mean(axis=1)).max() > 50.0


def test_only_slow_waves_outlast_a_seizure() -> None:
    potentials = only(focal())
    assert not potentials[:, : 30 * RATE].any()
    after = potentials[at("T3"), 90 * RATE : 100 * RATE]
    assert power_between(after, 0.5, 3.0) > 50 * power_between(after, 6.0, 20.0)
    assert not potentials[:, 100 * RATE :].any()


def test_a_seizure_slows_grows_and_spreads() -> None:
    potentials = only(focal())
    early, late = (potentials[at("T3"), a * RATE : (a + 8) * RATE] for a in (30, 80))
    peaks = [spectrum(part)[0][np.argmax(spectrum(part)[1])] for part in (early, late)]
    assert peaks[0] > 5.0
    assert peaks[1] < 3.5
    assert late.std() > 1.3 * early.std()
    assert not potentials[at("C3"), 30 * RATE : 31 * RATE].any()
    assert potentials[at("C3"), 80 * RATE : 88 * RATE].std() > 5.0
    assert potentials[at("T3")].std() > 2 * potentials[at("T4")].std()


def test_a_seizure_reaches_no_electrode_in_its_last_2_seconds() -> None:
    seizure = focal(start=30.0, stop=38.0, spread=5.0, reach=2.0)
    reached = seizure.onsets()
    whole = replace(seizure, stop=90.0).onsets()
    np.testing.assert_array_equal(reached, np.where(whole < 36.0, whole, np.nan))
    assert np.isfinite(whole).sum() > np.isfinite(reached).sum() > 1


def test_a_generalized_seizure_starts_everywhere_at_once() -> None:
    potentials = only(focal(label="absz", stop=45.0, first_hz=3.2, last_hz=2.8))
    onset = potentials[:, 30 * RATE : 32 * RATE]
    assert (onset.std(axis=1) > 3.0).all()


@pytest.mark.parametrize("kind", KINDS)
def test_a_mimic_stays_within_its_start_and_stop(kind: str) -> None:
    potentials = np.zeros((len(ELECTRODES), SAMPLES), np.float32)
    add_mimic(np.random.default_rng(0), Mimic(kind, 20.0, 50.0, 2.0), 15.0, potentials, RATE)
    assert potentials[:, 20 * RATE : 50 * RATE].any()
    assert not potentials[:, : 20 * RATE].any()
    assert not potentials[:, 50 * RATE :].any()


@pytest.mark.parametrize("kind", ["tapped electrode", "pulse"])
def test_a_mimic_of_one_electrode_changes_no_other(kind: str) -> None:
    potentials = np.zeros((len(ELECTRODES), SAMPLES), np.float32)
    add_mimic(np.random.default_rng(0), Mimic(kind, 20.0, 50.0, 2.0), 15.0, potentials, RATE)
    assert np.count_nonzero(potentials.any(axis=1)) == 1


@pytest.fixture(scope="module")
def plans() -> list[RecordingPlan]:
    spec = CorpusSpec(seed=2, train_patients=6, dev_patients=0, eval_patients=0, minutes=4.0, broken=0)
    return [plan for plan in plan_corpus(spec) if plan.seizures and not plan.seizures[0].generalized]


def test_at_its_focus_a_developed_seizure_is_more_rhythmic_than_the_background(plans: list[RecordingPlan]) -> None:
    assert plans
    ratios = []
    for plan in plans:
        seizure, rate = plan.seizures[0], plan.session.rate
        trace = scalp_potentials(plan)[at(seizure.focus)]
        middle = 0.5 * (seizure.start + seizure.stop)
        shares = []
        for start in (middle - 2.0, max(0.0, seizure.start - 8.0)):
            part = np.asarray(trace[int(start * rate) : int((start + 4.0) * rate)], np.float32)
            frequency, power = signal.periodogram(part, rate, detrend=signal.detrend)
            band = (frequency >= 1.5) & (frequency < 12.0)
            shares.append(float(power[band].sum()))
        ratios.append(shares[0] / shares[1])
    assert np.median(ratios) > 2.0
