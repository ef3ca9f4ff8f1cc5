"""The benchmark of the training loop: both sides read the same batches, from disk and from an object store."""

from __future__ import annotations

import json

import pytest
from bench.loop import main


@pytest.mark.parametrize("source", ["local", "s3"])
def test_the_loop_and_the_loader_are_timed_in_one_process(
    corpus_options: list[str], capsys: pytest.CaptureFixture[str], source: str
) -> None:
    small = ["--stride", "16", "--batch-size", "4", "--epochs", "2", "--latency-ms", "1", *corpus_options]
    main([*small, "--source", source, "--step-ms", "1", "--json"])
    facts = json.loads(capsys.readouterr().out)
    milliseconds = {row["contender"]: row["values"] for row in facts["measurements"]}
    assert set(milliseconds) == {"loader alone", "loop"}
    assert all(len(values) == 2 and min(values) > 1 for values in milliseconds.values())
    assert f"{source}, 5 batches of 4" in facts["measurements"][0]["case"]
    (waiting,) = facts["figures"]
    assert 0 <= waiting["value"] < 100
