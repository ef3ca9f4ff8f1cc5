"""What tests of every folder use."""

from __future__ import annotations

import os
from pathlib import Path

import hypothesis
import pytest

# A slow machine is no failure: timings are never asserted.
hypothesis.settings.register_profile("seizurekit", deadline=None)
hypothesis.settings.load_profile("seizurekit")
# Before torch is first imported: tests run side by side, and the threads of one would wait for those of another.
os.environ.setdefault("OMP_NUM_THREADS", "1")

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real recordings beside the checkout; tests that need it are skipped where it is absent."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"no folder of real recordings at {SHARED_DATA}")
    return SHARED_DATA


@pytest.fixture(scope="session")
def small_corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A synthetic corpus in TUSZ's layout: patients in train, dev and eval, some minutes each."""
    from seizurekit.recordings.synthetic import write_synthetic_corpus

    folder = tmp_path_factory.mktemp("small") / "edf"
    write_synthetic_corpus(folder, seed=4, train_patients=3, dev_patients=2, eval_patients=1, minutes=4.0, workers=2)
    return folder


@pytest.fixture(scope="session")
def small_store(small_corpus: Path) -> Path:
    """The store of `small_corpus`."""
    import seizurekit as sk

    sk.build_cache(small_corpus, small_corpus.parent / "cache")
    return small_corpus.parent / "cache"
