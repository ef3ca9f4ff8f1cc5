"""Corrected copies of malformed EDF files."""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike, fspath

from seizurekit._core import edf as _edf


@dataclass(frozen=True)
class Repair:
    """One field that reads otherwise in the corrected copy.

    Attributes:
        byte_offset: where the field starts in the source.
        field: the field's name in the EDF specification; signals are counted from 1 in file order.
        found: what the source says.
        written: what the copy says.
    """

    byte_offset: int
    field: str
    found: str
    written: str


def repair_edf(path: str | PathLike[str], destination: str | PathLike[str]) -> list[Repair]:
    """Writes a corrected copy of an EDF, EDF+, BDF or BDF+ file, and says what differs.

    The copy has the same samples and the same annotations. It is made under a temporary name in the destination's
    folder and takes the place of what stands there when it is whole; the source is never written.

    Corrected is what `EdfFile.issues` lists, with these exceptions: a physical minimum above the maximum is lawful
    and stays; so does what has no correction within its field, such as an annotation whose corrected form is longer
    than the room for it. An unknown start becomes 1985-01-01 00:00:00, which stands for unknown. Empty labels become
    ``signal N``, and labels that stand twice get a number.

    Args:
        path: the file to correct.
        destination: where the copy goes; an existing file is replaced.

    Returns:
        The repairs made, in file order; empty if the copy is the same as the source.

    Raises:
        EdfError: the file is beyond repair, or `destination` is the file itself, under whatever name.
        OSError: the file cannot be read, or the copy cannot be written, e.g. for want of room; nothing is left behind.
    """
    return [Repair(*fields) for fields in _edf.repair(fspath(path), fspath(destination))]
