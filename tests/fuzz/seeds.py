"""Small EDF and BDF files, sound and malformed, annotation lists, chunks and shards: what the fuzzers start from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import google_crc32c
import numpy as np
from numcodecs import blosc

MAIN_WIDTHS = (8, 80, 80, 8, 8, 8, 44, 8, 8, 4)
SIGNAL_FIELDS = {
    "label": 16,
    "transducer": 80,
    "dimension": 8,
    "physical_min": 8,
    "physical_max": 8,
    "digital_min": 8,
    "digital_max": 8,
    "prefilter": 80,
    "samples": 8,
    "reserved": 32,
}
EEG = {
    "label": b"EEG FP1-REF",
    "transducer": b"AgAgCl",
    "dimension": b"uV",
    "physical_min": b"-3200",
    "physical_max": b"3200",
    "digital_min": b"-32768",
    "digital_max": b"32767",
    "prefilter": b"HP:0.1Hz",
    "samples": b"8",
    "reserved": b"",
}
SLOW = EEG | {"label": b"IBI", "dimension": b"", "samples": b"1"}
ANNOTATIONS = EEG | {
    "label": b"EDF Annotations",
    "transducer": b"",
    "dimension": b"",
    "physical_min": b"-1",
    "physical_max": b"1",
    "prefilter": b"",
    "samples": b"20",
}
TALS = (
    b"+0\x14\x14\x00+0.5\x152\x14seizure\x14\x00",
    b"+1.5\x14\x14Recording starts\x14\x00",
    b"-0.5\x14\x14\x00+1e3\x14x\x14\x00",
    b"0\x14\x14\x00+0,5\x151,5\x14a\x14b\x14\x00\x00\x00",
    b"+3\x14\x14\x00+4\x14caf\xe9 \xc3\xa9\x14",
    b"",
)

Signal = Mapping[str, bytes]


def edf(signals: list[Signal], data: list[bytes], **main: bytes) -> bytes:
    """A file of the signals and of the data records given as bytes; `main` replaces fields of the main header."""
    fields = {
        "version": b"0",
        "patient": b"X X X X",
        "recording": b"Startdate 02-MAR-2002 X X X",
        "date": b"02.03.02",
        "time": b"10.20.30",
        "header_bytes": b"%d" % (256 * (1 + len(signals))),
        "reserved": b"",
        "records": b"%d" % len(data),
        "duration": b"1",
        "signals": b"%d" % len(signals),
    } | main
    header = b"".join(value.ljust(width)[:width] for value, width in zip(fields.values(), MAIN_WIDTHS, strict=True))
    for name, width in SIGNAL_FIELDS.items():
        header += b"".join(signal[name].ljust(width)[:width] for signal in signals)
    return header + b"".join(data)


def annotated_record(tals: bytes, samples: int = 17) -> bytes:
    """A data record of `samples` samples of 16 bits and an annotation signal of 40 bytes."""
    return bytes(range(2 * samples)) + tals.ljust(40, b"\x00")


def files() -> dict[str, bytes]:
    """Whole files by name."""
    pair = [EEG, EEG | {"label": b"EEG FP2-REF", "samples": b"9"}]
    plus = [*pair, ANNOTATIONS]
    keeping_time = [annotated_record(b"+%d\x14\x14\x00+%d.25\x14eye\x14\x00" % (i, i)) for i in range(3)]
    apart = [annotated_record(b"+%d\x14\x14\x00" % (i * i)) for i in range(4)]
    bdf_signals = [EEG | {"digital_min": b"-8388608", "digital_max": b"8388607"}]
    return {
        "plain": edf([EEG, SLOW], [bytes(range(18))] * 3),
        "plus_continuous": edf(plus, keeping_time, reserved=b"EDF+C"),
        "plus_discontinuous": edf(plus, apart, reserved=b"EDF+D"),
        "bdf": edf(bdf_signals, [bytes(range(24))] * 2, version=b"\xffBIOSEMI", reserved=b"24BIT"),
        "annotations_alone": edf([ANNOTATIONS], [TALS[0].ljust(40, b"\x00")], reserved=b"EDF+C", duration=b"0"),
        "time_with_colons": edf(pair, [bytes(34)] * 2, time=b"10:20:30", date=b"02/03/02"),
        "no_date": edf(pair, [bytes(34)] * 2, date=b"00.00.00", recording=b"", time=b"\x00" * 8),
        "records_unknown": edf(pair, [bytes(34)] * 2, records=b"-1") + b"\x01\x02\x03",
        "commas": edf([EEG | {"physical_min": b"-3276,8", "physical_max": b"3276,7"}], [bytes(16)], duration=b"0,5"),
        "limits": edf(
            [
                EEG | {"physical_max": b"-3200"},
                EEG | {"digital_max": b"-32768", "label": b"-"},
                EEG | {"physical_min": b"3200", "physical_max": b"-3200", "label": b""},
                EEG | {"digital_min": b"32767", "digital_max": b"-32768", "physical_min": b""},
            ],
            [bytes(range(64))],
        ),
        "not_ascii": edf([EEG | {"dimension": b"\xb5V", "label": "é".encode()}], [bytes(16)], patient=b"M\xfcller\x00"),
        "header_alone": edf(pair, []),
    }


def chunks() -> dict[str, bytes]:
    """LZ4 blocks, frames of 96 samples and shards of four chunks, each behind the byte that fuzz_chunk begins with."""
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
    """Writes the folders `file` (for fuzz_file and fuzz_header), `tal`, `chunk` and `planted`."""
    tals = {str(number): tal for number, tal in enumerate(TALS)}
    planted = {"digits": b"11111111 abcdefghij"}
    for kind, seeds in {"file": files(), "tal": tals, "chunk": chunks(), "planted": planted}.items():
        target = folder / kind
        target.mkdir(parents=True, exist_ok=True)
        for name, content in seeds.items():
            (target / name).write_bytes(content)
