"""Configurations: what is taken, what is refused, and in which words."""

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


def test_what_a_file_leaves_out_has_its_default(config: Path) -> None:
    loaded = load_config(config)
    assert (loaded.cache.dir, loaded.cache.window, loaded.seed) == ("store", 60.0, 0)


def test_torchs_loader_has_four_workers_that_stay_unless_told(config: Path) -> None:
    loader = load_config(config, ["loader.kind=torch"]).loader
    assert (loader.num_workers, loader.prefetch_factor, loader.timeout_s) == (4, 2, 120.0)
    assert loader.pin_memory
    assert loader.persistent_workers


def test_no_workers_go_with_any_other_setting_of_theirs(config: Path) -> None:
    assert load_config(config, ["loader.kind=torch", "loader.num_workers=0"]).loader.persistent_workers


def test_an_override_replaces_the_files_value_and_is_yaml(config: Path) -> None:
    loaded = load_config(config, ["training.lr=1e-3", "model.widths=[8, 16, 32]", "detection.threshold=null", "name=b"])
    assert loaded.training.lr == 0.001
    assert loaded.model.widths == (8, 16, 32)
    assert loaded.detection.threshold is None
    assert loaded.name == "b"


@pytest.mark.parametrize("taps", [1, 5, -3])
def test_taps_that_there_is_no_kernel_for_become_4_with_one_warning(config: Path, taps: int) -> None:
    with pytest.warns(UserWarning, match=f"model.d_conv: found {taps}, wanted 2, 3 or 4") as said:
        assert load_config(config, [f"model.d_conv={taps}"]).model.d_conv == 4
    assert len(said) == 1


def test_the_last_of_several_overrides_of_a_key_counts(config: Path) -> None:
    assert load_config(config, ["seed=1", "seed=2"]).seed == 2


def test_a_configuration_cannot_be_changed(config: Path) -> None:
    with pytest.raises(ValidationError, match="frozen"):
        load_config(config).training.lr = 1.0  # type: ignore[misc]


@pytest.mark.parametrize(
    ("key", "right"),
    [
        ("trainig.lr", "did you mean training?"),
        ("training.lrr", "did you mean training.lr?"),
        ("lr", "did you mean training.lr?"),
        ("loader.batchsize", "did you mean loader.batch_size?"),
        ("cache.windows", "did you mean cache.window?"),
        ("model.frobnicate", "known are size, widths, blocks, layers"),
    ],
)
def test_an_unknown_key_is_answered_with_the_nearest_right_one(config: Path, key: str, right: str) -> None:
    said = message(config, f"{key}=1")
    assert f"unknown key {key.partition('.')[0] if 'trainig' in key else key}" in said
    assert right in said
    assert f"override {key}=1" in said


def test_an_unknown_key_is_placed_in_its_file_and_line(config: Path) -> None:
    config.write_text(SMALLEST + "loader:\n  batch_size: 2\n  workers: 1\n")
    assert message(config) == f"{config}: line 5: unknown key loader.workers; did you mean loader.num_workers?"


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("training.lr=-1", ("training.lr", "-1", "greater than 0")),
        ("training.lr=.nan", ("training.lr", "nan", "finite")),
        ("training.lr='1'", ("training.lr", "'1'", "number")),
        ("training.epochs=0", ("training.epochs", "0", "greater than or equal to 1")),
        ("training.epochs=2.5", ("training.epochs", "2.5", "integer")),
        ("training.epochs=true", ("training.epochs", "True", "integer")),
        ("training.device=tpu", ("training.device", "tpu")),
        ("model.size=huge", ("model.size", "huge", "tiny")),
        ("model.widths=[8]", ("model.widths.1", "wanted a value")),
        ("model.widths=[8, 0, 8]", ("model.widths.1", "0")),
        ("cache.dir=null", ("cache.dir", "None", "string")),
        ("cache=3", ("cache", "3", "section")),
        ("cache.stride=61", ("cache.stride", "61", "at most cache.window 60")),
        ("name=../a", ("name", "../a")),
        ("detection.threshold=1.0", ("detection.threshold", "1.0", "less than 1")),
        ("cache.local_dir_gb=0", ("cache.local_dir_gb", "0", "greater than 0")),
        ("loader.kind=processes", ("loader.kind", "processes", "threads")),
        ("loader.prefetch=0", ("loader.prefetch", "0")),
        ("loader.prefetch_factor=0", ("loader.prefetch_factor", "0")),
        ("loader.timeout_s=0", ("loader.timeout_s", "0", "greater than 0")),
        ("loader.timeout_s=.inf", ("loader.timeout_s", "inf")),
        ("loader.num_workers=-1", ("loader.num_workers", "-1")),
        ("loader={kind: torch, shuffle: block}", ("loader.shuffle", "block", "kind torch", "wanted window")),
        ("loader={kind: torch, on_error: skip}", ("loader.on_error", "skip", "kind torch", "wanted raise")),
        ("name.x=1", ("name is no section",)),
        ("seed", ("'seed'", "section.key=value")),
        ("=1", ("section.key=value",)),
        ("seed=[", ("'['", "YAML")),
    ],
)
def test_an_impossible_value_is_one_line_with_key_found_and_wanted(
    config: Path, override: str, words: tuple[str, ...]
) -> None:
    said = message(config, override)
    for word in words:
        assert word in said


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ("found nothing", "cache")),
        ("- 1\n", ("found list", "mapping")),
        ("a: [\n", ("not YAML", "line")),
        ("name: a\nname: b\n", ("line 2", "name stands twice")),
        ("\tname: a\n", ("line 1", "not YAML")),
        ("name: a\n", ("cache: found nothing",)),
        ("? [a, b]\n: 1\n", ("not YAML",)),
        ("name: 2020-13-45\n", ("not YAML", "month")),
        ("name: !!python/object/apply:os.getcwd []\n", ("not YAML",)),
    ],
)
def test_a_file_that_is_no_configuration_is_named_in_one_line(config: Path, text: str, words: tuple[str, ...]) -> None:
    config.write_text(text)
    said = message(config)
    assert str(config) in said
    for word in words:
        assert word in said


def test_bytes_that_are_no_text_are_refused(config: Path) -> None:
    config.write_bytes(b"name: \xff\xfe")
    assert "UTF-8" in message(config)


def test_a_file_that_is_not_there_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        load_config(tmp_path / "nothing.yaml")


@given(text=st.text(max_size=200))
def test_any_text_is_a_configuration_or_an_error_of_one_line(
    text: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_text(text, encoding="utf-8", errors="surrogateescape")
    with pytest.raises(ConfigError, match=r"any\.yaml"):
        load_config(path)
