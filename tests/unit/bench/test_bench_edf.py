"""The benchmark of EDF readers."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import edfio
import numpy as np
import pytest
from bench.edf import __main__ as command
from bench.edf.__main__ import check_agreement, main, ratios, write_file
from bench.edf.readers import READERS, Reader, read_plainly


def test_the_generated_file_is_valid_and_has_the_requested_size(tmp_path: Path) -> None:
    task = write_file(tmp_path / "a.edf", minutes=0.1, signals=5, rate=40, channels=3)
    edf = edfio.read_edf(task.path)
    assert [signal.label for signal in edf.signals[:3]] == list(task.labels)
    assert len(edf.signals) == 5
    assert edf.duration == 6
    assert all(signal.sampling_frequency == 40 for signal in edf.signals)
    assert read_plainly(task.path)() == task.path.stat().st_size


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.name)
def test_every_reader_returns_the_samples_that_edfio_returns(reader: Reader, tmp_path: Path) -> None:
    if not reader.is_installed:
        pytest.skip(f"{reader.package} is not installed")
    task = write_file(tmp_path / "a.edf", minutes=0.1, signals=5, rate=40, channels=3)
    samples = reader.prepare(task)() * np.float32(reader.unit)
    expected = np.stack([signal.data for signal in edfio.read_edf(task.path).signals[:3]])
    np.testing.assert_allclose(samples, expected, rtol=1e-6, atol=1e-3)


def test_readers_that_disagree_stop_the_benchmark() -> None:
    samples = np.zeros((2, 3), np.float32)
    check_agreement({"a": samples, "b": samples + np.float32(1e-4)}, step=0.1)
    with pytest.raises(ValueError, match=r"b and a differ by 0\.01"):
        check_agreement({"a": samples, "b": samples + np.float32(0.01)}, step=0.1)
    with pytest.raises(ValueError, match="b and a differ by nan"):
        check_agreement({"a": samples, "b": samples * np.float32(np.nan)}, step=0.1)
    with pytest.raises(ValueError, match="shape"):
        check_agreement({"a": samples, "b": samples[:1]}, step=0.1)


def test_ratios_compare_the_fastest_other_reader_with_ours() -> None:
    median = {reader.name: 0.1 for reader in READERS}
    median |= {"plain file read": 0.002, "MNE": 0.03, "seizurekit": 0.005}
    found = ratios(median, READERS)
    assert found["seizurekit / plain file read"] == pytest.approx(2.5)
    assert found["best other / seizurekit"] == pytest.approx(6.0)


def test_the_command_reports_readers_ratios_and_skipped_readers(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    absent = dataclasses.replace(READERS[-1], name="absent", package="no_such_package")
    monkeypatch.setattr(command, "READERS", (*READERS[:2], READERS[-1], absent))
    arguments = ["--minutes", "0.05", "--signals", "4", "--channels", "2", "--rounds", "2", "--json"]
    assert main(arguments) == 0
    facts = json.loads(capsys.readouterr().out)
    contenders = {row["contender"] for row in facts["measurements"]}
    assert contenders == {"plain file read", "seizurekit, out= reused", "seizurekit", "NumPy reshape"}
    assert all(len(row["values"]) == 2 for row in facts["measurements"])
    assert facts["skipped"] == {"absent": "no_such_package is not installed"}
    assert set(command.TARGETS) <= {figure["name"] for figure in facts["figures"] if figure["target"]}
    assert facts["parameters"]["channels"] == 2


@pytest.mark.parametrize("arguments", [["--channels", "40"], ["--rounds", "0"], ["--minutes", "0"]])
def test_impossible_parameters_are_a_usage_error(arguments: list[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(arguments)
