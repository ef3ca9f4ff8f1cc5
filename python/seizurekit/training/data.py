"""What a training runs on: the windows of ``train``, the recordings of ``dev``, and the loader, all checked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from seizurekit import settings
from seizurekit.cache.store import Cache, open_cache
from seizurekit.config import Config
from seizurekit.errors import CacheError, ConfigError
from seizurekit.loading.dataset import BalancedSeizureDataset, EEGWindowDataset
from seizurekit.loading.loader import WindowLoader
from seizurekit.loading.protocol import Loader
from seizurekit.loading.torch_loader import TorchLoader
from seizurekit.loading.window_set import WindowSet
from seizurekit.recordings.corpus import check_patients
from seizurekit.signal.chain import Chain
from seizurekit.training.loss import positive_weight
from seizurekit.training.ranks import Ranks


@dataclass(frozen=True)
class Data:
    """What a training runs on.

    Attributes:
        dataset: the windows of ``train`` that are trained on.
        dev: the store of ``dev``.
        pos_weight: weight of a seizure sample in the loss.
    """

    dataset: EEGWindowDataset
    dev: Cache
    pos_weight: float

    @property
    def train(self) -> WindowSet:
        """The windows of ``train`` that are trained on: the balanced set, or every window."""
        return self.dataset.window_set

    @property
    def stores(self) -> dict[str, str]:
        """The fingerprint of each split's store, and how much of it is trained on."""
        limit = settings.limit_files()
        few = "" if limit is None else f", the first {limit} recordings"
        return {"train": f"{self.train.cache.fingerprint}{few}", "dev": self.dev.fingerprint}

    def described(self, config: Config) -> list[str]:
        """Lines that tell what is trained on, and how it is sampled."""
        manifest = self.train.cache.manifest
        limit = settings.limit_files()
        few = "" if limit is None else f" (of the first {limit} recordings alone: BGB_LIMIT_FILES)"
        sampling = (
            "the balanced set (every partial window, 0.3 times as many full ones, 2.5 times as many without seizure)"
            if config.loader.balanced
            else "every window of the split"
        )
        return [
            f"{config.cache.dir}: train: {manifest.hours:.1f} h, {manifest.seizures} seizures{few}",
            f"{config.name}: {len(self.train)} of {len(self.train.windows)} windows of {config.cache.window:g} s, "
            f"{self.train.seizure_ratio:.1%} of them seizure, so a seizure sample weighs {self.pos_weight:.3f}",
            f"sampling: {sampling}, each once an epoch in random order; dev is scored whole",
        ]


def open_data(config: Config) -> Data:
    """Opens the splits, after everything about them that must not wait for an epoch.

    Raises:
        CacheError: no store, one of another chain, or one without seizures in ``train`` or ``dev``.
        CorpusError: a patient is in both splits.
    """
    cache, chain, limit = config.cache, Chain(), settings.limit_files()
    kept: dict[str, Any] = {"local_dir": cache.local_dir, "local_dir_gb": cache.local_dir_gb}
    dev = open_cache(cache.dir, split="dev", chain=chain, **kept)
    cut: dict[str, Any] = {"window": cache.window, "stride": cache.stride, "limit_recordings": limit}
    dataset = (
        BalancedSeizureDataset(cache.dir, chain=chain, seed=config.seed, **cut, **kept)
        if config.loader.balanced
        else EEGWindowDataset(cache.dir, chain=chain, **cut, **kept)
    )
    check_patients({"train": dataset.windows.cache.recordings["patient"], "dev": dev.recordings["patient"]})
    if len(dev.events["start"]) == 0:
        raise CacheError(f"{cache.dir}: split dev: found no seizure, wanted some to choose the best epoch by")
    return Data(dataset, dev, config.training.pos_weight or positive_weight(dataset.seizure_ratio))


def make_loader(data: Data, config: Config, device: torch.device, ranks: Ranks) -> Loader:
    """Batches (x float32 [B, 19, T], y uint8 [B, T]) of this rank.

    Raises:
        ConfigError: a batch of one window cannot be shared out evenly among several ranks.
    """
    loader = config.loader
    if ranks.world > 1 and loader.batch_size == 1:
        raise ConfigError(f"loader.batch_size: found 1 with {ranks.world} processes, wanted 2 or more")
    place: dict[str, Any] = {"rank": ranks.rank, "world_size": ranks.world}
    if loader.kind == "torch":
        return TorchLoader(
            data.dataset,
            loader.batch_size,
            config.seed,
            **place,
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
        **place,
        prefetch=loader.prefetch,
        shuffle=loader.shuffle,
        on_error=loader.on_error,
        device=device if device.type == "cuda" else None,
    )
