"""The shipped configurations load and pass `validate`, and every key of a configuration is read somewhere."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from pydantic import BaseModel

import seizurekit
from commands import run_command
from seizurekit.config import Config, Section, load_config

ROOT = Path(__file__).resolve().parents[2]
CONFIGS = sorted((ROOT / "configs").glob("*.yaml"))
SECTIONS: dict[str, type[Section]] = {
    name: field.annotation
    for name, field in Config.model_fields.items()
    if isinstance(field.annotation, type) and issubclass(field.annotation, Section)
}
MODELS: dict[str, type[BaseModel]] = {"Config": Config, **{section.__name__: section for section in SECTIONS.values()}}
SOURCES = Path(str(seizurekit.__file__)).parent


@pytest.fixture(params=CONFIGS, ids=lambda path: path.stem)
def config(request: pytest.FixtureRequest) -> Path:
    return Path(request.param)


def test_there_is_one_configuration_per_use_case() -> None:
    assert {path.stem for path in CONFIGS} == {"demo", "smoke", "tusz-local", "tusz-a100", "tusz-h100"}


def test_a_shipped_configuration_loads_with_the_values_in_its_file(config: Path) -> None:
    loaded = load_config(config)
    assert loaded.name == config.stem
    for section, values in yaml.safe_load(config.read_text()).items():
        if isinstance(values, dict):
            actual = getattr(loaded, section).model_dump()
            assert {key: actual[key] for key in values} == {key: _as_float(value) for key, value in values.items()}


def _as_float(value: object) -> object:
    """The value, with 1e-3, which is a string in YAML 1.1, as a float."""
    return float(value) if isinstance(value, str) and value[0].isdigit() else value


def test_validate_accepts_a_shipped_configuration(config: Path, small_store: Path, tmp_path: Path) -> None:
    overrides = (f"cache.dir={small_store}", "training.device=cpu", "model.require_kernels=false")
    result = run_command("validate", config, *overrides, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith(f"{config}: OK\n")
    assert list(tmp_path.iterdir()) == []


def test_every_key_of_a_configuration_is_read() -> None:
    read = keys_read(path.read_text() for path in SOURCES.rglob("*.py") if path.parent != SOURCES / "config")
    known = {(name, key) for name, model in MODELS.items() for key in model.model_fields}
    assert sorted(known - read) == []


def test_reads_of_keys_are_found_in_source_code() -> None:
    source = """
class Meter:
    def __init__(self, config: Config, other: Other) -> None:
        self._config, every = config, config.telemetry.every
        other.lr
        training = self._config.training
        training.epochs

    def later(self, section: WandbConfig | None = None) -> None:
        self._config.training.ema = section.mode
"""
    assert keys_read([source]) == {
        ("Config", "telemetry"),
        ("Config", "training"),
        ("TelemetryConfig", "every"),
        ("TrainingConfig", "epochs"),
        ("WandbConfig", "mode"),
    }


def keys_read(sources: Iterator[str] | list[str]) -> set[tuple[str, str]]:
    """Pairs (model, key) that the sources read from a variable known to hold that model."""
    found: set[tuple[str, str]] = set()
    for source in sources:
        reads = _Reads()
        reads.visit(ast.parse(source))
        found |= reads.found
    return found


class _Reads(ast.NodeVisitor):
    """Follows, by name, the variables annotated with a model and those assigned from them."""

    def __init__(self) -> None:
        self.found: set[tuple[str, str]] = set()
        self._scopes: list[dict[str, str]] = [{}]

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self._scopes.append({})
        for statement in node.body:
            if isinstance(statement, ast.AnnAssign):
                self._note(f"self.{ast.unparse(statement.target)}", _annotated(statement.annotation))
        self.generic_visit(node)
        self._scopes.pop()

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self._scopes.append({})
        for argument in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs):
            self._note(argument.arg, _annotated(argument.annotation))
        self.generic_visit(node)
        self._scopes.pop()

    def visit_Assign(self, node: ast.Assign) -> None:
        self.generic_visit(node)
        for target in node.targets:
            pairs = [(target, node.value)]
            if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
                pairs = list(zip(target.elts, node.value.elts, strict=False))
            for place, value in pairs:
                self._note(ast.unparse(place), self._model_of(value))

    def visit_Attribute(self, node: ast.Attribute) -> None:
        model = self._model_of(node.value)
        if model is not None and isinstance(node.ctx, ast.Load) and node.attr in MODELS[model].model_fields:
            self.found.add((model, node.attr))
        self.generic_visit(node)

    def _note(self, name: str, model: str | None) -> None:
        if model is not None:
            is_attribute = name.startswith("self.") and len(self._scopes) > 2
            self._scopes[-2 if is_attribute else -1][name] = model

    def _model_of(self, value: ast.expr) -> str | None:
        if isinstance(value, ast.IfExp):
            return self._model_of(value.body) or self._model_of(value.orelse)
        name = ast.unparse(value)
        for scope in reversed(self._scopes):
            if name in scope:
                return scope[name]
        if isinstance(value, ast.Attribute) and self._model_of(value.value) == "Config" and value.attr in SECTIONS:
            return SECTIONS[value.attr].__name__
        return None


def _annotated(annotation: ast.expr | None) -> str | None:
    """The model in an annotation; `Config` first if there are several."""
    named = [node.id for node in ast.walk(annotation) if isinstance(node, ast.Name)] if annotation is not None else []
    return next((name for name in MODELS if name in named), None)
