"""The device of a run."""

from __future__ import annotations

import pytest

from seizurekit.errors import ConfigError
from seizurekit.models.device import pick_device


def test_a_device_that_this_machine_does_not_have_is_rejected() -> None:
    assert pick_device("cpu", "training.device").type == "cpu"
    with pytest.raises(ConfigError, match=r"training\.device is cuda:77, which"):
        pick_device("cuda:77", "training.device")
