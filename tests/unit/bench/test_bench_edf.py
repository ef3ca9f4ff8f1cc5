"""The benchmark of readers: what it generates, what it refuses, and what it reports."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import edfio
import numpy as np
import pytest
from bench.edf import __main__ as command
from bench.edf.__main__ import check_that_all_agree, generate, main, ratios
from bench.edf.readers import READERS, Reader, plain_read
from bench.measure import Timing


def test_the_generated_file_is_sound_and_holds_what_was_asked_for(tmp_path: Path) -> None:
    task = generate(tmp_path / "a.edf", minutes=0.1, signals=5, rate=40, read=3)
    edf = edfio.read_edf(task.path)
    assert [signal.label for signal in edf.signals[:3]] == list(task.labels)
    assert len(edf.signals) == 5
    assert edf.duration == 6
    assert all(signal.sampling_frequency == 40 for signal in edf.signals)
    assert plain_read(task.path)() == task.path.stat().st_size


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.name)
def test_every_reader_gives_the_samples_that_edfio_gives(reader: Reader, tmp_path: Path) -> None:
    if not reader.is_installed:
        pytest.skip(f"{reader.package} is not installed")
    task = generate(tmp_path / "a.edf", minutes=0.1, signals=5, rate=40, read=3)
    samples = reader.prepare(task)() * np.float32(reader.unit)
    expected = np.stack([signal.data for signal in edfio.read_edf(task.path).signals[:3]])
    np.testing.assert_allclose(samples, expected, rtol=1e-6, atol=1e-3)


def test_readers_that_disagree_stop_the_benchmark() -> None:
    samples = np.zeros((2, 3), np.float32)
    check_that_all_agree({"a": samples, "b": samples + np.float32(1e-4)}, step=0.1)
    with pytest.raises(ValueError, match=r"b and a differ by 0\.01"):
        check_that_all_agree({"a": samples, "b": samples + np.float32(0.01)}, step=0.1)
    with pytest.raises(ValueError, match="b and a differ by nan"):
        check_that_all_agree({"a": samples, "b": samples * np.float32(np.nan)}, step=0.1)
    with pytest.raises(ValueError, match="shape"):
        check_that_all_agree({"a": samples, "b": samples[:1]}, step=0.1)


def test_ratios_hold_the_best_other_reader_against_ours() -> None:
    seconds = {reader.name: Timing(reader.name, (0.1,)) for reader in READERS}
    seconds |= {name: Timing(name, (value,)) for name, value in {"plain file read": 0.002, "MNE": 0.03}.items()}
    seconds["seizurekit"] = Timing("seizurekit", (0.005,))
    found = ratios(seconds, READERS)
    assert found["seizurekit / plain file read"] == pytest.approx(2.5)
    assert found["best other / seizurekit"] == pytest.approx(6.0)


def test_the_command_reports_readers_ratios_and_those_skipped(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    absent = dataclasses.replace(READERS[-1], name="absent", package="no_such_package")
    monkeypatch.setattr(command, "READERS", (*READERS[:2], READERS[-1], absent))
    arguments = ["--minutes", "0.05", "--signals", "4", "--channels", "2", "--rounds", "2", "--json"]
    assert main(arguments) == 0
    facts = json.loads(capsys.readouterr().out)
    assert set(facts["seconds"]) == {"plain file read", "seizurekit, out= reused", "seizurekit", "NumPy reshape"}
    assert facts["skipped"] == {"absent": "no_such_package is not installed"}
    assert set(facts["aims"]) <= set(facts["ratios"])
    assert facts["parameters"]["channels"] == 2


@pytest.mark.parametrize("arguments", [["--channels", "40"], ["--rounds", "0"], ["--minutes", "0"]])
def test_impossible_parameters_are_bad_usage(arguments: list[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(arguments)
