"""The data of a training run: the windows of ``train``, the recordings of ``dev``, and the loader."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from seizurekit import settings
from seizurekit.cache.manifest import read_manifest
from seizurekit.cache.store import Cache, open_cache
from seizurekit.config import Config
from seizurekit.errors import CacheError, ConfigError
from seizurekit.loading.dataset import BalancedSeizureDataset, EEGWindowDataset
from seizurekit.loading.loader import WindowLoader
from seizurekit.loading.protocol import Loader
from seizurekit.loading.torch_loader import TorchLoader
from seizurekit.loading.window_set import FULL_PER_PARTIAL, NONE_PER_PARTIAL, WindowSet
from seizurekit.recordings.corpus import check_patients
from seizurekit.signal.chain import Chain
from seizurekit.training.loss import positive_weight
from seizurekit.training.ranks import Ranks


@dataclass(frozen=True)
class TrainingData:
    """The data of a run.

    Attributes:
        dataset: the windows of ``train``: the balanced set, or every window.
        dev: the store of ``dev``.
        pos_weight: weight of a seizure sample in the loss.
    """

    dataset: EEGWindowDataset
    dev: Cache
    pos_weight: float

    @property
    def train(self) -> WindowSet:
        """The windows of `dataset`."""
        return self.dataset.window_set

    @property
    def stores(self) -> dict[str, str]:
        """The fingerprint of the store of each split, with the number of recordings in use if that is limited."""
        limit = settings.limit_files()
        suffix = "" if limit is None else f", the first {limit} recordings"
        return {"train": f"{self.train.cache.fingerprint}{suffix}", "dev": self.dev.fingerprint}

    def describe(self, config: Config) -> list[str]:
        """Lines for the log about the windows of the run and their sampling."""
        manifest = read_manifest(self.train.cache)
        limit = settings.limit_files()
        limited = "" if limit is None else f" (only the first {limit} recordings: BGB_LIMIT_FILES)"
        sampling = (
            f"balanced set: every partly-seizure window, {FULL_PER_PARTIAL} times as many all-seizure windows, "
            f"{NONE_PER_PARTIAL} times as many background windows"
            if config.loader.balanced
            else "every window of the split"
        )
        return [
            f"{config.cache.dir}: train: {manifest.hours:.1f} h, {manifest.seizures} seizures{limited}",
            f"{config.name}: {len(self.train)} of {len(self.train.windows)} windows of {config.cache.window:g} s, "
            f"{100 * self.train.seizure_ratio:.1f} % seizure; weight of a seizure sample {self.pos_weight:.3f}",
            f"sampling: {sampling}; each window once per epoch, in random order; dev is scored completely",
        ]


def open_data(config: Config) -> TrainingData:
    """Opens the splits ``train`` and ``dev`` and checks them.

    Raises:
        CacheError: a store is missing, was built with another chain, or has no seizures.
        CorpusError: a patient is in both splits.
    """
    cache, chain = config.cache, Chain()
    options: dict[str, Any] = {"chain": chain, "local_dir": cache.local_dir, "local_dir_gb": cache.local_dir_gb}
    dev = open_cache(cache.dir, split="dev", **options)
    options |= {"window": cache.window, "stride": cache.stride, "limit_recordings": settings.limit_files()}
    dataset = (
        BalancedSeizureDataset(cache.dir, seed=config.seed, **options)
        if config.loader.balanced
        else EEGWindowDataset(cache.dir, **options)
    )
    check_patients({"train": dataset.windows.cache.recordings["patient"], "dev": dev.recordings["patient"]})
    if len(dev.events["start"]) == 0:
        raise CacheError(f"{cache.dir}: split dev has no seizures, expected some to choose the best epoch by")
    return TrainingData(dataset, dev, config.training.pos_weight or positive_weight(dataset.seizure_ratio))


def make_loader(data: TrainingData, config: Config, device: torch.device, ranks: Ranks) -> Loader:
    """The loader of this rank's batches (x float32 [B, 19, T], y uint8 [B, T]).

    Raises:
        ConfigError: batches of one window cannot be divided evenly among several ranks.
    """
    loader = config.loader
    if ranks.world > 1 and loader.batch_size == 1:
        raise ConfigError(f"loader.batch_size is 1, expected 2 or more with {ranks.world} processes")
    options: dict[str, Any] = {"rank": ranks.rank, "world_size": ranks.world}
    if loader.kind == "torch":
        return TorchLoader(
            data.dataset,
            loader.batch_size,
            config.seed,
            **options,
            num_workers=loader.num_workers,
            pin_memory=loader.pin_memory and device.type == "cuda",
            persistent_workers=loader.persistent_workers,
            prefetch_factor=loader.prefetch_factor,
            timeout_s=loader.timeout_s,
        )
    return WindowLoader(
        data.train,
        loader.batch_size,
        config.seed,
        **options,
        prefetch=loader.prefetch,
        shuffle=loader.shuffle,
        on_error=loader.on_error,
        device=device if device.type == "cuda" else None,
    )
