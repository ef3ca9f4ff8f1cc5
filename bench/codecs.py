"""Speed of the core's decoders next to the C libraries for the same formats, on one thread.

A stored chunk is a Blosc frame (bit-shuffled LZ4) and a CRC-32C. The core decodes both itself. The alternatives are
liblz4 and c-blosc, both in numcodecs, and google-crc32c.

Example: ``python -m bench.codecs``
"""

from __future__ import annotations

import argparse
import struct
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import google_crc32c
import numpy as np
from numcodecs import blosc, lz4
from numpy.typing import DTypeLike, NDArray

from bench.corpus import RATE, noise
from bench.report import Figure, Measurement, Report, add_output_options, medians, milliseconds, this_machine
from bench.timing import time_alternately
from seizurekit._core import cache as core
from seizurekit.cache.layout import CHUNK_SECONDS, STEP
from seizurekit.cache.shard_file import encode_chunk
from seizurekit.signal.preprocess import quantize

OURS = "seizurekit"
TARGET = "at least 1.3"
_CHECKSUM_BYTES = 4
_FLAG_NOT_SPLIT = 0x10

Contenders = Mapping[str, Callable[[], object]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m bench.codecs", description=__doc__)
    parser.add_argument("--chunks", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=30)
    add_output_options(parser)
    options = parser.parse_args(arguments)
    for name in ("chunks", "rounds"):
        if getattr(options, name) < 1:
            parser.error(f"--{name} is {getattr(options, name)}, expected at least 1")
    blosc.use_threads = False
    samples = make_chunks(options.chunks)
    stored = [encode_chunk(each) for each in samples]
    measurements: list[Measurement] = []
    figures: list[Figure] = []
    for case, contenders in make_contenders(samples, stored).items():
        seconds = time_alternately(contenders, options.rounds)
        measurements += milliseconds(case, seconds)
        median = medians(seconds)
        figures += [
            Figure(case, f"{name} / {OURS}", median[name] / median[OURS], target=TARGET)
            for name in contenders
            if name != OURS
        ]
    Report(
        name="codecs",
        title=f"decoding {options.chunks} chunks of {samples[0].shape} samples, {sum(map(len, stored)) >> 10} KiB",
        measurements=tuple(measurements),
        figures=tuple(figures),
        machine=this_machine(["numcodecs", "google-crc32c", "numpy"]),
        parameters={"chunks": options.chunks, "rounds": options.rounds},
    ).write(options)
    return 0


def make_chunks(count: int) -> NDArray[np.int16]:
    """Chunks of quantized noise with the spectrum of preprocessed EEG, int16 [chunk, channel, sample]."""
    length = CHUNK_SECONDS * RATE
    signal = quantize(noise(0, count * length), STEP)
    return np.ascontiguousarray(signal.reshape(len(signal), count, length).swapaxes(0, 1))


def make_contenders(samples: NDArray[np.int16], stored: Sequence[bytes]) -> dict[str, Contenders]:
    """The contenders of each case, by name."""
    blocks = [block for each in stored for block in lz4_blocks(each)]
    sized_blocks = [(struct.pack("<i", size) + block,) for block, size in blocks]  # the format of numcodecs
    all_data = [(each,) for each in stored]
    shape = samples.shape
    return {
        "LZ4": {
            OURS: lambda: call_each(core.lz4_decode, blocks),
            "liblz4": lambda: call_each(lz4.decompress, sized_blocks),
        },
        "CRC-32C": {
            OURS: lambda: call_each(core.crc32c, all_data),
            "google-crc32c": lambda: call_each(google_crc32c.value, all_data),
        },
        "chunks to int16": {
            OURS: lambda: decode(stored, shape, np.int16),
            "c-blosc, google-crc32c": lambda: decode_with_libraries(stored, shape),
        },
        "chunks to float32": {
            OURS: lambda: decode(stored, shape, np.float32),
            "c-blosc, google-crc32c, NumPy": lambda: decode_with_libraries(stored, shape) * np.float32(STEP),
        },
    }


def call_each(function: Callable[..., Any], arguments: Iterable[tuple[Any, ...]]) -> Any:
    """The last result of calls with each of the arguments; earlier results are freed at once."""
    result = None
    for each in arguments:
        result = function(*each)
    return result


def lz4_blocks(stored: bytes) -> Iterator[tuple[bytes, int]]:
    """The LZ4 blocks of a stored chunk, and their decompressed sizes.

    The format is https://github.com/Blosc/c-blosc/blob/main/README_CHUNK_FORMAT.rst.
    """
    _, _, flags, item_bytes, size, block_bytes, _ = struct.unpack_from("<4B3I", stored)
    count = -(-size // block_bytes)
    for i, offset in enumerate(struct.unpack_from(f"<{count}I", stored, 16)):
        bytes_here = min(block_bytes, size - i * block_bytes)
        streams = 1 if flags & _FLAG_NOT_SPLIT or bytes_here < block_bytes else item_bytes
        for _ in range(streams):
            (length,) = struct.unpack_from("<I", stored, offset)
            offset += 4
            if length < bytes_here // streams:  # else the bytes are not compressed
                yield stored[offset : offset + length], bytes_here // streams
            offset += length


def decode(stored: Sequence[bytes], shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
    """Samples [chunk, channel, sample], decoded by the core."""
    count, channels, length = shape
    x = np.empty(shape, dtype)
    geometry = core.Geometry(channels=channels, chunk=length, chunks_per_shard=count, step=STEP)
    request = core.ReadRequest(np.arange(count) * length, x)
    errors = core.read_chunks(geometry, range(count), stored, [0] * count, request, threads=1)
    if errors:
        raise ValueError(f"chunk {errors[0][1]}: {errors[0][-1]}")
    return x


def decode_with_libraries(stored: Sequence[bytes], shape: tuple[int, ...]) -> NDArray[np.int16]:
    """int16 samples [chunk, channel, sample], decoded by numcodecs and google-crc32c."""
    x = np.empty(shape, np.int16)
    for data, out in zip(stored, x, strict=True):
        frame, checksum = data[:-_CHECKSUM_BYTES], data[-_CHECKSUM_BYTES:]
        if google_crc32c.value(frame) != int.from_bytes(checksum, "little"):
            raise ValueError("checksum mismatch")
        blosc.decompress(frame, out)
    return x


if __name__ == "__main__":
    sys.exit(main())
