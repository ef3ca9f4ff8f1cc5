"""Electrode names: from the labels of a file to the 19 electrodes of the 10-20 system in one order."""

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
"""The electrodes of every preprocessed recording, in their order: left, midline, right."""

INTERPOLATED_CHANNELS = frozenset({"Fz", "Pz"})
"""The electrodes that may be missing, and are then interpolated: some TUSZ files lack them, never another."""

_NEWER_NAMES = {"T7": "T3", "T8": "T4", "P7": "T5", "P8": "T6"}  # ACNS 2006: the modified combinatorial names
_BY_UPPER_NAME = {name.upper(): name for name in CANONICAL_CHANNELS} | _NEWER_NAMES
_REFERENCES = ("REF", "LE", "AR", "AVG", "AV", "CAR", "CLE", "G2", "A1", "A2", "M1", "M2", "A1A2", "A1+A2")
_LABEL = re.compile(
    r"(?:EEG[ _:-]*)?(?P<electrode>[A-Z]+[0-9]*)(?:(?:\s*[-_:/]\s*|\s+)(?P<reference>[A-Z0-9]+(?:\+[A-Z0-9]+)?))?"
)
_MOST_LABELS = 64


@dataclass(frozen=True)
class ChannelSelection:
    """Where a recording's electrodes are among its signals.

    Attributes:
        positions: for each of `CANONICAL_CHANNELS` the position of its signal, None where it is to be interpolated.
        interpolated: names of the electrodes to be interpolated.
        reference: what the electrodes are measured against, as the labels say it (``"REF"``, ``"LE"``, …); ``""`` where
            they do not say, ``"mixed"`` where they differ.
    """

    positions: tuple[int | None, ...]
    interpolated: tuple[str, ...]
    reference: str


def clean_label(label: str) -> str | None:
    """The electrode of `CANONICAL_CHANNELS` that a label names, or None.

    ``EEG FP1-REF``, ``EEG FP1-LE``, ``fp1`` and ``Fp1-A2`` all name Fp1; T7, T8, P7 and P8 are the newer names of
    T3, T4, T5 and T6. Names are matched whole (``C3P`` is not C3). What stands behind the electrode must be a
    reference: an average or linked ears (``AR``, ``LE``), an ear or a mastoid (``A1``, ``M2``). Another electrode there
    makes the signal a bipolar derivation (``FP1-F7``, ``C3-Cz``), which is None.
    """
    return _BY_UPPER_NAME.get(_parse(label)[0])


def reference_of(label: str) -> str:
    """What an electrode's label says it is measured against, in capitals; ``""`` where it does not say."""
    return _parse(label)[1]


def _parse(label: str) -> tuple[str, str]:
    """Electrode and reference in capitals, as the label has them; empty where it is not of that form."""
    match = _LABEL.fullmatch(label.strip(" \t\0.").upper())
    if match is None or (match["reference"] or "REF") not in _REFERENCES:
        return "", ""
    return match["electrode"], match["reference"] or ""


def select_channels(labels: Sequence[str]) -> ChannelSelection:
    """Finds the 19 electrodes among a recording's labels.

    Where several signals name one electrode, the older name (T3) is taken before the newer one (T7), and of the same
    name the first.

    Raises:
        ChannelError: an electrode other than Fz and Pz is missing; the message names all that are missing and the
            labels found.
    """
    found: dict[str, tuple[bool, int]] = {}
    for position, label in enumerate(labels):
        name = clean_label(label)
        if name is not None:
            rank = (_parse(label)[0] in _NEWER_NAMES, position)
            found[name] = min(rank, found.get(name, rank))
    absent = [name for name in CANONICAL_CHANNELS if name not in found]
    missing = [name for name in absent if name not in INTERPOLATED_CHANNELS]
    if missing:
        shown = ", ".join(repr(label.strip()) for label in labels[:_MOST_LABELS]) or "none"
        more = f" and {len(labels) - _MOST_LABELS} more" if len(labels) > _MOST_LABELS else ""
        raise ChannelError(f"electrodes missing: {', '.join(missing)}; labels found: {shown}{more}")
    positions = tuple(found[name][1] if name in found else None for name in CANONICAL_CHANNELS)
    references = {reference_of(labels[position]) for position in positions if position is not None}
    reference = references.pop() if len(references) == 1 else "mixed"
    return ChannelSelection(positions, tuple(absent), reference)
