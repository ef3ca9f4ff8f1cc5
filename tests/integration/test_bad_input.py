"""Bad input to every command: one line on stderr that names what was found, and the documented exit code."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest


def seizurekit(*arguments: object, largest_file: int | None = None) -> subprocess.CompletedProcess[str]:
    def limit() -> None:
        if largest_file is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, largest_file))

    return subprocess.run(
        [sys.executable, "-m", "seizurekit", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=limit,
    )


def assert_one_line(result: subprocess.CompletedProcess[str], code: int, *words: str) -> None:
    assert result.returncode == code, result.stderr
    lines = result.stderr.strip().splitlines()
    assert lines, "nothing on stderr"
    assert lines[-1].startswith("seizurekit: error: ")
    assert "Traceback" not in result.stderr
    for word in words:
        assert word in lines[-1]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bad_input") / "edf"
    result = seizurekit("synth", folder, "--train", 1, "--dev", 1, "--eval", 1, "--minutes", 3, "--workers", 1)
    assert result.returncode == 0, result.stderr
    return folder


def a_zip(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.txt", "not an EDF")


def an_empty_file(path: Path) -> None:
    path.touch()


def half_a_header(path: Path) -> None:
    path.write_bytes(b"0       " + b" " * 100)


@pytest.mark.parametrize(("make", "word"), [(a_zip, "PK"), (an_empty_file, "0 bytes"), (half_a_header, "108 bytes")])
@pytest.mark.parametrize("command", ["inspect", "repair"])
def test_a_file_that_is_no_edf_is_named_with_what_was_found(
    command: str, make: Callable[[Path], None], word: str, tmp_path: Path
) -> None:
    path = tmp_path / "recording.edf"
    make(path)
    arguments = [path] if command == "inspect" else [path, tmp_path / "out.edf"]
    assert_one_line(seizurekit(command, *arguments), 1, "recording.edf", word)
    assert not (tmp_path / "out.edf").exists()


def test_a_file_that_does_not_exist_is_named() -> None:
    assert_one_line(seizurekit("inspect", "nowhere.edf"), 1, "nowhere.edf", "No such file")


def test_a_data_folder_that_does_not_exist_is_named(tmp_path: Path) -> None:
    result = seizurekit("build-cache", "--data-dir", tmp_path / "nowhere", "--cache-dir", tmp_path / "cache")
    assert_one_line(result, 1, "nowhere")
    assert not (tmp_path / "cache").exists()


def test_a_data_folder_without_recordings_is_named(tmp_path: Path) -> None:
    (tmp_path / "edf").mkdir()
    result = seizurekit("build-cache", "--data-dir", tmp_path / "edf", "--cache-dir", tmp_path / "cache")
    assert_one_line(result, 1, str(tmp_path / "edf"), ".edf")
    assert not (tmp_path / "cache").exists()


def test_a_split_that_the_corpus_lacks_is_answered_with_those_it_has(corpus: Path, tmp_path: Path) -> None:
    result = seizurekit("build-cache", "--data-dir", corpus, "--cache-dir", tmp_path / "cache", "--split", "test")
    assert_one_line(result, 1, "'test'", "train", "dev", "eval")


def test_a_cache_folder_that_is_a_file_is_named(corpus: Path, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("mine")
    result = seizurekit("build-cache", "--data-dir", corpus, "--cache-dir", tmp_path / "cache")
    assert_one_line(result, 1, "cache")
    assert (tmp_path / "cache").read_text() == "mine"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_an_unwritable_cache_folder_is_named(corpus: Path, tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir(mode=0o500)
    result = seizurekit("build-cache", "--data-dir", corpus, "--cache-dir", tmp_path / "cache")
    assert_one_line(result, 1, "cache", "Permission denied")


def test_a_build_without_room_for_a_shard_says_so_and_goes_on_when_there_is_room(corpus: Path, tmp_path: Path) -> None:
    arguments = ("build-cache", "--data-dir", corpus, "--cache-dir", tmp_path / "cache")
    assert_one_line(seizurekit(*arguments, largest_file=200_000), 1, "too large")
    assert not list((tmp_path / "cache").rglob("*.tmp*"))
    assert seizurekit(*arguments).returncode == 0


def test_scanning_a_cache_that_is_not_there_names_it(tmp_path: Path) -> None:
    assert_one_line(seizurekit("scan-cache", "--cache-dir", tmp_path / "cache"), 1, "cache")


def test_a_misspelt_key_is_answered_with_the_right_one(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("trainig: {}\n")
    assert_one_line(seizurekit("train", config), 1, "config.yaml", "trainig", "training")


def test_a_checkpoint_that_is_not_there_is_named(tmp_path: Path) -> None:
    result = seizurekit("detect", tmp_path / "nothing", "a.edf", tmp_path / "out.tsv")
    assert_one_line(result, 1, "nothing")


def test_synth_does_not_write_into_a_folder_of_somebody_elses(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    assert_one_line(seizurekit("synth", tmp_path), 1, str(tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
