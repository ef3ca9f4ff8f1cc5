"""`build-cache` and `scan-cache`: output and exit codes."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import seizurekit as sk
from commands import run_command
from seizurekit.cache.verify import find_damage
from seizurekit.errors import CacheError


@pytest.fixture
def store(small_store: Path, tmp_path: Path) -> Path:
    return shutil.copytree(small_store, tmp_path / "cache")


def first_shard(store: Path) -> Path:
    return store / "train" / "signal" / "c" / "0" / "0"


def test_a_build_ends_with_a_table_of_the_splits(small_corpus: Path, tmp_path: Path) -> None:
    result = run_command("build-cache", "--data-dir", small_corpus, "--cache-dir", tmp_path / "cache")
    assert result.returncode == 0, result.stderr
    assert [word for word in ("train", "dev", "eval") if f"\n{word} " in result.stdout] == ["train", "dev", "eval"]


def test_an_environment_variable_limits_the_number_of_recordings(small_corpus: Path, tmp_path: Path) -> None:
    arguments = ("build-cache", "--data-dir", small_corpus, "--cache-dir", tmp_path / "cache", "--split", "train")
    assert run_command(*arguments, BGB_LIMIT_FILES="1").returncode == 0
    assert len(sk.open_cache(tmp_path / "cache").recordings["id"]) == 1


def test_too_many_failures_give_exit_code_3(small_corpus: Path, tmp_path: Path) -> None:
    corpus = shutil.copytree(small_corpus, tmp_path / "edf")
    empty = sorted((corpus / "dev").rglob("*.edf"))[0]
    empty.write_bytes(b"")
    result = run_command("build-cache", "--data-dir", corpus, "--cache-dir", tmp_path / "cache")
    assert result.returncode == 3
    assert "more than --max-failed 5" in result.stderr
    assert empty.stem in result.stdout
    again = ("build-cache", "--data-dir", corpus, "--cache-dir", tmp_path / "cache", "--max-failed", 50)
    assert run_command(*again).returncode == 0


def test_an_intact_store_is_verified(store: Path) -> None:
    result = run_command("scan-cache", "--cache-dir", store, "--verify")
    assert result.returncode == 0, result.stderr
    assert "every chunk matches its checksum" in result.stdout


def test_a_damaged_chunk_is_named_and_gives_exit_code_4(store: Path) -> None:
    data = bytearray(first_shard(store).read_bytes())
    data[100] ^= 1
    first_shard(store).write_bytes(data)
    result = run_command("scan-cache", "--cache-dir", store, "--verify")
    assert result.returncode == 4
    assert f"{first_shard(store)}: chunk 0 " in result.stderr


def test_a_missing_shard_gives_exit_code_4_and_is_not_read_as_zeros(store: Path) -> None:
    first_shard(store).unlink()
    assert run_command("scan-cache", "--cache-dir", store, "--verify").returncode == 4
    cache = sk.open_cache(store)
    assert list(find_damage(cache)) == [f"{first_shard(store)}: missing shard"]
    with pytest.raises(CacheError, match="missing shard"):
        cache.read(0)


def test_a_store_without_a_seizure_gives_exit_code_2_and_a_list_of_checks(small_corpus: Path, tmp_path: Path) -> None:
    corpus = shutil.copytree(small_corpus, tmp_path / "edf")
    for path in [*corpus.rglob("*.csv_bi"), *corpus.rglob("*.csv")]:
        path.unlink()
    assert run_command("build-cache", "--data-dir", corpus, "--cache-dir", tmp_path / "cache").returncode == 0
    result = run_command("scan-cache", "--cache-dir", tmp_path / "cache")
    assert result.returncode == 2
    for word in ("label set", "the folder of its EDF file", ".csv_bi"):
        assert word in result.stderr
