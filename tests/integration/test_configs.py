"""Every configuration that is shipped: it loads, `validate` takes it, and each key that it may have is read."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

import seizurekit
from seizurekit.cli.app import main
from seizurekit.config import Config, Section, load_config

ROOT = Path(__file__).resolve().parents[2]
CONFIGS = sorted((ROOT / "configs").glob("*.yaml"))
SECTIONS = {
    name: field.annotation
    for name, field in Config.model_fields.items()
    if isinstance(field.annotation, type) and issubclass(field.annotation, Section)
}
MODELS = {model.__name__: model for model in (Config, *SECTIONS.values())}
SOURCES = Path(str(seizurekit.__file__)).parent


@pytest.fixture(params=CONFIGS, ids=lambda path: path.stem)
def config(request: pytest.FixtureRequest) -> Path:
    return Path(request.param)


def test_there_is_a_configuration_for_every_case() -> None:
    assert {path.stem for path in CONFIGS} == {"demo", "smoke", "tusz-local", "tusz-a100", "tusz-h100"}


def test_a_shipped_configuration_loads_as_it_stands_and_says_what_it_says(config: Path) -> None:
    loaded = load_config(config)
    assert loaded.name == config.stem
    for section, values in yaml.safe_load(config.read_text()).items():
        if isinstance(values, dict):
            told = getattr(loaded, section).model_dump()
            assert {key: told[key] for key in values} == {key: _number(value) for key, value in values.items()}


def _number(value: object) -> object:
    """YAML 1.1 has 1e-3 as a string."""
    return float(value) if isinstance(value, str) and value[0].isdigit() else value


def test_validate_takes_a_shipped_configuration(
    config: Path,
    small_store: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    here = (f"cache.dir={small_store}", "training.device=cpu", "model.require_kernels=false")
    monkeypatch.setattr("sys.argv", ["seizurekit", "validate", str(config), *here])
    with pytest.raises(SystemExit) as ended:
        main()
    said = capsys.readouterr()
    assert ended.value.code == 0, said.err
    assert said.out.startswith(f"{config}: good\n")
    assert list(tmp_path.iterdir()) == []


def test_every_key_that_a_configuration_may_have_is_read() -> None:
    read = keys_read(path.read_text() for path in SOURCES.rglob("*.py") if path.parent != SOURCES / "config")
    known = {(name, key) for name, model in MODELS.items() for key in model.model_fields}
    assert sorted(known - read) == []


def test_a_key_that_nothing_reads_would_be_found() -> None:
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
    """Each model of a configuration and its key that the sources read from something known to be that model."""
    found: set[tuple[str, str]] = set()
    for source in sources:
        reads = _Reads()
        reads.visit(ast.parse(source))
        found |= reads.found
    return found


class _Reads(ast.NodeVisitor):
    """Follows what is annotated as a model of a configuration, and what is assigned from it, by name."""

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
            both = isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple)
            pairs = zip(target.elts, node.value.elts, strict=False) if both else [(target, node.value)]
            for place, value in pairs:
                self._note(ast.unparse(place), self._model_of(value))

    def visit_Attribute(self, node: ast.Attribute) -> None:
        model = self._model_of(node.value)
        if model is not None and isinstance(node.ctx, ast.Load) and node.attr in MODELS[model].model_fields:
            self.found.add((model, node.attr))
        self.generic_visit(node)

    def _note(self, name: str, model: str | None) -> None:
        if model is not None:
            of_the_class = name.startswith("self.") and len(self._scopes) > 2
            self._scopes[-2 if of_the_class else -1][name] = model

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
    """The model that an annotation names, the whole configuration first where it names several."""
    named = [node.id for node in ast.walk(annotation) if isinstance(node, ast.Name)] if annotation is not None else []
    return next((name for name in MODELS if name in named), None)
