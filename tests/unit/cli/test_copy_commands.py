"""`sync-cache`, `import-npz`, and building on a cluster, as they are typed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np

import seizurekit as sk


def seizurekit(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "seizurekit", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True)


def test_a_copy_is_made_told_of_and_then_left_as_it_is(small_store: Path, tmp_path: Path) -> None:
    done = seizurekit("sync-cache", small_store, tmp_path / "copy")
    assert done.returncode == 0, done.stderr
    assert "train: 1 shards" in done.stdout
    again = seizurekit("sync-cache", small_store, tmp_path / "copy")
    assert again.stdout == "[CACHE] Local cache already exists with 3 shards\n"
    assert "1 copied, 0 were there" in seizurekit("sync-cache", small_store, tmp_path / "copy", "--force").stdout


def test_a_copy_of_nothing_is_one_line_and_exit_code_1(tmp_path: Path) -> None:
    done = seizurekit("sync-cache", tmp_path / "nothing", tmp_path / "copy")
    assert done.returncode == 1
    assert done.stderr.startswith("seizurekit: error: ")
    assert len(done.stderr.splitlines()) == 1


def test_an_import_with_too_many_failures_is_exit_code_3(tmp_path: Path) -> None:
    (tmp_path / "old" / "train").mkdir(parents=True)
    x, y = np.zeros((3, 19, 15360), np.float32), np.zeros((3, 15360), np.uint8)
    x[:, :, ::7] = 1
    np.savez(tmp_path / "old" / "train" / "aaaaaaaa_s001_t000_windows.npz", windows=x[[0, 0, 0]] * 0 + 1, labels=y)
    (tmp_path / "old" / "train" / "aaaaaaab_s001_t000_windows.npz").write_bytes(b"")
    done = seizurekit("import-npz", "--npz-dir", tmp_path / "old", "--cache-dir", tmp_path / "cache")
    assert done.returncode == 3, done.stderr
    assert "aaaaaaab_s001_t000" in done.stdout
    kept = seizurekit("import-npz", "--npz-dir", tmp_path / "old", "--cache-dir", tmp_path / "more", "--max-failed", 50)
    assert kept.returncode == 0
    assert len(sk.open_cache(tmp_path / "more").windows()) == 3


def test_dask_without_a_scheduler_is_bad_usage(small_corpus: Path, tmp_path: Path) -> None:
    done = seizurekit(
        "build-cache", "--data-dir", small_corpus, "--cache-dir", tmp_path / "cache", "--executor", "dask"
    )
    assert done.returncode == 2
    assert "--scheduler ADDRESS" in done.stderr
