"""The device of a run."""

from __future__ import annotations

import pytest

from seizurekit.errors import ConfigError
from seizurekit.models.device import pick_device


def test_a_missing_device_is_refused() -> None:
    assert pick_device("cpu", "training.device").type == "cpu"
    with pytest.raises(ConfigError, match=r"training\.device: .*cuda:77"):
        pick_device("cuda:77", "training.device")
