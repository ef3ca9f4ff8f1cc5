"""The Python and the commands in README, HACKING and docs work."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from seizurekit.config import Config, load_config

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = (ROOT / "README.md", ROOT / "HACKING.md", *sorted((ROOT / "docs").glob("*.md")))
BLOCKS = [
    pytest.param(block, id=f"{path.name}-{index}")
    for path in DOCUMENTS
    for index, block in enumerate(re.findall(r"```python\n(.*?)```", path.read_text(), re.DOTALL))
]
COMMANDS = [
    pytest.param(line.split("#")[0].split(), id=f"{path.name}-{line.split('#')[0].strip()}")
    for path in DOCUMENTS
    for line in re.findall(r"^    ((?:[A-Z_]+=\S+ )*(?:torchrun .*-m )?seizurekit .+)$", path.read_text(), re.MULTILINE)
]


@pytest.mark.parametrize("block", BLOCKS)
def test_python_in_the_documents_runs(
    block: str, small_corpus: Path, small_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cache").symlink_to(small_store)
    (tmp_path / "recording.edf").symlink_to(sorted(small_corpus.rglob("*.edf"))[0])
    monkeypatch.chdir(tmp_path)
    exec(compile(block, "<documentation>", "exec"), {"__name__": "__main__"})


@pytest.mark.parametrize("words", COMMANDS)
def test_every_command_in_the_documents_exists_with_its_options_and_keys(words: list[str]) -> None:
    import typer.main

    from seizurekit.cli.app import app

    _, name, *arguments = words[words.index("seizurekit") :]
    command = typer.main.get_group(app).commands[name]
    options = {option for parameter in command.params for option in parameter.opts}
    assert {argument for argument in arguments if argument.startswith("--")} <= options
    if name in ("train", "validate"):
        config, *overrides = [argument for argument in arguments if not argument.startswith("--")]
        load_config(ROOT / config, overrides)
    for variable in words[: words.index("seizurekit")]:
        if "=" in variable:
            assert variable.partition("=")[0] in (ROOT / "python" / "seizurekit" / "settings.py").read_text()


def test_every_benchmark_in_the_documents_exists() -> None:
    named = {name for path in DOCUMENTS for name in re.findall(r"python -m (bench\.[a-z_]+)", path.read_text())}
    assert "bench.training_curves" in named
    for name in named:
        module = ROOT.joinpath(*name.split("."))
        assert module.with_suffix(".py").exists() or (module / "__main__.py").exists(), name


def test_every_link_and_picture_in_the_documents_exists() -> None:
    for path in DOCUMENTS:
        for target in re.findall(r"\]\(([^)#:]+)\)", path.read_text()):
            assert (path.parent / target).exists(), f"{path.name}: {target}"


def test_every_key_in_the_page_about_training_exists() -> None:
    text = (ROOT / "docs" / "training.md").read_text()
    for section, key in re.findall(r"`(\w+)\.(\w+)(?:=[^`]*)?`", text):
        if section in Config.model_fields:
            assert key in type(getattr(load_config(ROOT / "configs" / "demo.yaml"), section)).model_fields, key


def test_the_page_about_environment_variables_lists_all_of_them() -> None:
    name = r"[A-Z]+(?:_[A-Z0-9]+)+|RANK"
    in_settings = set(re.findall(rf'"({name})"', (ROOT / "python" / "seizurekit" / "settings.py").read_text()))
    in_page = set(re.findall(rf"`({name})`", (ROOT / "docs" / "environment.md").read_text()))
    assert in_page == in_settings
