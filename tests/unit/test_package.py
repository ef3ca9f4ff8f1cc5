"""Promises of the package as a whole: the cost of importing it, its public names, and the tree of its files."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import seizurekit
from seizurekit import _core

ROOT = Path(__file__).resolve().parents[2]
MAX_LINES = 400
SOURCE_SUFFIXES = {".py", ".pyi", ".cpp", ".hpp", ".cu", ".cuh"}
NOT_LISTED = {"__init__.py", "__main__.py", "__pycache__", "_core", "py.typed"}


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
def test_every_public_name_exists(name: str) -> None:
    assert getattr(seizurekit, name) is not None
    assert name in dir(seizurekit)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'open_edff'"):
        _ = seizurekit.open_edff


def test_the_version_has_one_source() -> None:
    assert seizurekit.__version__ == _core.__version__
    assert f'version = "{seizurekit.__version__}"' in (ROOT / "pyproject.toml").read_text()


def test_the_extension_reports_its_build_configuration() -> None:
    config = _core.support.build_config()
    assert config["isas"][0] == "baseline"
    assert config["isa"] in config["isas"]
    with pytest.raises(ValueError, match="mmx"):
        _core.support.use_isa("mmx")


def test_no_source_file_is_too_long() -> None:
    folders = ("csrc", "kernels", "python", "bench", "tests", "tools")
    files = [path for folder in folders for path in (ROOT / folder).rglob("*") if path.suffix in SOURCE_SUFFIXES]
    assert files
    lengths = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in files}
    assert {name: lines for name, lines in lengths.items() if lines > MAX_LINES} == {}


def test_hacking_lists_only_what_exists() -> None:
    listed = tree_in_hacking()
    assert "python/seizurekit/cache/build/" in listed
    for path in listed:
        assert (ROOT / path).is_dir() if path.endswith("/") else (ROOT / path).is_file(), path


def test_hacking_lists_every_module_of_the_package() -> None:
    modules = {path.name for path in (ROOT / "python/seizurekit").iterdir() if path.suffix != ".so"}
    assert modules - NOT_LISTED == set(modules_in_hacking())


def test_hacking_lists_the_modules_in_the_order_of_the_import_contract() -> None:
    listed = [name.removesuffix(".py") for name in modules_in_hacking()]
    for layer in layers_of_the_contract():
        assert set(listed[: len(layer)]) == layer
        del listed[: len(layer)]
    assert listed == []


def tree_in_hacking() -> list[str]:
    """Path of every entry in HACKING.md's tree of folders, in its order."""
    block = (ROOT / "HACKING.md").read_text().partition("\n    csrc/ ")
    paths, parents = [], [""]
    for line in (block[1] + block[2]).strip("\n").splitlines():
        if not line.startswith("    "):
            break
        name, *_ = line.split()
        depth = (len(line) - len(line.lstrip())) // 2 - 2
        parents[depth + 1 :] = [parents[depth] + name]
        paths.append(parents[depth + 1])
    return paths


def modules_in_hacking() -> list[str]:
    paths = (Path(path).parts for path in tree_in_hacking())
    return [parts[2] for parts in paths if parts[:2] == ("python", "seizurekit") and len(parts) == 3]


def layers_of_the_contract() -> list[set[str]]:
    """Names of the modules of each layer, the lowest first."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (layers,) = (contract["layers"] for contract in contracts if contract["type"] == "layers")
    return [set(re.findall(r"seizurekit\.(\w+)", layer)) for layer in reversed(layers)]
