"""Configurations: which are accepted, which are refused, and with which message."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from seizurekit.config import load_config
from seizurekit.errors import ConfigError

ROOT = Path(__file__).resolve().parents[3]
SMALLEST = "name: a\ncache: {dir: store}\n"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(SMALLEST)
    return path


def message(path: Path, *overrides: str) -> str:
    with pytest.raises(ConfigError) as error:
        load_config(path, overrides)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize("path", sorted((ROOT / "configs").glob("*.yaml")), ids=lambda path: path.name)
def test_every_shipped_configuration_loads(path: Path) -> None:
    assert load_config(path).name == path.stem


def test_a_key_that_the_file_does_not_set_has_its_default(config: Path) -> None:
    loaded = load_config(config)
    assert (loaded.cache.dir, loaded.cache.window, loaded.seed) == ("store", 60.0, 0)


def test_the_torch_loader_has_four_persistent_workers_by_default(config: Path) -> None:
    loader = load_config(config, ["loader.kind=torch"]).loader
    assert (loader.num_workers, loader.prefetch_factor, loader.timeout_s) == (4, 2, 120.0)
    assert loader.pin_memory
    assert loader.persistent_workers


def test_zero_workers_are_accepted_with_the_defaults_of_the_other_worker_keys(config: Path) -> None:
    assert load_config(config, ["loader.kind=torch", "loader.num_workers=0"]).loader.persistent_workers


def test_an_override_replaces_the_value_in_the_file_and_is_parsed_as_yaml(config: Path) -> None:
    loaded = load_config(config, ["training.lr=1e-3", "model.widths=[8, 16, 32]", "detection.threshold=null", "name=b"])
    assert loaded.training.lr == 0.001
    assert loaded.model.widths == (8, 16, 32)
    assert loaded.detection.threshold is None
    assert loaded.name == "b"


@pytest.mark.parametrize("width", [1, 5, -3])
def test_a_convolution_width_without_a_kernel_becomes_4_with_one_warning(config: Path, width: int) -> None:
    with pytest.warns(UserWarning, match=f"model.d_conv is {width}, expected 2, 3 or 4") as caught:
        assert load_config(config, [f"model.d_conv={width}"]).model.d_conv == 4
    assert len(caught) == 1


def test_the_last_of_several_overrides_of_a_key_applies(config: Path) -> None:
    assert load_config(config, ["seed=1", "seed=2"]).seed == 2


def test_a_configuration_cannot_be_changed(config: Path) -> None:
    with pytest.raises(ValidationError, match="frozen"):
        load_config(config).training.lr = 1.0


@pytest.mark.parametrize(
    ("key", "suggestion"),
    [
        ("trainig.lr", "did you mean training?"),
        ("training.lrr", "did you mean training.lr?"),
        ("lr", "did you mean training.lr?"),
        ("loader.batchsize", "did you mean loader.batch_size?"),
        ("cache.windows", "did you mean cache.window?"),
        ("model.frobnicate", "known keys are size, widths, blocks, layers"),
    ],
)
def test_an_unknown_key_gets_the_closest_known_key_as_suggestion(config: Path, key: str, suggestion: str) -> None:
    line = message(config, f"{key}=1")
    assert f"unknown key {key.partition('.')[0] if 'trainig' in key else key}" in line
    assert suggestion in line
    assert f"override {key}=1" in line


def test_an_unknown_key_is_reported_with_file_and_line(config: Path) -> None:
    config.write_text(SMALLEST + "loader:\n  batch_size: 2\n  workers: 1\n")
    assert message(config) == f"{config}: line 5: unknown key loader.workers; did you mean loader.num_workers?"


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("training.lr=-1", "training.lr is -1, expected a number above 0"),
        ("training.lr=.nan", "training.lr is nan, expected a finite number"),
        ("training.lr='1'", "training.lr is '1', expected a number"),
        ("training.epochs=0", "training.epochs is 0, expected a number of at least 1"),
        ("training.epochs=2.5", "training.epochs is 2.5, expected an integer"),
        ("training.epochs=true", "training.epochs is True, expected an integer"),
        ("training.device=tpu", "training.device is 'tpu', expected a string that matches ^(auto|cpu|"),
        ("model.size=huge", "model.size is 'huge', expected 'tiny', 'small' or 'base'"),
        ("model.widths=[8]", "model.widths.1 is missing"),
        ("model.widths=[8, 8, 8, 8]", "model.widths is [8, 8, 8, 8], expected a list of at most 3 values"),
        ("model.widths=[8, 0, 8]", "model.widths.1 is 0, expected a number of at least 1"),
        ("model.require_kernels=3", "model.require_kernels is 3, expected true or false or a list"),
        ("cache.dir=null", "cache.dir is None, expected a string"),
        ("cache=3", "cache is 3, expected a section of keys"),
        ("cache={3: 4, dir: store}", "unknown key cache.3; known keys are dir, local_dir"),
        ("cache.stride=61", "cache.stride is 61, expected at most cache.window (60)"),
        ("name=../a", "name is '../a', expected a string that matches ^[A-Za-z0-9]"),
        ("detection.threshold=1.0", "detection.threshold is 1.0, expected a number below 1"),
        ("cache.local_dir_gb=0", "cache.local_dir_gb is 0, expected a number above 0"),
        ("loader.kind=processes", "loader.kind is 'processes', expected 'threads' or 'torch'"),
        ("loader.prefetch=0", "loader.prefetch is 0, expected a number of at least 1"),
        ("loader.prefetch_factor=0", "loader.prefetch_factor is 0, expected a number of at least 1"),
        ("loader.timeout_s=0", "loader.timeout_s is 0, expected a number above 0"),
        ("loader.timeout_s=.inf", "loader.timeout_s is inf, expected a number of at most"),
        ("loader.num_workers=-1", "loader.num_workers is -1, expected a number of at least 0"),
        ("loader={kind: torch, shuffle: block}", "loader.shuffle is 'block', expected 'window' with loader.kind=torch"),
        ("loader={kind: torch, on_error: skip}", "loader.on_error is 'skip', expected 'raise' with loader.kind=torch"),
        ("name.x=1", "name is 'a', expected a section of keys"),
        ("seed", "override 'seed': expected section.key=value"),
        ("=1", "override '=1': expected section.key=value"),
        ("seed=[", "override 'seed=[': value is '[', expected YAML"),
    ],
)
def test_an_invalid_value_is_one_line_with_key_value_and_expected_value(
    config: Path, override: str, words: str
) -> None:
    line = message(config, override)
    assert words in line
    assert override in line


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ("empty", "expected the keys name, seed, cache")),
        ("- 1\n", ("content is a list", "expected a mapping")),
        ("a: [\n", ("not valid YAML", "line")),
        ("name: a\nname: b\n", ("line 2", "duplicate key name")),
        ("\tname: a\n", ("line 1", "not valid YAML")),
        ("name: a\n", ("cache is missing",)),
        ("? [a, b]\n: 1\n", ("not valid YAML",)),
        ("name: 2020-13-45\n", ("not valid YAML", "month")),
        ("name: !!python/object/apply:os.getcwd []\n", ("not valid YAML",)),
    ],
)
def test_a_file_that_is_not_a_configuration_is_one_line_with_its_name(
    config: Path, text: str, words: tuple[str, ...]
) -> None:
    config.write_text(text)
    line = message(config)
    assert str(config) in line
    for word in words:
        assert word in line


def test_bytes_that_are_not_text_are_refused(config: Path) -> None:
    config.write_bytes(b"name: \xff\xfe")
    assert "byte 6: not UTF-8" in message(config)


def test_a_missing_file_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        load_config(tmp_path / "nothing.yaml")


@given(text=st.text(max_size=200))
def test_any_text_gives_a_configuration_or_a_one_line_error(
    text: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_text(text, encoding="utf-8", errors="surrogateescape")
    with pytest.raises(ConfigError, match=r"any\.yaml"):
        load_config(path)
