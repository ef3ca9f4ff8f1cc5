"""The Python in README and docs runs as it stands."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BLOCKS = [
    pytest.param(block, id=f"{path.name}-{number}")
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
    for number, block in enumerate(re.findall(r"```python\n(.*?)```", path.read_text(), re.DOTALL))
]


@pytest.mark.parametrize("block", BLOCKS)
def test_python_in_the_documents_runs(block: str, small_corpus: Path, small_store: Path, tmp_path: Path) -> None:
    (tmp_path / "cache").symlink_to(small_store)
    (tmp_path / "recording.edf").symlink_to(sorted(small_corpus.rglob("*.edf"))[0])
    result = subprocess.run([sys.executable, "-c", block], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr


def test_every_command_of_the_readme_is_one_of_the_command_line() -> None:
    from seizurekit.cli.app import app

    known = {command.callback.__name__.replace("_", "-") for command in app.registered_commands if command.callback}
    named = set(re.findall(r"^    seizurekit ([a-z-]+)", (ROOT / "README.md").read_text(), re.MULTILINE))
    assert named
    assert named <= known
