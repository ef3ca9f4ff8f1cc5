"""Parsing electrodes and references from labels, and finding the 19 electrodes of a recording."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seizurekit.errors import ChannelError
from seizurekit.recordings.channels import CANONICAL_CHANNELS, parse_electrode, parse_reference, select_channels


def labels_of(path: Path) -> list[str]:
    header = path.read_bytes()[: 256 + 16 * 512]
    return [header[256 + 16 * i : 272 + 16 * i].decode("latin-1") for i in range(int(header[252:256]))]


@pytest.mark.parametrize(
    ("label", "electrode", "reference"),
    [
        ("EEG FP1-REF", "Fp1", "REF"),
        ("EEG FP1-LE", "Fp1", "LE"),
        ("EEG Fz-AR", "Fz", "AR"),
        ("EEG Cz-Ref", "Cz", "REF"),
        ("eeg c3-ref", "C3", "REF"),
        ("  EEG  O1 - REF  ", "O1", "REF"),
        ("EEG FP2 REF", "Fp2", "REF"),
        ("EEG F7-A1", "F7", "A1"),
        ("C4-M1", "C4", "M1"),
        ("P3-A1+A2", "P3", "A1+A2"),
        ("Fp1", "Fp1", ""),
        ("EEG Fp1", "Fp1", ""),
        ("Pz..", "Pz", ""),
        ("T7", "T3", ""),
        ("EEG T8-REF", "T4", "REF"),
        ("P7-LE", "T5", "LE"),
        ("p8", "T6", ""),
    ],
)
def test_a_label_names_an_electrode_and_its_reference(label: str, electrode: str, reference: str) -> None:
    assert parse_electrode(label) == electrode
    assert parse_reference(label) == reference


@pytest.mark.parametrize(
    "label",
    ["C3P", "EEG C3P-REF", "FP1-F7", "EEG FP1-F7", "C3-Cz", "T8-P8", "FZ-CZ", "EKG1", "EEG EKG1-REF", "IBI", "BURSTS",
     "1", "EEG 30-LE", "C33", "Fp10", "AC3", "FP", "EEG", "", "   ", "-", "EDF Annotations", "PHOTIC PH", "EOG C3",
     "A1", "C3-", "C3-X", "Fc1", "T1", "T9", "FP1-REF-0", "EEG A1-REF", "F3 F4", "C3+"],
)  # fmt: skip
def test_other_labels_name_no_electrode(label: str) -> None:
    assert parse_electrode(label) is None


@given(st.sampled_from(CANONICAL_CHANNELS), st.sampled_from(["", "-REF", "-LE", "-AR", "-Ref"]), st.randoms())
def test_case_and_prefix_do_not_matter(name: str, suffix: str, rng: random.Random) -> None:
    label = "".join(rng.choice([c.lower(), c.upper()]) for c in rng.choice(["", "EEG "]) + name + suffix)
    assert parse_electrode(label) == name


@given(st.text(max_size=20))
def test_any_text_gives_an_electrode_or_none(label: str) -> None:
    assert parse_electrode(label) in {*CANONICAL_CHANNELS, None}
    assert parse_reference(label) == parse_reference(label).upper()


@given(st.permutations([f"EEG {name.upper()}-REF" for name in CANONICAL_CHANNELS] + ["EEG EKG1-REF", "IBI", "C3-P3"]))
def test_the_electrodes_are_found_in_any_order(labels: list[str]) -> None:
    selection = select_channels(labels)
    assert [parse_electrode(labels[p]) for p in selection.indices if p is not None] == list(CANONICAL_CHANNELS)
    assert (selection.interpolated, selection.reference) == ((), "REF")


@pytest.mark.parametrize("missing", [("Fz",), ("Pz",), ("Fz", "Pz")])
def test_missing_midline_electrodes_are_interpolated(missing: tuple[str, ...]) -> None:
    selection = select_channels([name for name in CANONICAL_CHANNELS if name not in missing])
    assert selection.interpolated == missing
    assert [name for name, p in zip(CANONICAL_CHANNELS, selection.indices, strict=True) if p is None] == list(missing)


def test_the_error_lists_missing_electrodes_and_the_labels_of_the_file() -> None:
    labels = [f"EEG {name}-LE" for name in CANONICAL_CHANNELS if name not in {"Cz", "T3", "Fz"}]
    with pytest.raises(ChannelError) as raised:
        select_channels(labels)
    message = str(raised.value)
    assert "missing electrodes: T3, Cz;" in message
    assert "Fz" not in message
    assert all(label in message for label in labels)


def test_a_recording_without_signals_is_rejected() -> None:
    with pytest.raises(ChannelError, match="labels in the file: none"):
        select_channels([])


def test_the_first_of_two_signals_with_the_same_name_is_selected() -> None:
    assert select_channels([*CANONICAL_CHANNELS, "EEG C3-REF"]).indices == tuple(range(19))


@pytest.mark.parametrize("newer_first", [True, False])
def test_an_older_name_has_priority_over_a_newer_one(newer_first: bool) -> None:
    labels = ["T7", *CANONICAL_CHANNELS] if newer_first else [*CANONICAL_CHANNELS, "T7"]
    position = select_channels(labels).indices[CANONICAL_CHANNELS.index("T3")]
    assert position is not None
    assert labels[position] == "T3"


def test_different_references_are_mixed() -> None:
    labels = [f"{name}-{'REF' if name == 'Cz' else 'LE'}" for name in CANONICAL_CHANNELS]
    assert select_channels(labels).reference == "mixed"
    assert select_channels(list(CANONICAL_CHANNELS)).reference == ""


def test_every_tusz_recording_gives_its_electrodes_and_reference(shared_data: Path) -> None:
    paths = sorted((shared_data / "tusz").rglob("*.edf"))
    assert len(paths) == 41
    for path in paths:
        labels = labels_of(path)
        selection = select_channels(labels)
        assert selection.reference == ("LE" if "_le" in path.parent.name else "REF"), path
        for name, position in zip(CANONICAL_CHANNELS, selection.indices, strict=True):
            assert position is not None
            assert labels[position].strip() == f"EEG {name.upper()}-{selection.reference}"


@pytest.mark.parametrize("name", ["siena_PN00-5", "seizeit_P_ID10_r5", "tuh_00009578_s002_t001", "mne_stim_channel"])
def test_recordings_of_other_devices_give_their_electrodes(shared_data: Path, name: str) -> None:
    assert None not in select_channels(labels_of(shared_data / "edf" / f"{name}.edf")).indices


def test_a_bipolar_recording_is_rejected(shared_data: Path) -> None:
    with pytest.raises(ChannelError, match="Fp1, F3, C3"):
        select_channels(labels_of(shared_data / "edf" / "chbmit_chb01_01.edf"))
