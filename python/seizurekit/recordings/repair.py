"""Repaired copies of malformed EDF files."""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike, fspath

from seizurekit._core import edf as _edf


@dataclass(frozen=True)
class Repair:
    """One field that differs in the repaired copy.

    Attributes:
        byte_offset: offset of the field in the source.
        field: name of the field in the EDF specification; signals count from 1 in file order.
        found: value in the source.
        written: value in the copy.
    """

    byte_offset: int
    field: str
    found: str
    written: str


def repair_edf(path: str | PathLike[str], destination: str | PathLike[str]) -> list[Repair]:
    """Writes a repaired copy of an EDF, EDF+, BDF or BDF+ file.

    The copy has the same samples and annotations. It is written under a temporary name in the folder of the destination
    and renamed when it is complete; the source is never written.

    All issues in `EdfFile.issues` are repaired, except: a physical minimum above the maximum, which the specification
    allows, and an issue whose repair does not fit into its field, such as an annotation that would become too long.
    An unknown start becomes 1985-01-01 00:00:00, which means unknown. Empty labels become ``signal N``, and repeated
    labels get a number.

    Args:
        path: file to repair.
        destination: path of the copy; an existing file is replaced.

    Returns:
        Repairs in file order; empty if the copy equals the source.

    Raises:
        EdfError: the file cannot be repaired, or `destination` is the source file, under any name.
        OSError: the file cannot be read, or the copy cannot be written, for example because the disk is full; no
            partial copy is left.
    """
    return [Repair(*fields) for fields in _edf.repair(fspath(path), fspath(destination))]
