"""Modules that reading recordings and writing events may import."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from edf_bytes import Recording

HEAVY = {"torch", "scipy", "matplotlib", "pandas", "mne", "zarr", "edfio"}
SCRIPT = """
import sys
import seizurekit as sk
with sk.open_edf(sys.argv[1]) as edf:
    edf.read(["EEG FP1-REF"])
    edf.annotations, edf.issues
sk.read_annotations, sk.repair_edf, sk.preprocess
import seizurekit.recordings.corpus, seizurekit.detection.export, seizurekit.detection.report, seizurekit.scoring.plot
print(" ".join(sys.modules))
"""


@pytest.mark.slow
def test_reading_an_edf_file_imports_nothing_heavy(tmp_path: Path) -> None:
    path = Recording("EDF").plus().write(tmp_path / "a.edf")
    result = subprocess.run([sys.executable, "-c", SCRIPT, path], capture_output=True, text=True, check=True)
    assert not HEAVY & set(result.stdout.split())
