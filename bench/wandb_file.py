"""Reader of W&B's offline files, without W&B's own process."""

from __future__ import annotations

import json
import struct
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

_BLOCK = 32768


def offline_runs(run_dir: Path) -> list[Path]:
    """Folders of a run's offline runs, the oldest first; a resumed run has several."""
    return sorted((run_dir / "wandb").glob("offline-run-*"))


def read_records(folder: Path) -> Iterator[Any]:
    """Yields the records of an offline run.

    Its ``.wandb`` file is a LevelDB log: blocks of 32 KiB with pieces of checksum, length, kind and content. W&B's own
    Python reader, DataStore, no longer exists.
    """
    from wandb.proto import wandb_internal_pb2

    (path,) = folder.glob("run-*.wandb")
    content, offset, record_bytes = path.read_bytes(), 7, b""
    while offset + 7 <= len(content):
        length, kind = struct.unpack("<HB", content[offset + 4 : offset + 7])
        if kind == 0:  # padding to the end of the block
            offset += _BLOCK - offset % _BLOCK
            continue
        record_bytes += content[offset + 7 : offset + 7 + length]
        offset += 7 + length
        if _BLOCK - offset % _BLOCK < 7:
            offset += _BLOCK - offset % _BLOCK
        if kind in (1, 4):  # a whole record, or the last piece of one
            record = wandb_internal_pb2.Record()
            record.ParseFromString(record_bytes)
            yield record
            record_bytes = b""


def wait_for_records(folder: Path, timeout_s: float = 30.0) -> list[Any]:
    """All records of an offline run after its end; W&B's process may write the last ones after `finish` returns.

    Raises:
        TimeoutError: the record of the run's end is missing after `timeout_s`.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        records = list(read_records(folder))
        if records and records[-1].WhichOneof("record_type") == "exit":
            return records
        if time.monotonic() > deadline:
            raise TimeoutError(f"{folder}: the last of {len(records)} records is not that of the run's end")
        time.sleep(0.05)


def history_rows(records: Iterable[Any]) -> list[dict[str, Any]]:
    """The logged metrics, one dictionary per log call."""
    rows = (record.history.item for record in records if record.WhichOneof("record_type") == "history")
    return [{item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in row} for row in rows]
