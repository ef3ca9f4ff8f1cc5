"""Inputs that the fuzzers start from: valid and malformed EDF and BDF files, annotation lists, chunks and shards."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import google_crc32c
import numpy as np
from numcodecs import blosc

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # run.py is a script; its path has only this folder

from edf_bytes import EdfBytes, Signal, annotation_signal

EEG = Signal([], "EEG FP1-REF", "AgAgCl", physical_min="-3200", physical_max="3200", prefilter="HP:0.1Hz", samples="8")
SLOW = replace(EEG, label="IBI", dimension="", samples="1")
ANNOTATIONS = annotation_signal([b""], size=40, samples="20")
TALS = (
    b"+0\x14\x14\x00+0.5\x152\x14seizure\x14\x00",
    b"+1.5\x14\x14Recording starts\x14\x00",
    b"-0.5\x14\x14\x00+1e3\x14x\x14\x00",
    b"0\x14\x14\x00+0,5\x151,5\x14a\x14b\x14\x00\x00\x00",
    b"+3\x14\x14\x00+4\x14caf\xe9 \xc3\xa9\x14",
    b"",
)


def edf(signals: Sequence[Signal], data: Sequence[bytes], **main: Any) -> bytes:
    """A file of data records given as bytes; `main` replaces fields of the main header."""
    main = {"start_time": "10.20.30", "records": str(len(data))} | main
    return EdfBytes(signals, **main).header() + b"".join(data)


def annotated_record(tals: bytes, samples: int = 17) -> bytes:
    """A data record of `samples` samples of 16 bits and an annotation signal of 40 bytes."""
    return bytes(range(2 * samples)) + tals.ljust(40, b"\x00")


def files() -> dict[str, bytes]:
    """Whole files by name."""
    pair = [EEG, replace(EEG, label="EEG FP2-REF", samples="9")]
    plus = [*pair, ANNOTATIONS]
    continuous = [annotated_record(b"+%d\x14\x14\x00+%d.25\x14eye\x14\x00" % (i, i)) for i in range(3)]
    with_gaps = [annotated_record(b"+%d\x14\x14\x00" % (i * i)) for i in range(4)]
    bdf_signals = [replace(EEG, digital_min="-8388608", digital_max="8388607")]
    limits = [
        replace(EEG, physical_max="-3200"),
        replace(EEG, digital_max="-32768", label="-"),
        replace(EEG, physical_min="3200", physical_max="-3200", label=""),
        replace(EEG, digital_min="32767", digital_max="-32768", physical_min=""),
    ]
    commas = [replace(EEG, physical_min="-3276,8", physical_max="3276,7")]
    not_ascii = [replace(EEG, dimension=b"\xb5V", label="é".encode())]
    return {
        "plain": edf([EEG, SLOW], [bytes(range(18))] * 3),
        "plus_continuous": edf(plus, continuous, reserved="EDF+C"),
        "plus_discontinuous": edf(plus, with_gaps, reserved="EDF+D"),
        "bdf": edf(bdf_signals, [bytes(range(24))] * 2, format="BDF", reserved="24BIT"),
        "annotations_alone": edf([ANNOTATIONS], [TALS[0].ljust(40, b"\x00")], reserved="EDF+C", record_duration="0"),
        "time_with_colons": edf(pair, [bytes(34)] * 2, start_time="10:20:30", start_date="02/03/02"),
        "no_date": edf(pair, [bytes(34)] * 2, start_date="00.00.00", recording="", start_time=b"\x00" * 8),
        "records_unknown": edf(pair, [bytes(34)] * 2, records="-1") + b"\x01\x02\x03",
        "commas": edf(commas, [bytes(16)], record_duration="0,5"),
        "limits": edf(limits, [bytes(range(64))]),
        "not_ascii": edf(not_ascii, [bytes(16)], patient=b"M\xfcller\x00"),
        "header_alone": edf(pair, []),
    }


def chunks() -> dict[str, bytes]:
    """LZ4 blocks, frames of 96 samples and shards of four chunks, each after the first byte that fuzz_chunk expects."""
    values = np.arange(96, dtype="<i2")
    frames = [
        blosc.compress(samples.astype("<i2"), b"lz4", level, blosc.BITSHUFFLE, block)
        for samples in (values, values * 0 + 3, values * 7919)
        for level, block in ((9, 0), (1, 64), (0, 0))
    ]
    stored = frames[0] + int(google_crc32c.value(frames[0])).to_bytes(4, "little")
    index = np.full((4, 2), 2**64 - 1, "<u8")
    index[1] = 0, len(stored)
    lz4 = {f"lz4-{number}": bytes([96]) + frame[20:] for number, frame in enumerate(frames)}
    framed = {f"frame-{number}": b"\x01" + frame for number, frame in enumerate(frames)}
    return lz4 | framed | {"shard": b"\x02" + stored + index.tobytes()}


def write_seeds(folder: Path) -> None:
    """Writes the folders `file`, `tal` and `chunk`."""
    tals = {str(number): tal for number, tal in enumerate(TALS)}
    for kind, seeds in {"file": files(), "tal": tals, "chunk": chunks()}.items():
        target = folder / kind
        target.mkdir(parents=True, exist_ok=True)
        for name, content in seeds.items():
            (target / name).write_bytes(content)
