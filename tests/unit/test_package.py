"""Promises of the package as a whole: what importing it costs, and how its tree is kept."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import seizurekit
from seizurekit import _core

ROOT = Path(__file__).resolve().parents[2]
LONGEST_FILE = 400
SOURCES = {".py", ".cpp", ".hpp", ".cu"}


def modules_after(statement: str) -> set[str]:
    code = f"import sys; {statement}; print(' '.join(sys.modules))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(result.stdout.split())


def test_importing_the_package_imports_nothing_heavy() -> None:
    heavy = {"torch", "scipy", "zarr", "matplotlib", "pydantic", "rich", "typer", "mne"}
    assert not heavy & modules_after("import seizurekit")


def test_the_command_line_starts_without_the_heavy_packages() -> None:
    heavy = {"torch", "scipy", "zarr", "matplotlib", "pydantic", "mne"}
    assert not heavy & modules_after("import seizurekit.cli.app")


@pytest.mark.parametrize("name", seizurekit.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(seizurekit, name) is not None
    assert name in dir(seizurekit)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'open_edff'"):
        _ = seizurekit.open_edff


def test_the_version_comes_from_one_place() -> None:
    assert seizurekit.__version__ == _core.__version__
    assert f'version = "{seizurekit.__version__}"' in (ROOT / "pyproject.toml").read_text()


def test_the_extension_tells_how_it_was_built() -> None:
    config = _core.support.build_config()
    assert config["isas"][0] == "baseline"
    assert config["isa"] in config["isas"]
    with pytest.raises(ValueError, match="mmx"):
        _core.support.use_isa("mmx")


def test_no_source_file_is_too_long() -> None:
    folders = ("csrc", "kernels", "python", "bench", "deploy", "tests")
    files = [path for folder in folders for path in (ROOT / folder).rglob("*") if path.suffix in SOURCES]
    assert files
    lengths = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in files}
    assert {name: lines for name, lines in lengths.items() if lines > LONGEST_FILE} == {}
