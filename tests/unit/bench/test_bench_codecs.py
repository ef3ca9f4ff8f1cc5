"""The benchmark of decoders."""

from __future__ import annotations

import json

import numpy as np
import pytest
from bench.codecs import OURS, decode, decode_with_libraries, lz4_blocks, main, make_chunks, make_contenders

from seizurekit.cache.layout import STEP
from seizurekit.cache.shard_file import encode_chunk


def test_all_contenders_give_the_same_result() -> None:
    samples = make_chunks(1)
    stored = [encode_chunk(each) for each in samples]
    assert list(lz4_blocks(stored[0]))
    for contenders in make_contenders(samples, stored).values():
        ours, theirs = (run() for run in contenders.values())
        expected = np.frombuffer(theirs, np.uint8) if isinstance(theirs, bytes) else np.asarray(theirs)
        np.testing.assert_array_equal(np.asarray(ours), expected)
    np.testing.assert_array_equal(decode(stored, samples.shape, np.float32), samples * np.float32(STEP))
    np.testing.assert_array_equal(decode_with_libraries(stored, samples.shape), samples)


def test_damaged_chunks_are_errors() -> None:
    samples = make_chunks(1)
    stored = [encode_chunk(samples[0])[:-1] + b"\0"]
    with pytest.raises(ValueError, match="checksum mismatch"):
        decode(stored, samples.shape, np.int16)
    with pytest.raises(ValueError, match="checksum mismatch"):
        decode_with_libraries(stored, samples.shape)


def test_the_report_has_a_ratio_per_case(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--chunks", "1", "--rounds", "1", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    cases = [figure["case"] for figure in report["figures"]]
    assert cases == ["LZ4", "CRC-32C", "chunks to int16", "chunks to float32"]
    assert OURS in {each["contender"] for each in report["measurements"]}
