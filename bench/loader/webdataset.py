"""WebDataset as a contender: windows in tar files, in its own shuffled order, since it has no random access."""

from __future__ import annotations

import io
import shutil
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from seizurekit.cache.windows import Windows

SHUFFLE_BUFFER = 100
"""Windows in its shuffle buffer, 117 MB."""


def write_tars(windows: Windows, folder: Path, windows_per_tar: int = 200) -> list[Path]:
    """Writes every window as a float32 ``.npy`` into tar files, or reuses those of an earlier run."""
    if not folder.exists():
        temporary = folder.with_suffix(".tmp")
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        for index, first in enumerate(range(0, len(windows), windows_per_tar)):
            _write_tar(
                windows, range(first, min(first + windows_per_tar, len(windows))), temporary / f"{index:06d}.tar"
            )
        temporary.rename(folder)
    return sorted(folder.glob("*.tar"))


def _write_tar(windows: Windows, indices: Sequence[int], path: Path) -> None:
    with tarfile.open(path, "w") as tar:
        for index in indices:
            content = io.BytesIO()
            np.save(content, windows.read([index])[0][0])
            member = tarfile.TarInfo(f"{index:08d}.x.npy")
            member.size = content.tell()
            content.seek(0)
            tar.addfile(member, content)


def iterate_batches(tars: Sequence[Path], batch_size: int) -> Any:
    """Iterable of one epoch of (float32 [B, 19, T],); the last batch may be smaller."""
    import webdataset

    dataset = webdataset.WebDataset([str(path) for path in tars], shardshuffle=len(tars))
    return dataset.shuffle(SHUFFLE_BUFFER).decode().to_tuple("x.npy").batched(batch_size)
