"""WebDataset as a contender: windows in tar files, shuffled in its own way, since it cannot read at random."""

from __future__ import annotations

import io
import shutil
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from seizurekit.cache.windows import Windows

SHUFFLED = 100
"""Windows in its shuffle buffer, 117 MB."""


def write_tars(windows: Windows, folder: Path, windows_a_tar: int = 200) -> list[Path]:
    """Writes every window as a float32 ``.npy`` in tar files, or takes those that an earlier run left."""
    if not folder.exists():
        temporary = folder.with_suffix(".tmp")
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        for number, first in enumerate(range(0, len(windows), windows_a_tar)):
            _write_tar(windows, range(first, min(first + windows_a_tar, len(windows))), temporary / f"{number:06d}.tar")
        temporary.rename(folder)
    return sorted(folder.glob("*.tar"))


def _write_tar(windows: Windows, numbers: Sequence[int], path: Path) -> None:
    with tarfile.open(path, "w") as tar:
        for number in numbers:
            content = io.BytesIO()
            np.save(content, windows.read([number])[0][0])
            member = tarfile.TarInfo(f"{number:08d}.x.npy")
            member.size = content.tell()
            content.seek(0)
            tar.addfile(member, content)


def batches_of(tars: Sequence[Path], batch_size: int) -> Any:
    """An iterable of (float32 [B, 19, T],) an epoch; the last batch of an epoch may be smaller."""
    import webdataset

    dataset = webdataset.WebDataset([str(path) for path in tars], shardshuffle=len(tars))
    return dataset.shuffle(SHUFFLED).decode().to_tuple("x.npy").batched(batch_size)
