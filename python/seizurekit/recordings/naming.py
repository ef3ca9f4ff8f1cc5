"""Patient, session and montage of a recording, from its file name and folders."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

_STEMS = (
    re.compile(r"(?P<patient>[A-Za-z0-9]+)_(?P<session>s[0-9]+)_t[0-9]+"),  # TUH: aaaaaaaq_s007_t000
    re.compile(r"(?P<patient>sub-[A-Za-z0-9]+)(?:_(?P<session>ses-[A-Za-z0-9]+))?(?:_.*)?"),  # BIDS
    re.compile(r"(?P<patient>chb[0-9]+)[a-z]?_[0-9]+\+?"),  # CHB-MIT: chb01_01, chb17a_03, chb02_16+
    re.compile(r"(?P<patient>PN[0-9]+)-[0-9.]+"),  # Siena: PN00-1
    re.compile(r"(?P<patient>P_ID[0-9]+)_r[0-9]+"),  # SeizeIT: P_ID10_r5
)
_SAME_PATIENT = {"chb21": "chb01"}  # README of CHB-MIT: case 21 is case 1, a year and a half later
_MONTAGE = re.compile(r"[0-9]{2}_tcp_\w+")


def parse_patient_and_session(folders: Sequence[str], stem: str) -> tuple[str, str]:
    """Patient and session (``""`` if unknown) of the recording ``folders[0]/folders[1]/…/stem.edf`` in a split.

    If the stem follows a known corpus, it gives both. Otherwise the patient is the first folder: deeper folders may be
    sessions, and two sessions of one patient must not count as two patients. A recording in no folder is its own
    patient.
    """
    for pattern in _STEMS:
        match = pattern.fullmatch(stem)
        if match is not None:
            patient = match["patient"]
            return _SAME_PATIENT.get(patient, patient), match.groupdict().get("session") or ""
    return (folders[0] if folders else stem), ""


def parse_montage(folders: Sequence[str]) -> str:
    """TUSZ montage, such as ``01_tcp_ar``, in the name of the last folder; ``""`` if it has none."""
    return folders[-1] if folders and _MONTAGE.fullmatch(folders[-1]) else ""


def is_tusz_path(edf: Path) -> bool:
    """True for paths ending in ``<patient>/<session>_<year>/<montage>/<patient>_<session>_t<nnn>.edf``."""
    match = _STEMS[0].fullmatch(edf.stem)
    if match is None or len(edf.parts) < 4:
        return False
    patient, session, last = edf.parts[-4:-1]
    return patient == match["patient"] and session.split("_")[0] == match["session"] and parse_montage([last]) != ""
