"""Preprocessing: from the samples of a recording to 19 z-scored channels at 256 Hz."""
