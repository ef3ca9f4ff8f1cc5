"""Electrode names: maps the channel labels of a file to the 19 electrodes of the 10-20 system."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from seizurekit.errors import ChannelError

CANONICAL_CHANNELS = (
    "Fp1", "F3", "C3", "P3", "F7", "T3", "T5", "O1",
    "Fz", "Cz", "Pz",
    "Fp2", "F4", "C4", "P4", "F8", "T4", "T6", "O2",
)  # fmt: skip
"""Electrodes of every preprocessed recording, in order: left, midline, right."""

OPTIONAL_CHANNELS = frozenset({"Fz", "Pz"})
"""Electrodes that are interpolated if missing. Some TUSZ files lack these two, none lacks another."""

_NEWER_NAMES = {"T7": "T3", "T8": "T4", "P7": "T5", "P8": "T6"}  # ACNS 2006: the modified combinatorial names
_BY_UPPER_NAME = {name.upper(): name for name in CANONICAL_CHANNELS} | _NEWER_NAMES
_REFERENCES = ("REF", "LE", "AR", "AVG", "AV", "CAR", "CLE", "G2", "A1", "A2", "M1", "M2", "A1A2", "A1+A2")
_LABEL = re.compile(
    r"(?:EEG[ _:-]*)?(?P<electrode>[A-Z]+[0-9]*)(?:(?:\s*[-_:/]\s*|\s+)(?P<reference>[A-Z0-9]+(?:\+[A-Z0-9]+)?))?"
)
_MAX_LABELS_SHOWN = 64


@dataclass(frozen=True)
class ChannelSelection:
    """Positions of the electrodes among the signals of a recording.

    Attributes:
        indices: index of each of `CANONICAL_CHANNELS`; None for an electrode to interpolate.
        interpolated: names of the electrodes to interpolate.
        reference: reference in the labels (``"REF"``, ``"LE"``, …); ``""`` if they give none, ``"mixed"`` if they
            differ.
    """

    indices: tuple[int | None, ...]
    interpolated: tuple[str, ...]
    reference: str


def parse_electrode(label: str) -> str | None:
    """Electrode of `CANONICAL_CHANNELS` that a label names, or None.

    ``EEG FP1-REF``, ``EEG FP1-LE``, ``fp1`` and ``Fp1-A2`` all name Fp1; T7, T8, P7 and P8 are the newer names of T3,
    T4, T5 and T6. Names match as a whole (``C3P`` is not C3). The electrode may be followed by a reference only: an
    average or linked ears (``AR``, ``LE``), an ear or a mastoid (``A1``, ``M2``). A label with two electrodes
    (``FP1-F7``, ``C3-Cz``) is a bipolar derivation and gives None.
    """
    return _BY_UPPER_NAME.get(_parse(label)[0])


def parse_reference(label: str) -> str:
    """Reference in an electrode's label, in capitals; ``""`` if it gives none."""
    return _parse(label)[1]


def _parse(label: str) -> tuple[str, str]:
    """Electrode and reference in capitals; both empty if the label has another form."""
    match = _LABEL.fullmatch(label.strip(" \t\0.").upper())
    if match is None or (match["reference"] or "REF") not in _REFERENCES:
        return "", ""
    return match["electrode"], match["reference"] or ""


def select_channels(labels: Sequence[str]) -> ChannelSelection:
    """Finds the 19 electrodes among the labels of a recording.

    If several signals name one electrode, the older name (T3) has priority over the newer one (T7), then the first
    signal over later ones.

    Raises:
        ChannelError: an electrode other than Fz and Pz is missing; the message lists all missing electrodes and the
            labels of the file.
    """
    found: dict[str, tuple[bool, int]] = {}
    for index, label in enumerate(labels):
        name = parse_electrode(label)
        if name is not None:
            priority = (_parse(label)[0] in _NEWER_NAMES, index)
            found[name] = min(priority, found.get(name, priority))
    absent = tuple(name for name in CANONICAL_CHANNELS if name not in found)
    missing = [name for name in absent if name not in OPTIONAL_CHANNELS]
    if missing:
        shown = ", ".join(repr(label.strip()) for label in labels[:_MAX_LABELS_SHOWN]) or "none"
        more = f" and {len(labels) - _MAX_LABELS_SHOWN} more" if len(labels) > _MAX_LABELS_SHOWN else ""
        raise ChannelError(f"missing electrodes: {', '.join(missing)}; labels in the file: {shown}{more}")
    indices = tuple(found[name][1] if name in found else None for name in CANONICAL_CHANNELS)
    references = {parse_reference(labels[index]) for index in indices if index is not None}
    reference = references.pop() if len(references) == 1 else "mixed"
    return ChannelSelection(indices, absent, reference)
