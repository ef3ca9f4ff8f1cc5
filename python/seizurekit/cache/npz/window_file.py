"""Files of overlapping windows, ``<recording>_windows.npz``: reading them, and undoing the overlap.

A file contains the arrays `windows` [window, channel, sample] and `labels` [window, sample]. They may have other names
(`WINDOW_NAMES`, `LABEL_NAMES`), another order of axes, and additional axes of length 1.
"""

from __future__ import annotations

import itertools
import math
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from seizurekit.errors import CacheError
from seizurekit.signal.preprocess import quantize

WINDOW_NAMES = ("windows", "X", "x", "data", "eeg", "signals")
LABEL_NAMES = ("labels", "masks", "mask", "y", "Y")
_MAX_CLIPPED = 0.02
"""Largest share of a channel's samples beyond ±clip. In a z-scored signal it is at most 1/clip² for any distribution
(Chebyshev), and windows may lack up to a seventh of the recording; this limit is higher than both require."""
_DAMAGE_ERRORS = (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, RuntimeError)


class NpzError(CacheError, ValueError):
    """A file of windows that cannot be used; names the file, the array, its value and the expected value."""


@dataclass(frozen=True)
class Windowing:
    """The stride of the windows in samples, and the channels, rate (Hz) and clip of their preprocessing."""

    channels: tuple[str, ...]
    sampling_rate: int
    stride: int
    clip: float


@dataclass(frozen=True)
class _Size:
    """The expected size of an axis: `size` exactly, or at least `size`."""

    size: int
    exact: bool = False

    def fits(self, size: int) -> bool:
        return size == self.size if self.exact else size >= self.size

    def __str__(self) -> str:
        return str(self.size) if self.exact else f"{self.size} or more"


