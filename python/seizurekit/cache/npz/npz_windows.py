"""Files of overlapping windows, ``<stem>_windows.npz``: reading them, and undoing the overlap.

A file holds `windows` [window, channel, sample] and `labels` [window, sample], which may go by other names
(`WINDOW_NAMES`, `LABEL_NAMES`) and lie in another order of their axes, or have further axes of length 1.
"""

from __future__ import annotations

import itertools
import math
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from seizurekit.errors import CacheError
from seizurekit.signal.preprocess import quantize

WINDOW_NAMES = ("windows", "X", "x", "data", "eeg", "signals")
LABEL_NAMES = ("labels", "masks", "mask", "y", "Y")
_MOST_CLIPPED = 0.02
"""Of a channel's samples. Of z-scored ones at most 1/clip² lie beyond ±clip, whatever their distribution is
(Chebyshev); the windows may lack the last seventh of a recording, so this is more than that needs."""
_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError, RuntimeError)


class NpzError(CacheError, ValueError):
    """A file of windows that cannot be used: names file, array, what was found and what was wanted."""


@dataclass(frozen=True)
class Windowing:
    """How far apart windows begin, in samples; and the channels, rate and clip of the chain that they went through."""

    channels: tuple[str, ...]
    sampling_rate: int
    stride: int
    clip: float


@dataclass(frozen=True)
class _Size:
    """What an axis may have: at least so many, or exactly."""

    number: int
    exact: bool = False

    def fits(self, size: int) -> bool:
        return size == self.number if self.exact else size >= self.number

    def __str__(self) -> str:
        return str(self.number) if self.exact else f"{self.number} or more"


@dataclass(frozen=True)
class _Array:
    """An array's header, and how it is turned: `squeezed` is its shape, of which axis ``order[i]`` is the i-th."""

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
    """A file whose arrays' headers were read and fit; `labels` is None where it has none."""

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
        """Samples a window."""
        return self.windows.sizes[2]

    @property
    def samples(self) -> int:
        """Samples of the recording that the windows cover."""
        return (self.count - 1) * self.windowing.stride + self.length if self.count else 0


def open_windows(path: Path, windowing: Windowing) -> WindowFile:
    """Reads the headers of a file's arrays.

    Raises:
        NpzError: it is no NPZ file, or its arrays are not windows and labels of this windowing.
    """
    with _told(path), zipfile.ZipFile(path) as archive:
        arrays = {info.filename.removesuffix(".npy"): _header(archive, info.filename) for info in archive.infolist()}
    found = ", ".join(f"{a.name} {a.dtype} {list(a.shape)}" for a in arrays.values()) or "no array"
    windows = next((arrays[name] for name in WINDOW_NAMES if name in arrays), None)
    if windows is None:
        raise NpzError(f"{path}: array windows: found {found}; wanted one of the name {', '.join(WINDOW_NAMES)}")
    shape = (_Size(0), _Size(len(windowing.channels), exact=True), _Size(windowing.stride))
    windows = _turned(path, windows, shape, "[window, channel, sample]", "f")
    count, _, length = windows.sizes
    labels = next((arrays[name] for name in LABEL_NAMES if name in arrays), None)
    if labels is not None:
        sizes = (_Size(count, exact=True), _Size(length, exact=True))
        labels = _turned(path, labels, sizes, "[window, sample]", "biuf")
    elif others := [each for each in arrays.values() if each.shape == (count, length)]:
        names = ", ".join(LABEL_NAMES)
        raise NpzError(f"{path}: array {others[0].name}: found labels, by its shape; wanted them as {names}")
    return WindowFile(path, windowing, windows, labels)


def undo_overlap(file: WindowFile, step: float) -> tuple[NDArray[np.int16], NDArray[np.uint8] | None, int]:
    """The recording that windows were cut from; holds it in fixed point, and two windows, in memory.

    Returns:
        int16 [channel, sample], the mask uint8 [sample] (None without labels), and how many samples were clipped.

    Raises:
        NpzError: overlapping windows differ; they are not z-scored or not finite; labels other than 0 and 1.
    """
    shape = file.windowing
    signal = np.zeros((len(shape.channels), file.samples), np.int16)
    beyond = np.zeros(len(shape.channels), np.int64)
    with _told(file.path), zipfile.ZipFile(file.path) as archive:
        with archive.open(f"{file.windows.name}.npy") as stream:
            for first, new in _new_samples(file, file.windows, _slices(stream, file.windows)):
                beyond += (np.abs(new) > shape.clip).sum(axis=1)
                signal[:, first : first + new.shape[1]] = quantize(np.clip(new, -shape.clip, shape.clip), step)
        mask = _mask(archive, file, file.labels, signal.shape[1]) if file.labels else None
    _check_scale(file, beyond / max(signal.shape[1], 1))
    return signal, mask, int(beyond.sum())


