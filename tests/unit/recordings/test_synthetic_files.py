"""Synthetic EDF and annotation files, opened in other readers."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import edfio
import numpy as np
import pyedflib
import pytest

from seizurekit.recordings.annotations import parse_annotations, read_annotations
from seizurekit.recordings.synthetic.edf_file import (
    ANNOTATIONS,
    FileHeader,
    SignalHeader,
    digitize,
    encode_annotations,
    encode_header,
)
from seizurekit.recordings.synthetic.labels import encode_csv
from seizurekit.recordings.synthetic.malformations import MALFORMATIONS, malform
from seizurekit.recordings.synthetic.mimics import KINDS
from seizurekit.recordings.synthetic.plan import CorpusSpec, RecordingPlan, plan_corpus
from seizurekit.recordings.synthetic.scalp import ELECTRODES


@pytest.fixture(scope="module")
def plans() -> tuple[RecordingPlan, ...]:
    return plan_corpus(CorpusSpec(seed=1, train_patients=8, dev_patients=0, eval_patients=0, minutes=8.0, broken=0))


def well_formed(corpus: Path) -> list[tuple[Path, int]]:
    listing = json.loads((corpus / "synthetic.json").read_text())["recordings"]
    return [(corpus / entry["path"], entry["seconds"]) for entry in listing if entry["malformation"] is None]


def test_well_formed_files_open_in_edfio_and_pyedflib_with_the_same_samples(small_corpus: Path) -> None:
    files = well_formed(small_corpus)
    assert files
    for path, seconds in files:
        edf = edfio.read_edf(path)
        assert edf.duration == seconds
        with pyedflib.EdfReader(str(path)) as reader:
            assert reader.getSignalLabels() == [signal.label for signal in edf.signals]
            for position, signal in enumerate(edf.signals):
                np.testing.assert_allclose(reader.readSignal(position), signal.data, rtol=1e-12, atol=1e-9)


def test_potentials_have_the_amplitude_of_eeg_and_stay_below_the_amplifiers_limits(small_corpus: Path) -> None:
    for path, _ in well_formed(small_corpus):
        for signal in edfio.read_edf(path).signals[:17]:
            assert signal.physical_dimension == "uV"
            assert 5.0 < signal.data.std() < 150.0
            assert np.abs(signal.data).max() < 0.9 * signal.physical_max


def test_notes_are_in_the_annotation_signal_at_their_onset() -> None:
    notes = [(0.0, "recording starts"), (1.25, "chewing")]
    header = FileHeader("X X X X", "Startdate 01-FEB-2010 X X X", "01.02.10", "09.30.00", plus=True)
    signals = [SignalHeader("EEG CZ-REF", 4), ANNOTATIONS]
    records = np.zeros((3, 61), "<i2")
    records[:, 4:] = encode_annotations(notes, 3)
    edf = edfio.read_edf(encode_header(header, signals, 3) + records.tobytes())
    assert [(note.onset, note.text) for note in edf.annotations] == notes


def test_notes_that_do_not_fit_into_a_record_are_rejected() -> None:
    with pytest.raises(ValueError, match="record 1"):
        encode_annotations([(1.5, "x" * 100)], 2)


def test_annotations_in_the_edf_name_artifacts_and_no_seizures(small_corpus: Path) -> None:
    for path, _ in well_formed(small_corpus):
        assert {note.text for note in edfio.read_edf(path).annotations} <= {"recording starts", *KINDS}


def test_values_are_rounded_to_the_nearest_digital_value_within_the_limits() -> None:
    header = SignalHeader("EEG CZ-REF", 4, physical_min="-100", physical_max="100", digital_min=-1000, digital_max=1000)
    out = np.empty((1, 4), np.int16)
    digitize(np.array([0.26, -0.26, 1e6, -1e6], np.float32), header, out)
    assert out.tolist() == [[3, -3, 1000, -1000]]


def test_asymmetric_limits_shift_digital_zero() -> None:
    header = SignalHeader("EEG CZ-REF", 3, physical_min="-100", physical_max="300", digital_min=-1000, digital_max=1000)
    out = np.empty((1, 3), np.int16)
    digitize(np.array([100.0, -100.0, 300.0], np.float32), header, out)
    assert out.tolist() == [[0, -1000, 1000]]


def test_a_header_field_that_is_too_long_is_rejected() -> None:
    header = FileHeader("X" * 81, "", "01.02.10", "09.30.00", plus=False)
    with pytest.raises(ValueError, match="at most 80"):
        encode_header(header, [], 1)


def test_csv_bi_has_each_seizure_once_with_background_between(small_corpus: Path, small_spec: CorpusSpec) -> None:
    plans = plan_corpus(small_spec)
    assert any(plan.seizures for plan in plans)
    for plan in plans:
        found = read_annotations((small_corpus / plan.path).with_suffix(".csv_bi"))
        assert found.messages == ()
        assert found.duration == plan.seconds
        assert [(e.start, e.stop) for e in found.seizures()] == [(s.start, s.stop) for s in plan.seizures]
        assert found.events[0].start == 0.0
        assert found.events[-1].stop == plan.seconds
        assert all(before.stop == after.start for before, after in pairwise(found.events))


def test_csv_has_the_channels_of_the_montage_and_the_seizure_types(plans: tuple[RecordingPlan, ...]) -> None:
    for plan in plans:
        found = parse_annotations(encode_csv(plan), "recording.csv")
        assert found.messages == ()
        channels = {event.channel for event in found.events}
        assert len(channels) == (20 if plan.session.montage == "03_tcp_ar_a" else 22)
        seizures = found.seizures()
        assert [(e.start, e.stop, e.label) for e in seizures] == [(s.start, s.stop, s.label) for s in plan.seizures]


def test_csv_starts_a_seizure_in_a_channel_when_it_reaches_one_of_its_electrodes(
    plans: tuple[RecordingPlan, ...],
) -> None:
    for plan in plans:
        found = parse_annotations(encode_csv(plan), "recording.csv")
        for seizure in plan.seizures:
            onsets = dict(zip(ELECTRODES, seizure.onsets(), strict=True))
            for event in found.events:
                if event.stop == seizure.stop and event.label == seizure.label:
                    first, second = event.channel.split("-")
                    assert event.start == pytest.approx(np.nanmin([onsets[first], onsets[second]]), abs=1e-4)


def test_a_focal_seizure_spreads_over_neighboring_channels(plans: tuple[RecordingPlan, ...]) -> None:
    focal = [seizure for plan in plans for seizure in plan.seizures if not seizure.generalized]
    assert focal
    for seizure in focal:
        onsets = seizure.onsets()
        assert np.nanmin(onsets) == seizure.start
        assert np.count_nonzero(onsets == seizure.start) == 1
        assert np.count_nonzero(np.isfinite(onsets)) > 1


def four_signal_file() -> bytes:
    header = FileHeader("P X X P", "Startdate 01-FEB-2010 X X X", "01.02.10", "09.30.00", plus=False)
    labels = ("EEG CZ-REF", "EEG EKG1-REF", "EEG 31-REF", "EEG 32-REF")
    signals = [
        SignalHeader(label, 4, physical_min="-100.50", physical_max="100.500", digital_min=-1000, digital_max=1000)
        for label in labels
    ]
    return encode_header(header, signals, 3) + np.arange(48, dtype="<i2").tobytes()


@pytest.mark.parametrize("name", MALFORMATIONS)
def test_a_malformation_keeps_the_samples_before_the_last_record(name: str) -> None:
    before = four_signal_file()
    edf = malform(before, name)
    assert edf != before
    assert edf[256 * 5 : 256 * 5 + 64] == before[256 * 5 : 256 * 5 + 64]
    assert (len(edf) < len(before)) == (name == "last record cut")


def test_malformations_do_what_their_names_say() -> None:
    found = {name: malform(four_signal_file(), name) for name in MALFORMATIONS}
    assert found["start date with colons"][168:176] == b"01:02:10"
    assert found["start time with colons"][176:184] == b"09:30:00"
    assert found["record count -1"][236:244] == b"-1      "
    assert found["wrong header size"][184:192] == b"256     "
    assert found["duplicate label"][256:320].split() == [
        *b"EEG CZ-REF EEG EKG1-REF".split(),
        *b"EEG 31-REF".split() * 2,
    ]
    assert b"-100,50 " in found["decimal commas in the physical limits"]
    assert found["NUL bytes in the header"][256:272] == b"EEG CZ-REF".ljust(16, b"\x00")
    limits = found["physical minimum above maximum"][256 + 4 * 104 : 256 + 4 * 120]
    assert limits[8:16] == b"100.500 "
    assert limits[40:48] == b"-100.50 "


def test_unreadable_files_do_not_open_in_edfio(small_corpus: Path) -> None:
    for entry in json.loads((small_corpus / "synthetic.json").read_text())["broken"]:
        with pytest.raises((ValueError, OSError, EOFError)):
            edfio.read_edf(small_corpus / entry["path"])
