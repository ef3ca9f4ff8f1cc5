"""Real files open and have the samples and annotations that other readers return."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

import edfio
import numpy as np
import pyedflib
import pytest

import seizurekit as sk

SHARED = Path(__file__).resolve().parents[4] / "shared" / "data"
FILES = sorted(path for folder in ("edf", "tusz") for path in (SHARED / folder).rglob("*.[eb]df"))
NAMES = [str(path.relative_to(SHARED)) for path in FILES] or ["edf/none.edf"]
MNE_NAMES = ["edf/mne_test.edf", "edf/pyedflib_subsecond.edf", "edf/pyedflib_generator.bdf"]


@pytest.fixture(params=NAMES)
def path(request: pytest.FixtureRequest, shared_data: Path) -> Path:
    return shared_data / str(request.param)


def by_edfio(path: Path) -> edfio.Edf | edfio.Bdf | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about malformed files
        try:
            return edfio.read_bdf(path) if path.suffix == ".bdf" else edfio.read_edf(path)
        except (ValueError, UnicodeDecodeError):
            return None


def test_samples_are_those_of_edfio(path: Path) -> None:
    other = by_edfio(path)
    edf = sk.open_edf(path)
    if other is None:
        pytest.skip("edfio cannot read it")
    assert [channel.label for channel in edf.channels] == list(other.labels)
    signals: Sequence[edfio.EdfSignal | edfio.BdfSignal] = other.signals
    for position, expected in enumerate(signals):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            data = expected.data
        assert edf.channels[position].sampling_rate == pytest.approx(expected.sampling_frequency)
        np.testing.assert_allclose(edf.read([position], dtype="float64")[0], data, rtol=1e-12, atol=1e-9)
        np.testing.assert_allclose(edf.read([position])[0], data, rtol=2e-7, atol=1e-9)


def test_annotations_and_start_are_those_of_edfio(path: Path) -> None:
    other = by_edfio(path)
    edf = sk.open_edf(path)
    if other is None:
        pytest.skip("edfio cannot read it")
    expected = sorted((a.onset, a.text, a.duration) for a in other.annotations if a.text)
    found = sorted((a.onset, a.text, a.duration) for a in edf.annotations)
    for ours, theirs in zip(found, expected, strict=True):
        assert ours[0] == pytest.approx(theirs[0], abs=1e-9)
        assert ours[1:] == theirs[1:]
    assert edf.start_time == other.startdatetime


@pytest.mark.slow
def test_samples_are_those_of_pyedflib(path: Path) -> None:
    edf = sk.open_edf(path)
    try:
        other = pyedflib.EdfReader(str(path))
    except OSError:
        pytest.skip("pyedflib cannot read it")
    with other:
        assert [channel.label for channel in edf.channels] == other.getSignalLabels()
        for position in range(other.signals_in_file):
            expected = other.readSignal(position)
            np.testing.assert_allclose(edf.read([position], dtype="float64")[0], expected, rtol=1e-12, atol=1e-9)
            np.testing.assert_array_equal(
                edf.read([position], dtype="int32")[0], other.readSignal(position, digital=True)
            )


@pytest.mark.parametrize("name", MNE_NAMES)
def test_annotations_are_those_of_mne(name: str, shared_data: Path) -> None:
    import mne

    path = shared_data / name
    read = mne.io.read_raw_bdf if path.suffix == ".bdf" else mne.io.read_raw_edf
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        raw = read(path, verbose="error")
    found = [(a.onset, a.duration or 0.0, a.text) for a in sk.open_edf(path).annotations]
    expected = zip(raw.annotations.onset, raw.annotations.duration, raw.annotations.description, strict=True)
    for ours, theirs in zip(found, expected, strict=True):
        assert ours[0] == pytest.approx(theirs[0], abs=1e-6)
        assert ours[1] == pytest.approx(theirs[1])
        assert ours[2].strip() == theirs[2].strip()


def test_every_file_opens_and_its_issues_are_sentences(shared_data: Path) -> None:
    for path in FILES:
        edf = sk.open_edf(path)
        assert edf.channels
        assert edf.duration > 0
        for issue in edf.issues:
            assert str(issue).startswith(f"byte {issue.byte_offset}: {issue.field} is ")
