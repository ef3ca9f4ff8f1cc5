"""`build-cache` and `scan-cache`: what they print, and their exit codes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import seizurekit as sk
from seizurekit.cache.verify import damages
from seizurekit.errors import CacheError


def seizurekit(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "seizurekit", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **environment})


@pytest.fixture
def store(small_store: Path, tmp_path: Path) -> Path:
    return shutil.copytree(small_store, tmp_path / "cache")


def a_shard(store: Path) -> Path:
    return store / "train" / "signal" / "c" / "0" / "0"


def test_a_build_ends_with_a_row_a_split(small_corpus: Path, tmp_path: Path) -> None:
    result = seizurekit("build-cache", "--data-dir", small_corpus, "--cache-dir", tmp_path / "cache")
    assert result.returncode == 0, result.stderr
    assert [word for word in ("train", "dev", "eval") if f"\n {word} " in result.stdout] == ["train", "dev", "eval"]


def test_the_number_of_files_can_be_limited_by_the_environment(small_corpus: Path, tmp_path: Path) -> None:
    arguments = ("build-cache", "--data-dir", small_corpus, "--cache-dir", tmp_path / "cache", "--split", "train")
    assert seizurekit(*arguments, BGB_LIMIT_FILES="1").returncode == 0
    assert len(sk.open_cache(tmp_path / "cache").recordings["id"]) == 1


def test_too_many_failures_are_exit_code_3(small_corpus: Path, tmp_path: Path) -> None:
    corpus = shutil.copytree(small_corpus, tmp_path / "edf")
    victim = sorted((corpus / "dev").rglob("*.edf"))[0]
    victim.write_bytes(b"")
    result = seizurekit("build-cache", "--data-dir", corpus, "--cache-dir", tmp_path / "cache")
    assert result.returncode == 3
    assert "more than --max-failed 5" in result.stderr
    assert victim.stem in result.stdout
    again = ("build-cache", "--data-dir", corpus, "--cache-dir", tmp_path / "cache", "--max-failed", 50)
    assert seizurekit(*again).returncode == 0


def test_a_sound_store_is_verified(store: Path) -> None:
    result = seizurekit("scan-cache", "--cache-dir", store, "--verify")
    assert result.returncode == 0, result.stderr
    assert "every chunk agrees with its checksum" in result.stdout


def test_a_damaged_chunk_is_exit_code_4_and_named(store: Path) -> None:
    data = bytearray(a_shard(store).read_bytes())
    data[100] ^= 1
    a_shard(store).write_bytes(data)
    result = seizurekit("scan-cache", "--cache-dir", store, "--verify")
    assert result.returncode == 4
    assert f"{a_shard(store)}: chunk 0 " in result.stderr


def test_a_missing_shard_is_exit_code_4_and_is_not_read_as_silence(store: Path) -> None:
    a_shard(store).unlink()
    assert seizurekit("scan-cache", "--cache-dir", store, "--verify").returncode == 4
    cache = sk.open_cache(store)
    assert list(damages(cache)) == [f"{a_shard(store)}: missing shard"]
    with pytest.raises(CacheError, match="missing shard"):
        cache.read(0)


def test_a_store_without_a_seizure_is_exit_code_2_and_says_what_to_check(small_corpus: Path, tmp_path: Path) -> None:
    corpus = shutil.copytree(small_corpus, tmp_path / "edf")
    for path in [*corpus.rglob("*.csv_bi"), *corpus.rglob("*.csv")]:
        path.unlink()
    assert seizurekit("build-cache", "--data-dir", corpus, "--cache-dir", tmp_path / "cache").returncode == 0
    result = seizurekit("scan-cache", "--cache-dir", tmp_path / "cache")
    assert result.returncode == 2
    for word in ("label set", "beside the EDFs", ".csv_bi"):
        assert word in result.stderr
