"""The benchmark of the loop: both sides read the same, from disk and from its own small S3 server."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from bench.loop import main
from bench.servers.local_s3 import variables
from bench.servers.static_s3 import BUCKET, served

import seizurekit as sk


@pytest.mark.parametrize("source", ["local", "s3"])
def test_the_loop_and_the_loader_are_timed_in_one_process(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], source: str
) -> None:
    small = ["--hours", "0.34", "--stride", "60", "--batch-size", "4", "--epochs", "2", "--latency-ms", "1"]
    main([*small, "--source", source, "--step-ms", "1", "--data", str(tmp_path), "--json"])
    found = json.loads(capsys.readouterr().out)
    assert found["batches"] == 5
    assert len(found["loader_s"]) == len(found["loop_s"]) == 2
    assert min(*found["loader_s"], *found["loop_s"]) > 0.001
    assert 0 <= found["waiting"] < 1


def test_a_store_read_from_the_small_server_is_the_one_on_disk(small_store: Path) -> None:
    local = sk.open_cache(small_store, split="dev")
    with served(small_store.parent, latency_ms=0.0) as place, variables(place):
        remote = sk.open_cache(f"s3://{BUCKET}/{small_store.name}", split="dev")
        assert remote.fingerprint == local.fingerprint
        for one, other in zip(
            local.windows(20.0, 10.0).read([0, 3]), remote.windows(20.0, 10.0).read([0, 3]), strict=True
        ):
            np.testing.assert_array_equal(one, other)