@dataclass(frozen=True)
class _Array:
    """The header of an array in the file, and the order of its axes.

    Attributes:
        name: the array's name.
        shape: its shape.
        fortran: whether its first axis is contiguous.
        dtype: its dtype.
        squeezed: its shape without the additional axes of length 1.
        order: the index in `squeezed` of each expected axis.
    """

    name: str
    shape: tuple[int, ...]
    fortran: bool
    dtype: np.dtype[Any]
    squeezed: tuple[int, ...] = ()
    order: tuple[int, ...] = ()

    @property
    def sizes(self) -> tuple[int, ...]:
        return tuple(self.squeezed[axis] for axis in self.order)

    @property
    def bytes(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize


@dataclass(frozen=True)
class WindowFile:
    """A file whose arrays have the expected shapes; `labels` is None if it has none."""

    path: Path
    windowing: Windowing
    windows: _Array
    labels: _Array | None

    @property
    def count(self) -> int:
        """Number of windows."""
        return self.windows.sizes[0]

    @property
    def length(self) -> int:
        """Samples of a window."""
        return self.windows.sizes[2]

    @property
    def samples(self) -> int:
        """Samples of the recording, up to the end of the last window."""
        return (self.count - 1) * self.windowing.stride + self.length if self.count else 0


def open_windows(path: Path, windowing: Windowing) -> WindowFile:
    """Reads the headers of a file's arrays.

    Raises:
        NpzError: it is not an NPZ file, or its arrays are not windows and labels of this windowing.
    """
    with _name_file_in_errors(path), zipfile.ZipFile(path) as archive:
        names = [info.filename for info in archive.infolist()]
        arrays = {name.removesuffix(".npy"): _read_array_header(archive, name) for name in names}
    windows = next((arrays[name] for name in WINDOW_NAMES if name in arrays), None)
    if windows is None:
        found = ", ".join(f"{a.name} {a.dtype} {list(a.shape)}" for a in arrays.values()) or "none"
        raise NpzError(f"{path}: array windows is missing (expected names: {', '.join(WINDOW_NAMES)}); arrays: {found}")
    shape = (_Size(0), _Size(len(windowing.channels), exact=True), _Size(windowing.stride))
    windows = _find_axes(path, windows, shape, "[window, channel, sample]", "f")
    count, _, length = windows.sizes
    labels = next((arrays[name] for name in LABEL_NAMES if name in arrays), None)
    if labels is not None:
        sizes = (_Size(count, exact=True), _Size(length, exact=True))
        labels = _find_axes(path, labels, sizes, "[window, sample]", "biuf")
    elif others := [each for each in arrays.values() if each.shape == (count, length)]:
        expected = ", ".join(LABEL_NAMES)
        raise NpzError(f"{path}: array {others[0].name} has the shape of labels; expected names: {expected}")
    return WindowFile(path, windowing, windows, labels)


def undo_overlap(file: WindowFile, step: float) -> tuple[NDArray[np.int16], NDArray[np.uint8] | None, int]:
    """The recording that windows were cut from. Memory holds the recording in fixed point and two windows.

    Returns:
        The signal, int16 [channel, sample]; the mask, uint8 [sample] (None without labels); the number of samples that
        were clipped.

    Raises:
        NpzError: windows differ where they overlap, or are not z-scored or not finite; a label is not 0 or 1.
    """
    windowing = file.windowing
    signal = np.zeros((len(windowing.channels), file.samples), np.int16)
    beyond = np.zeros(len(windowing.channels), np.int64)
    with _name_file_in_errors(file.path), zipfile.ZipFile(file.path) as archive:
        with archive.open(f"{file.windows.name}.npy") as stream:
            for first, new in _new_samples(file, file.windows, _slices(stream, file.windows)):
                beyond += (np.abs(new) > windowing.clip).sum(axis=1)
                signal[:, first : first + new.shape[1]] = quantize(np.clip(new, -windowing.clip, windowing.clip), step)
        mask = _mask(archive, file, file.labels, signal.shape[1]) if file.labels else None
    _check_scale(file, beyond / max(signal.shape[1], 1))
    return signal, mask, int(beyond.sum())


def intervals(mask: NDArray[np.uint8]) -> list[tuple[int, int]]:
    """The intervals [first, end) of ones in a mask [sample]."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], mask, [0]]).astype(np.int8)))
    return [(int(first), int(end)) for first, end in edges.reshape(-1, 2)]


def _mask(archive: zipfile.ZipFile, file: WindowFile, labels: _Array, samples: int) -> NDArray[np.uint8]:
    mask = np.zeros(samples, np.uint8)
    with archive.open(f"{labels.name}.npy") as stream:
        for first, new in _new_samples(file, labels, _slices(stream, labels)):
            invalid = new[(new != 0) & (new != 1)]
            if len(invalid):
                raise NpzError(f"{file.path}: array {labels.name}: a label is {invalid[0]:g}, expected 0 or 1")
            mask[first : first + len(new)] = new
    return mask


def _new_samples(
    file: WindowFile, array: _Array, windows: Iterator[NDArray[np.float32]]
) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """First sample and samples of each window's part that the window before does not have.

    The overlap with the window before must be equal. All overlapping windows are then equal, not only adjacent ones.
    """
    stride = file.windowing.stride
    shared = file.length - stride
    before: NDArray[np.float32] | None = None
    for index, window in enumerate(windows):
        if not np.isfinite(window).all():
            raise NpzError(f"{file.path}: array {array.name}: window {index} contains NaN or infinity")
        if before is None:
            yield 0, window
        else:
            ours, theirs = window[..., :shared], before[..., stride:]
            if not np.array_equal(ours, theirs):
                largest = float(np.max(np.abs(ours.astype(np.float64) - theirs), initial=0.0))
                raise NpzError(
                    f"{file.path}: array {array.name}: windows {index - 1} and {index} overlap and differ by up to "
                    f"{largest:g}, expected equal samples {stride / file.windowing.sampling_rate:g} s apart "
                    "(was the cache made with another --stride?)"
                )
            yield index * stride + shared, window[..., shared:]
        before = window


def _check_scale(file: WindowFile, clipped: NDArray[np.float64]) -> None:
    channel = int(np.argmax(clipped))
    if clipped[channel] > _MAX_CLIPPED:
        raise NpzError(
            f"{file.path}: array {file.windows.name}: {clipped[channel]:.1%} of channel "
            f"{file.windowing.channels[channel]} is beyond ±{file.windowing.clip:g}, expected a z-scored signal"
        )


def _read_array_header(archive: zipfile.ZipFile, member: str) -> _Array:
    name = member.removesuffix(".npy")
    with archive.open(member) as stream:
        array = _Array(name, *_read_header(stream))
        size = archive.getinfo(member).file_size - stream.tell()
    if size != array.bytes and not array.dtype.hasobject:
        raise ValueError(f"array {name} has {size} bytes, expected {array.bytes}")
    return array


def _read_header(stream: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    version = np.lib.format.read_magic(stream)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = read(stream)
    return tuple(shape), bool(fortran), np.dtype(dtype)


def _find_axes(path: Path, array: _Array, expected: Sequence[_Size], axes: str, kinds: str) -> _Array:
    """The array with the order of its axes, found by their sizes; the order in `axes` if several fit."""
    squeezed = list(array.shape)
    while len(squeezed) > len(expected) and 1 in squeezed:
        squeezed.remove(1)
    squeezed = [1] * (len(expected) - len(squeezed)) + squeezed
    if len(squeezed) == len(expected) and array.dtype.kind in kinds:
        for order in itertools.permutations(range(len(expected))):
            if all(size.fits(squeezed[axis]) for axis, size in zip(order, expected, strict=True)):
                return replace(array, squeezed=tuple(squeezed), order=order)
    sizes = ", ".join(map(str, expected))
    dtype = "a float dtype" if kinds == "f" else "numbers"
    raise NpzError(
        f"{path}: array {array.name} is {array.dtype} {list(array.shape)}, expected {dtype} {axes} = [{sizes}]"
    )


def _slices(stream: IO[bytes], array: _Array) -> Iterator[NDArray[np.float32]]:
    """The array's slices along its first expected axis; read one at a time if they are contiguous in the file."""
    _read_header(stream)
    if array.fortran or array.order[0] != 0:
        flat = np.frombuffer(_read_exactly(stream, array.bytes), array.dtype)
        values = flat.reshape(array.shape, order="F" if array.fortran else "C").reshape(array.squeezed)
        yield from (np.ascontiguousarray(each, np.float32) for each in values.transpose(array.order))
    else:
        inner, order = array.squeezed[1:], [axis - 1 for axis in array.order[1:]]
        for _ in range(array.squeezed[0]):
            part = np.frombuffer(_read_exactly(stream, math.prod(inner) * array.dtype.itemsize), array.dtype)
            yield np.ascontiguousarray(part.reshape(inner).transpose(order), np.float32)
    stream.read()  # to the end, where zipfile compares the checksum


def _read_exactly(stream: IO[bytes], size: int) -> bytes:
    data = stream.read(size)
    if len(data) != size:
        raise EOFError(f"the file ends {size - len(data)} bytes before the array does")
    return data


@contextmanager
def _name_file_in_errors(path: Path) -> Iterator[None]:
    """Turns the errors of zipfile and NumPy into one that names the file."""
    try:
        yield
    except NpzError:
        raise
    except FileNotFoundError:
        raise NpzError(f"{path}: no such file") from None
    except _DAMAGE_ERRORS as error:
        raise NpzError(f"{path}: damaged, or not an NPZ file: {error or type(error).__name__}") from None
