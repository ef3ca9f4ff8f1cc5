"""Which keys of the configuration may change when a run resumes."""

from __future__ import annotations

from pathlib import Path

import pytest

from seizurekit.config import Config
from seizurekit.errors import CheckpointError
from seizurekit.evaluation.detector_file import Origin
from seizurekit.signal.chain import Chain
from seizurekit.training.run.compatibility import CHANGES_ON_RESUME, check_compatible, may_change
from seizurekit.training.run.progress import Progress
from seizurekit.training.run.state import StateHeader, TrainingState
from tiny import tiny_config

ORIGIN = Origin({"train": "0", "dev": "1"}, {"seizurekit": "1", "torch": "2"})


def test_these_keys_may_change_on_resume() -> None:
    assert {
        "name",
        "cache.dir",
        "cache.local_dir",
        "cache.local_dir_gb",
        "loader.kind",
        "loader.batch_size",
        "loader.prefetch",
        "loader.on_error",
        "loader.num_workers",
        "loader.pin_memory",
        "loader.persistent_workers",
        "loader.prefetch_factor",
        "loader.timeout_s",
        "model.require_kernels",
        "training.accumulate",
        "training.device",
        "training.compile",
        "training.activation_checkpointing",
        "training.deterministic",
        "training.stop_after_nonfinite",
        "training.epochs",
        "training.max_steps",
        "validation.patience",
        "checkpoints",
        "telemetry",
        "wandb",
    } == CHANGES_ON_RESUME


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("name", True),
        ("names", False),
        ("training.epochs", True),
        ("training.epochs_more", False),
        ("checkpoints.keep", True),
        ("training.lr", False),
        ("training", False),
        ("loader.balanced", False),
    ],
)
def test_keys_match_exactly_or_by_section(key: str, expected: bool) -> None:
    assert may_change(key) is expected


def state(config: Config) -> TrainingState:
    header = StateHeader(
        config=config.model_dump(mode="json"),
        chain=Chain().hash,
        stores=ORIGIN.stores,
        versions=ORIGIN.versions,
        git=None,
        progress=Progress(),
    )
    return TrainingState(Path("run/step-1.safetensors"), {}, header)


def test_accepted_changes_are_listed_with_both_values() -> None:
    config = tiny_config(checkpoints={"keep": 5}, loader={"batch_size": 2})
    origin = Origin(ORIGIN.stores, {"seizurekit": "1", "torch": "3"})
    assert check_compatible(state(tiny_config()), config, origin) == [
        "resuming with a changed setting: checkpoints.keep was 2 in the state, now 5",
        "resuming with a changed setting: loader.batch_size was 4 in the state, now 2",
        "resuming with a changed setting: torch was '2' in the state, now '3'",
    ]


def test_refused_changes_are_all_named() -> None:
    config = tiny_config(training={"lr": 0.5, "epochs": 9}, loader={"balanced": False})
    with pytest.raises(CheckpointError) as error:
        check_compatible(state(tiny_config()), config, ORIGIN)
    message = str(error.value)
    assert "run/step-1.safetensors: cannot resume with another configuration: loader.balanced was True" in message
    assert "training.lr was 0.002 in the state, now 0.5" in message
    assert "epochs" not in message


def test_other_data_is_refused() -> None:
    origin = Origin({"train": "0", "dev": "9"}, ORIGIN.versions)
    with pytest.raises(CheckpointError, match=r"trained on other data: stores\.dev was '1' in the state, now '9'"):
        check_compatible(state(tiny_config()), tiny_config(), origin)
