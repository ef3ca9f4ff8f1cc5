"""The data part works without the packages of the extra `train`; everything else names the extra in one line."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from seizurekit.errors import install_hint

ROOT = Path(__file__).resolve().parents[2]
EXTRAS = {
    extra: [re.split("[^A-Za-z0-9_.-]", requirement)[0] for requirement in requirements]
    for extra, requirements in tomllib.loads((ROOT / "pyproject.toml").read_text())["project"][
        "optional-dependencies"
    ].items()
}
SCRIPT = """
import json, sys, traceback
from pathlib import Path

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in BLOCKED:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

def run(*arguments):
    sys.argv = ["seizurekit", *map(str, arguments)]
    try:
        main()
    except SystemExit as stopped:
        return stopped.code

BLOCKED = json.loads(sys.argv[1])
sys.meta_path.insert(0, Blocked())
import seizurekit as sk
from seizurekit.cli.app import main
"""
TORCH_HINT = "torch is not installed: run pip install '.[train]' in a clone of seizurekit"


def run_without(packages: list[str], code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", SCRIPT + code, json.dumps(packages)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_the_data_part_works(tmp_path: Path) -> None:
    code = """
assert run("--help") == 0
assert run("synth", "edf", "--train", 1, "--dev", 1, "--eval", 0, "--minutes", 2) == 0
recording = sorted(Path("edf").rglob("*.edf"))[0]
assert run("inspect", recording) == 0
assert run("repair", recording, "repaired.edf") == 0
assert run("build-cache", "--data-dir", "edf", "--cache-dir", "cache") == 0
assert run("scan-cache", "--cache-dir", "cache", "--split", "train", "--verify") == 0
assert run("sync-cache", "cache", "copy") == 0
with sk.open_edf(recording) as edf:
    assert sk.preprocess(edf).shape[0] == 19
x, y = sk.open_cache("cache").windows().read([0])
assert x.shape[1] == 19
"""
    result = run_without(EXTRAS["train"], code, tmp_path)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("command", ["train", "evaluate", "detect", "selftest"])
def test_a_command_that_needs_torch_says_how_to_install_it(command: str, tmp_path: Path) -> None:
    arguments = {
        "train": [str(ROOT / "configs" / "demo.yaml")],
        "evaluate": ["best.safetensors", "--cache-dir", "cache"],
        "detect": ["best.safetensors", "a.edf", "out.tsv"],
        "selftest": [],
    }[command]
    result = run_without(["torch"], f"sys.exit(run({command!r}, *{arguments!r}))", tmp_path)
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == f"seizurekit: error: {TORCH_HINT}\n"


def test_a_public_name_that_needs_torch_says_how_to_install_it(tmp_path: Path) -> None:
    result = run_without(["torch"], "sk.WindowLoader", tmp_path)
    assert result.stderr.endswith(
        f"ModuleNotFoundError: No module named 'torch'\nseizurekit.WindowLoader: {TORCH_HINT}\n"
    )


@pytest.mark.parametrize("extra", ["train", "wandb", "dask"])
def test_the_hint_names_the_extra_that_installs_a_package(extra: str) -> None:
    package = EXTRAS[extra][-1]
    hint = install_hint(f"{package}.part")
    assert hint == f"{package} is not installed: run pip install '.[{extra}]' in a clone of seizurekit"


def test_the_hint_covers_the_extra_train_and_nothing_else() -> None:
    assert all(install_hint(package) for package in EXTRAS["train"])
    assert install_hint("numpy") is None