def runs(mask: NDArray[np.uint8]) -> list[tuple[int, int]]:
    """First and end of each run of ones in a mask [sample]."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], mask, [0]]).astype(np.int8)))
    return [(int(first), int(end)) for first, end in edges.reshape(-1, 2)]


def _mask(archive: zipfile.ZipFile, file: WindowFile, labels: _Array, samples: int) -> NDArray[np.uint8]:
    mask = np.zeros(samples, np.uint8)
    with archive.open(f"{labels.name}.npy") as stream:
        for first, new in _new_samples(file, labels, _slices(stream, labels)):
            strange = new[(new != 0) & (new != 1)]
            if len(strange):
                raise NpzError(f"{file.path}: array {labels.name}: found the label {strange[0]:g}, wanted 0 or 1")
            mask[first : first + len(new)] = new
    return mask


def _new_samples(
    file: WindowFile, array: _Array, windows: Iterator[NDArray[np.float32]]
) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Each window's samples that the one before does not have, and where they begin; they agree in the others.

    Windows that overlap a later one only through others between them agree with it too: each pair of neighbours does.
    """
    shared = file.length - file.windowing.stride
    last: NDArray[np.float32] | None = None
    for number, window in enumerate(windows):
        if not np.isfinite(window).all():
            raise NpzError(f"{file.path}: array {array.name}: found NaN or infinity in window {number}, wanted numbers")
        if last is None:
            yield 0, window
        else:
            ours, before = window[..., :shared], last[..., file.windowing.stride :]
            if not np.array_equal(ours, before):
                worst = float(np.max(np.abs(ours.astype(np.float64) - before), initial=0.0))
                raise NpzError(
                    f"{file.path}: array {array.name}: windows {number - 1} and {number} overlap and differ by up to "
                    f"{worst:g}, wanted equal samples {file.windowing.stride / file.windowing.sampling_rate:g} s apart "
                    "(was the cache made with another --stride?)"
                )
            yield (number * file.windowing.stride + shared, window[..., shared:])
        last = window


def _check_scale(file: WindowFile, clipped: NDArray[np.float64]) -> None:
    worst = int(np.argmax(clipped))
    if clipped[worst] > _MOST_CLIPPED:
        raise NpzError(
            f"{file.path}: array {file.windows.name}: found {clipped[worst]:.1%} of channel "
            f"{file.windowing.channels[worst]} beyond ±{file.windowing.clip:g}, wanted a z-scored signal"
        )


def _header(archive: zipfile.ZipFile, member: str) -> _Array:
    name = member.removesuffix(".npy")
    with archive.open(member) as stream:
        array = _Array(name, *_read_header(stream))
        held = archive.getinfo(member).file_size - stream.tell()
    if held != array.bytes and not array.dtype.hasobject:
        raise ValueError(f"array {name}: found {held} bytes, wanted {array.bytes}")
    return array


def _read_header(stream: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    version = np.lib.format.read_magic(stream)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = read(stream)
    return tuple(shape), bool(fortran), np.dtype(dtype)


def _turned(path: Path, array: _Array, wanted: Sequence[_Size], axes: str, kinds: str) -> _Array:
    """The array with the order of its axes, found by their lengths; the order in `axes` where several fit."""
    squeezed = list(array.shape)
    while len(squeezed) > len(wanted) and 1 in squeezed:
        squeezed.remove(1)
    squeezed = [1] * (len(wanted) - len(squeezed)) + squeezed
    if len(squeezed) == len(wanted) and array.dtype.kind in kinds:
        for order in itertools.permutations(range(len(wanted))):
            if all(size.fits(squeezed[axis]) for axis, size in zip(order, wanted, strict=True)):
                return _Array(array.name, array.shape, array.fortran, array.dtype, tuple(squeezed), order)
    sizes = ", ".join(map(str, wanted))
    dtype = "a float type" if kinds == "f" else "numbers"
    raise NpzError(
        f"{path}: array {array.name}: found {array.dtype} {list(array.shape)}, wanted {dtype} {axes} = [{sizes}]"
    )


def _slices(stream: IO[bytes], array: _Array) -> Iterator[NDArray[np.float32]]:
    """The array along its first axis (in the order wanted), read as it comes where it lies so in the file."""
    _read_header(stream)
    if array.fortran or array.order[0] != 0:
        whole = np.frombuffer(_exactly(stream, array.bytes), array.dtype)
        turned = whole.reshape(array.shape, order="F" if array.fortran else "C").reshape(array.squeezed)
        yield from (np.ascontiguousarray(each, np.float32) for each in turned.transpose(array.order))
    else:
        inner, order = array.squeezed[1:], [axis - 1 for axis in array.order[1:]]
        for _ in range(array.squeezed[0]):
            part = np.frombuffer(_exactly(stream, math.prod(inner) * array.dtype.itemsize), array.dtype)
            yield np.ascontiguousarray(part.reshape(inner).transpose(order), np.float32)
    stream.read()  # to its end, where its checksum is compared


def _exactly(stream: IO[bytes], size: int) -> bytes:
    data = stream.read(size)
    if len(data) != size:
        raise EOFError(f"found {len(data)} bytes where an array has {size} more")
    return data


@contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except NpzError:
        raise
    except FileNotFoundError:
        raise NpzError(f"{path}: found nothing, wanted a file of windows") from None
    except _BROKEN as error:
        raise NpzError(f"{path}: damaged, or no NPZ file: {error or type(error).__name__}") from None
