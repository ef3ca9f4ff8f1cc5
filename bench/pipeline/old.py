"""The pipeline that seizurekit replaces: one NPZ file of overlapping windows per recording."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from seizurekit.recordings.annotations import read_annotations
from seizurekit.recordings.channels import select_channels

RATE, WINDOW, STRIDE = 256, 60 * 256, 10 * 256


def write_npz(path: Path, folder: Path) -> Path:
    """Preprocesses a recording and writes windows, float32 [window, 19, 15360], and masks, uint8 [window, 15360]."""
    import mne
    from scipy import signal

    raw = mne.io.read_raw_edf(path, preload=True, verbose="error")
    indices = [index for index in select_channels(raw.ch_names).indices if index is not None]
    x = raw.get_data()[indices]
    x = signal.resample(x, int(x.shape[1] * RATE / raw.info["sfreq"]), axis=1)
    x = signal.lfilter(*signal.butter(3, [0.5, 120], "bandpass", fs=RATE), x)
    x = signal.lfilter(*signal.iirnotch(60, 30, fs=RATE), x)
    x = np.clip((x - x.mean(axis=1, keepdims=True)) / x.std(axis=1, keepdims=True), -10, 10).astype(np.float32)
    mask = np.zeros(x.shape[1], np.uint8)
    for event in read_annotations(path.with_suffix(".csv_bi")).seizures():
        mask[int(event.start * RATE) : int(event.stop * RATE)] = 1
    starts = range(0, x.shape[1] - WINDOW + 1, STRIDE)
    windows = np.stack([x[:, start : start + WINDOW] for start in starts])
    masks = np.stack([mask[start : start + WINDOW] for start in starts])
    destination = folder / f"{path.stem}_windows.npz"
    np.savez(destination, windows=windows, masks=masks)
    return destination
