"""Fuzzing of the annotation parser; run as a script, this file tries a million inputs (``--inputs``, ``--seed``)."""

from __future__ import annotations

import argparse
import math
import random
import time
from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seizurekit.errors import AnnotationError
from seizurekit.recordings.annotations import Annotations, Event, parse_annotations

SEEDS = (
    b"# version = csv_v1.0.0\n# bname = a\n# duration = 100.00 secs\n#\nchannel,start_time,stop_time,label,confidence\n"
    b"TERM,0.0000,10.5000,bckg,1.0000\nTERM,10.5000,20.2500,seiz,1.0000\nTERM,20.2500,100.0000,bckg,1.0000\n",
    b"# duration = 9 secs\r\nlabel,stop_time,start_time\r\nseiz,2,1\r\nfnsz,3,2\r\n",
    b"FP1-F7,1.5,30,fnsz,0.5\nF7-T3,2,31,gnsz,1\nT3-T5,-1,31,artf,1\n",
)
TOKENS = (
    b",", b'"', b"\n", b"\r", b"\r\n", b"#", b"# duration = 5 secs\n", b"=", b" ", b"\t", b"nan", b"inf", b"-", b",,,",
    b"-0", b"1e308", b"1e-320", b"9" * 400, b"seiz", b"bckg", b"TERM", b"start_time", b"stop_time", b"label",
    b"channel", b"\0", b"\xff", b"\xef\xbb\xbf", b"\xff\xfe", "é\u2028\x85\x0b".encode(), b"\x1b[31m",
    b"TERM,5,4,seiz,1\n", b"TERM,7,9,seiz,1\n",
)  # fmt: skip
NUMERALS = b"0123456789.-e,\n"


def mutated(rng: random.Random) -> bytes:
    data = bytearray(rng.choice(SEEDS))
    for _ in range(rng.randint(1, 4)):
        a, b = sorted(rng.randrange(len(data) + 1) for _ in range(2))
        match rng.randrange(6):
            case 0:
                data[a:a] = rng.choice(TOKENS)
            case 1:
                data[a : a + 1] = bytes([rng.randrange(256)])
            case 2:
                del data[a : min(b, a + 12)]
            case 3:
                data[a:a] = data[a:b]
            case 4:
                data[a : a + 1] = bytes([rng.choice(NUMERALS)])
            case 5:
                lines = bytes(data).splitlines(keepends=True)
                rng.shuffle(lines)
                data = bytearray(b"".join(lines))
    return bytes(data)


def check(data: bytes) -> bool:
    """Parses; anything but annotations in order or an AnnotationError in one line raises. True if there are events."""
    try:
        annotations = parse_annotations(data, "f.csv_bi")
    except AnnotationError as error:
        check_rejection(str(error))
        return False
    check_order(annotations)
    check_seizures(annotations)
    half = annotations.clip(2.5)
    check_order(half)
    assert all(event.stop <= 2.5 for event in half.events)
    return bool(annotations.events)


def check_rejection(message: str) -> None:
    assert message.startswith("f.csv_bi: ")
    assert ", expected " in message
    assert message.isprintable()
    assert len(message) < 1000


def check_order(annotations: Annotations) -> None:
    events = annotations.events
    last = math.inf if annotations.duration is None else annotations.duration
    assert all(math.isfinite(e.start) and math.isfinite(e.stop) and 0 <= e.start < e.stop <= last for e in events)
    assert all(e.label and e.channel and 0 <= e.confidence < math.inf for e in events)
    assert [(e.start, e.stop, e.channel) for e in events] == sorted((e.start, e.stop, e.channel) for e in events)
    assert all(message.isprintable() and len(message) < 2000 for message in annotations.messages)


def check_seizures(annotations: Annotations) -> None:
    labels = {event.label for event in annotations.events}
    seizures = annotations.seizures(labels)
    assert all(a.stop < b.start for a, b in pairwise(seizures))
    for event in annotations.events:
        assert sum(s.start <= event.start and event.stop <= s.stop for s in seizures) == 1
    edges = {edge for event in annotations.events for edge in (event.start, event.stop)}
    assert {edge for seizure in seizures for edge in (seizure.start, seizure.stop)} <= edges


@pytest.mark.parametrize("seed", range(4))
def test_mutated_files_are_read_or_rejected(seed: int) -> None:
    rng = random.Random(seed)
    read = sum(check(mutated(rng)) for _ in range(1000))
    assert 100 < read < 900, "the mutations reach only one side of the parser"


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_rejected(data: bytes) -> None:
    check(data)


@given(st.text(max_size=200))
def test_any_text_below_a_header_is_read_or_rejected(text: str) -> None:
    check(b"channel,start_time,stop_time,label\n" + text.encode("utf-8", "surrogatepass"))


seconds = st.floats(-50, 200, allow_nan=False).map(lambda x: round(x, 3))
rows = st.tuples(
    st.sampled_from(["TERM", "FP1-F7", "F7-T3"]), seconds, seconds, st.sampled_from(["seiz", "bckg", "zzz"])
)


@given(st.lists(rows, max_size=12), st.none() | st.integers(0, 150))
def test_rows_in_order_become_the_events_that_the_rules_say(
    table: list[tuple[str, float, float, str]], duration: int | None
) -> None:
    table = [(channel, min(a, b), max(a, b), label) for channel, a, b, label in table]
    last = math.inf if duration is None else duration
    clipped = {Event(max(a, 0.0), b, label, channel) for channel, a, b, label in table if b > max(a, 0.0)}
    expected = {Event(e.start, min(e.stop, last), e.label, e.channel) for e in clipped if e.start < last}
    lines = ["channel,start_time,stop_time,label", *(f"{c},{a},{b},{label}" for c, a, b, label in table)]
    head = [] if duration is None else [f"# duration = {duration} secs"]
    annotations = parse_annotations("\n".join(head + lines).encode(), "f.csv")
    assert set(annotations.events) == expected
    check_order(annotations)
    check_seizures(annotations)


def fuzz(seed: int, inputs: int) -> Iterator[tuple[int, int]]:
    rng = random.Random(seed)
    with_events = 0
    for done in range(1, inputs + 1):
        data = mutated(rng)
        try:
            with_events += check(data)
        except BaseException:
            print(f"finding: seed {seed}, input {done}: {data!r}")
            raise
        yield done, with_events


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    start = time.monotonic()
    for done, with_events in fuzz(arguments.seed, arguments.inputs):
        if done % 100_000 == 0 or done == arguments.inputs:
            print(f"{done} inputs, {with_events} with events, {time.monotonic() - start:.0f} s, no finding", flush=True)


if __name__ == "__main__":
    main()
