"""What tests of every folder use."""

from __future__ import annotations

from pathlib import Path

import hypothesis
import pytest

# A slow machine is no failure: timings are never asserted.
hypothesis.settings.register_profile("seizurekit", deadline=None)
hypothesis.settings.load_profile("seizurekit")

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real recordings beside the checkout; tests that need it are skipped where it is absent."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"no folder of real recordings at {SHARED_DATA}")
    return SHARED_DATA
