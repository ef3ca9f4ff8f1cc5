"""`sync-cache`, `import-npz` and `build-cache --executor dask`: output and exit codes."""

from __future__ import annotations

from pathlib import Path

import numpy as np

import seizurekit as sk
from commands import run_command


def test_a_copy_is_reported_and_a_complete_copy_is_not_changed(small_store: Path, tmp_path: Path) -> None:
    done = run_command("sync-cache", small_store, tmp_path / "copy")
    assert done.returncode == 0, done.stderr
    assert "train: 1 shard, " in done.stdout
    again = run_command("sync-cache", small_store, tmp_path / "copy")
    assert again.stdout == f"{tmp_path / 'copy'}: up to date (3 shards)\n"
    assert "1 copied, 0 up to date" in run_command("sync-cache", small_store, tmp_path / "copy", "--force").stdout


def test_a_missing_source_is_one_line_and_exit_code_1(tmp_path: Path) -> None:
    assert "nothing" in run_command("sync-cache", tmp_path / "nothing", tmp_path / "copy").error_line()


def test_an_import_with_too_many_failures_gives_exit_code_3(tmp_path: Path) -> None:
    (tmp_path / "old" / "train").mkdir(parents=True)
    x, y = np.zeros((3, 19, 15360), np.float32), np.zeros((3, 15360), np.uint8)
    x[:, :, ::7] = 1
    np.savez(tmp_path / "old" / "train" / "aaaaaaaa_s001_t000_windows.npz", windows=x[[0, 0, 0]] * 0 + 1, labels=y)
    (tmp_path / "old" / "train" / "aaaaaaab_s001_t000_windows.npz").write_bytes(b"")
    done = run_command("import-npz", "--npz-dir", tmp_path / "old", "--cache-dir", tmp_path / "cache")
    assert done.returncode == 3, done.stderr
    assert "aaaaaaab_s001_t000" in done.stdout
    kept = run_command(
        "import-npz", "--npz-dir", tmp_path / "old", "--cache-dir", tmp_path / "more", "--max-failed", 50
    )
    assert kept.returncode == 0
    assert len(sk.open_cache(tmp_path / "more").windows()) == 3


def test_dask_without_a_scheduler_is_bad_usage(small_corpus: Path, tmp_path: Path) -> None:
    result = run_command(
        "build-cache", "--data-dir", small_corpus, "--cache-dir", tmp_path / "cache", "--executor", "dask"
    )
    assert "--scheduler ADDRESS" in result.error_line(code=2)
