"""Bad input to every command: one line on stderr that names it, and the documented exit code."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from commands import run_command


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bad_input") / "edf"
    result = run_command("synth", folder, "--train", 1, "--dev", 1, "--eval", 1, "--minutes", 3, "--workers", 1)
    assert result.returncode == 0, result.stderr
    return folder


def assert_error(words: tuple[str, ...], *arguments: object) -> None:
    """A command ends with exit code 1 and one line that contains all the words."""
    line = run_command(*arguments).error_line()
    for word in words:
        assert word in line


def zip_archive(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.txt", "not an EDF")


def empty_file(path: Path) -> None:
    path.touch()


def half_a_header(path: Path) -> None:
    path.write_bytes(b"0       " + b" " * 100)


@pytest.mark.parametrize(("make", "word"), [(zip_archive, "PK"), (empty_file, "0 bytes"), (half_a_header, "108 bytes")])
@pytest.mark.parametrize("command", ["inspect", "repair"])
def test_a_file_that_is_not_an_edf_file_is_named_with_its_content(
    command: str, make: Callable[[Path], None], word: str, tmp_path: Path
) -> None:
    path = tmp_path / "recording.edf"
    make(path)
    arguments = [path] if command == "inspect" else [path, tmp_path / "out.edf"]
    assert_error(("recording.edf", word), command, *arguments)
    assert not (tmp_path / "out.edf").exists()


def test_a_missing_file_is_named() -> None:
    assert_error(("nowhere.edf", "No such file"), "inspect", "nowhere.edf")


def test_a_missing_data_folder_is_named(tmp_path: Path) -> None:
    assert_error(("nowhere",), "build-cache", "--data-dir", tmp_path / "nowhere", "--cache-dir", tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def test_a_data_folder_without_recordings_is_named(tmp_path: Path) -> None:
    data = tmp_path / "edf"
    data.mkdir()
    assert_error((str(data), ".edf"), "build-cache", "--data-dir", data, "--cache-dir", tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def test_an_unknown_split_is_reported_with_the_known_ones(corpus: Path, tmp_path: Path) -> None:
    command = ("build-cache", "--data-dir", corpus, "--cache-dir", tmp_path / "cache", "--split", "test")
    assert_error(("'test'", "train", "dev", "eval"), *command)


def test_a_cache_folder_that_is_a_file_is_named(corpus: Path, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("mine")
    assert_error(("cache",), "build-cache", "--data-dir", corpus, "--cache-dir", tmp_path / "cache")
    assert (tmp_path / "cache").read_text() == "mine"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_an_unwritable_cache_folder_is_named(corpus: Path, tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir(mode=0o500)
    command = ("build-cache", "--data-dir", corpus, "--cache-dir", tmp_path / "cache")
    assert_error(("cache", "Permission denied"), *command)


@pytest.mark.slow
def test_a_build_that_runs_out_of_space_says_so_and_resumes(corpus: Path, tmp_path: Path) -> None:
    """In a new process, whose limit on the size of a file takes the place of a full disk."""
    arguments = ["build-cache", "--data-dir", str(corpus), "--cache-dir", str(tmp_path / "cache")]
    result = subprocess.run(
        [sys.executable, "-m", "seizurekit", *arguments],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000)),
    )
    assert result.returncode == 1
    (line,) = result.stderr.splitlines()
    assert line.startswith("seizurekit: error: ")
    assert "too large" in line
    assert not list((tmp_path / "cache").rglob("*.tmp*"))
    assert run_command(*arguments).returncode == 0


def test_a_missing_cache_is_named(tmp_path: Path) -> None:
    assert_error(("cache",), "scan-cache", "--cache-dir", tmp_path / "cache")


def test_an_unknown_key_is_reported_with_the_closest_known_one(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("learning: {}\n")
    assert_error(("config.yaml", "learning", "training"), "train", config)


def test_a_missing_detector_file_is_named(tmp_path: Path) -> None:
    assert_error(("nothing",), "detect", tmp_path / "nothing", "a.edf", tmp_path / "out.tsv")


def test_synth_does_not_write_into_a_folder_with_other_files(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    assert_error((str(tmp_path),), "synth", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
