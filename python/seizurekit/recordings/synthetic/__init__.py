"""A synthetic EEG corpus in TUSZ's layout for the demo and for tests, generated from a seed."""

from __future__ import annotations

from seizurekit.recordings.synthetic.corpus import SplitSummary as SplitSummary
from seizurekit.recordings.synthetic.corpus import write_synthetic_corpus as write_synthetic_corpus

__all__ = ["SplitSummary", "write_synthetic_corpus"]
