"""What W&B wrote into a run's folder, read without W&B: its file of records."""

from __future__ import annotations

import json
import struct
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

_BLOCK = 32768


def offline_runs(run_dir: Path) -> list[Path]:
    """The folders of a run's offline runs, the oldest first; a resumed run has several."""
    return sorted((run_dir / "wandb").glob("offline-run-*"))


def records(folder: Path) -> Iterator[Any]:
    """The records of an offline run.

    Its ``.wandb`` file is a LevelDB log: blocks of 32 KiB, of pieces with checksum, length and kind. W&B had a reader
    of it, DataStore, until it left Python for its own process.
    """
    from wandb.proto import wandb_internal_pb2

    (path,) = folder.glob("run-*.wandb")
    content, at, whole = path.read_bytes(), 7, b""
    while at + 7 <= len(content):
        length, kind = struct.unpack("<HB", content[at + 4 : at + 7])
        if kind == 0:  # the rest of a block
            at += _BLOCK - at % _BLOCK
            continue
        whole += content[at + 7 : at + 7 + length]
        at += 7 + length
        if _BLOCK - at % _BLOCK < 7:
            at += _BLOCK - at % _BLOCK
        if kind in (1, 4):
            record = wandb_internal_pb2.Record()
            record.ParseFromString(whole)
            yield record
            whole = b""


def records_of_an_ended_run(folder: Path, seconds: float = 30.0) -> list[Any]:
    """All records of an offline run that has ended; W&B's own process writes the last when `finish` is over already.

    Raises:
        TimeoutError: the last one does not come within so many seconds.
    """
    give_up = time.monotonic() + seconds
    while True:
        found = list(records(folder))
        if found and found[-1].WhichOneof("record_type") == "exit":
            return found
        if time.monotonic() > give_up:
            raise TimeoutError(f"{folder}: found {len(found)} records, the last of them none of the run's end")
        time.sleep(0.05)


def history(found: Iterable[Any]) -> list[dict[str, Any]]:
    """The figures among records, a dictionary for each time that some were told."""
    rows = (record.history.item for record in found if record.WhichOneof("record_type") == "history")
    return [{item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in row} for row in rows]
