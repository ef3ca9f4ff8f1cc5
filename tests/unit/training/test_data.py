"""The data of a run: which windows it uses, and how they are identified."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
import torch

from seizurekit.config import Config
from seizurekit.loading import dataset, window_set
from seizurekit.training.data import make_loader, open_data
from seizurekit.training.loss import positive_weight
from seizurekit.training.ranks import Ranks


def config(store: Path, **loader: Any) -> Config:
    return Config.model_validate(
        {"name": "tiny", "cache": {"dir": str(store), "window": 20.0}, "loader": loader, "seed": 5}
    )


def test_another_number_of_recordings_is_other_data(small_store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BGB_LIMIT_FILES", raising=False)
    whole = open_data(config(small_store))
    monkeypatch.setenv("BGB_LIMIT_FILES", "2")
    part = open_data(config(small_store))
    assert len(part.train) < len(whole.train)
    assert part.stores["dev"] == whole.stores["dev"]
    assert "first 2 recordings" in part.stores["train"]
    monkeypatch.delenv("BGB_LIMIT_FILES")
    assert open_data(config(small_store)).stores == whole.stores


@pytest.mark.parametrize("balanced", [True, False])
@pytest.mark.parametrize("kind", ["threads", "torch"])
def test_the_set_is_drawn_once_and_is_what_the_weight_and_the_training_use(
    small_store: Path, kind: str, balanced: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    balanced_set = Mock(wraps=window_set.balanced_set)
    monkeypatch.setattr(dataset, "balanced_set", balanced_set)
    settings = config(small_store, kind=kind, balanced=balanced, num_workers=0, batch_size=4)
    data = open_data(settings)
    loader = make_loader(data, settings, torch.device("cpu"), Ranks())
    batches = [(loader.current, y) for _, y in loader]
    read = np.concatenate([indices for indices, _ in batches])
    np.testing.assert_array_equal(np.sort(read), data.train.indices)
    ratio = torch.cat([y for _, y in batches]).double().mean().item()
    assert data.train.seizure_ratio == pytest.approx(ratio, rel=1e-12)
    assert data.pos_weight == positive_weight(data.train.seizure_ratio)
    assert balanced_set.call_count == balanced
