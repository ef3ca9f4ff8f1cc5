"""Ways to load a batch. Each returns float32 [B, 19, T] for window indices."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray

import seizurekit as sk
from bench.corpus import Corpus
from bench.loader.webdataset import iterate_batches, write_tars
from seizurekit.cache.layout import NOT_STORED, SIGNAL, shard_name
from seizurekit.cache.windows import Windows
from seizurekit.storage.folder import Span

Batch = Callable[[NDArray[np.int64]], Any]
"""Loads the windows of these indices. A loader that is iterated over ignores them and returns its next batch."""


class Contenders:
    """Prepares the contenders for one store; `skipped` has those that cannot run here, with the reason.

    Args:
        location: folder or URL of the store.
        corpus: the generated corpus; None for the user's own store.
        batch_size: windows per batch.
        threads: that each contender may use.
    """

    def __init__(self, location: str, corpus: Corpus | None, batch_size: int, threads: int) -> None:
        self.location, self._corpus, self._threads = location, corpus, threads
        self.windows: Windows = sk.open_cache(location).windows()
        self._shape = (batch_size, 19, self.windows.length)
        self.skipped: dict[str, str] = {}
        self._open_iterators: list[Iterator[Any]] = []

    def close(self) -> None:
        """Stops the loaders that are still running."""
        for iterator in self._open_iterators:
            iterator.close()  # type: ignore[attr-defined]

    def all(self) -> dict[str, Callable[[], Batch]]:
        """Functions that prepare a contender, by name."""
        is_local = "://" not in self.location
        makers: dict[str, Callable[[], Batch]] = {
            "seizurekit reader": self._reader,
            "seizurekit WindowLoader": self._window_loader,
        }
        if not is_local:
            makers["seizurekit WindowLoader, block shuffle"] = partial(self._window_loader, "block")
            makers["ranged reads through obstore alone"] = self._ranges
        makers["torch DataLoader, 0 workers"] = partial(self._torch_loader, 0)
        makers["torch DataLoader, 2 workers"] = partial(self._torch_loader, 2)
        makers["zarr-python"] = self._zarr
        if importlib.util.find_spec("tensorstore") is None:
            self.skipped["TensorStore"] = "not installed"
        else:
            makers["TensorStore"] = self._tensorstore
        if is_local and importlib.util.find_spec("zarrs") is not None:
            makers["zarr-python with zarrs"] = self._zarrs
        else:
            self.skipped["zarr-python with zarrs"] = "not installed" if is_local else "local files only"
        if self._corpus is not None and is_local:
            makers["float32 memmap"] = partial(self._memmap, self._corpus)
            makers["NPZ files (the old way)"] = partial(self._npz, self._corpus)
            if importlib.util.find_spec("webdataset") is None:
                self.skipped["WebDataset"] = "not installed"
            else:
                makers["WebDataset, in its own order"] = partial(self._webdataset, self._corpus)
        for name in ("litdata", "streaming"):
            is_installed = importlib.util.find_spec(name) is not None
            self.skipped[name] = "reads its own format in its own order" if is_installed else "not installed"
        return makers

    def _reader(self) -> Batch:
        x = np.empty(self._shape, np.float32)
        y = np.empty(self._shape[::2], np.uint8)

        def load(indices: NDArray[np.int64]) -> NDArray[np.float32]:
            failed = self.windows.fill(indices, x, y, self._threads)
            if failed:
                raise RuntimeError(str(failed[0]))
            return x

        return load

    def _window_loader(self, shuffle: str = "window") -> Batch:
        is_remote = "://" in self.location
        loader = sk.WindowLoader(
            self.windows,
            self._shape[0],
            balanced=False,
            threads=None if is_remote else self._threads,
            prefetch=8 if is_remote else 4,
            shuffle=shuffle,  # type: ignore[arg-type]
            drop_last=True,
        )
        return self._iterate_endlessly(loader)

    def _iterate_endlessly(self, loader: Any) -> Batch:
        def batches() -> Iterator[Any]:
            while True:
                yield from loader

        iterator = batches()
        self._open_iterators.append(iterator)
        return lambda indices: next(iterator)[0]

    def _torch_loader(self, workers: int) -> Batch:
        from torch.utils.data import DataLoader

        dataset = sk.EEGWindowDataset(self.location)
        loader: Any = DataLoader(
            dataset,
            self._shape[0],
            shuffle=True,
            drop_last=True,
            num_workers=workers,
            multiprocessing_context="spawn" if workers else None,
            persistent_workers=workers > 0,
        )
        return self._iterate_endlessly(loader)

    def _open_zarr(self) -> Any:
        import zarr

        if "://" not in self.location:
            return zarr.open_array(f"{self.location}/train/{SIGNAL}", mode="r")
        import obstore

        endpoint = os.environ.get("AWS_ENDPOINT_URL", "")
        options = {"client_options": {"allow_http": endpoint.startswith("http://")}}
        store: Any = obstore.store.from_url(f"{self.location}/train/{SIGNAL}", **options)  # type: ignore[call-overload]
        return zarr.open_array(zarr.storage.ObjectStore(store, read_only=True), mode="r")

    def _read_slices(self, array: Any) -> Batch:
        x = np.empty(self._shape, np.float32)
        step = np.float32(self.windows.cache.step)

        def load(indices: NDArray[np.int64]) -> NDArray[np.float32]:
            for row, first in enumerate(self.windows.first_samples(indices).tolist()):
                np.multiply(array[:, first : first + self.windows.length], step, out=x[row])
            return x

        return load

    def _zarr(self) -> Batch:
        return self._read_slices(self._open_zarr())

    def _zarrs(self) -> Batch:
        import zarr
        import zarrs  # noqa: F401

        settings = {"codec_pipeline.path": "zarrs.ZarrsCodecPipeline", "threading.max_workers": self._threads}
        with zarr.config.set(settings):
            return self._read_slices(self._open_zarr())

    def _tensorstore(self) -> Batch:
        import tensorstore

        context = {
            "data_copy_concurrency": {"limit": self._threads},
            "file_io_concurrency": {"limit": self._threads},
            "cache_pool": {"total_bytes_limit": 0},
        }
        spec = {"driver": "zarr3", "kvstore": self._tensorstore_kvstore(), "context": context}
        array = tensorstore.open(spec, read=True).result()
        x = np.empty(self._shape, np.float32)
        step = np.float32(self.windows.cache.step)

        def load(indices: NDArray[np.int64]) -> NDArray[np.float32]:
            firsts = self.windows.first_samples(indices).tolist()
            parts = [array[:, first : first + self.windows.length].read() for first in firsts]
            for row, part in enumerate(parts):
                np.multiply(part.result(), step, out=x[row])
            return x

        return load

    def _tensorstore_kvstore(self) -> dict[str, Any]:
        if "://" not in self.location:
            return {"driver": "file", "path": f"{self.location}/train/{SIGNAL}/"}
        url = urlsplit(self.location)
        kvstore = {
            "driver": "s3",
            "bucket": url.netloc,
            "path": f"{url.path.lstrip('/')}/train/{SIGNAL}/",
            "aws_region": os.environ.get("AWS_REGION", "us-east-1"),
        }
        if os.environ.get("AWS_ENDPOINT_URL"):
            kvstore["endpoint"] = os.environ["AWS_ENDPOINT_URL"]
        return kvstore

    def _memmap(self, corpus: Corpus) -> Batch:
        samples = self.windows.cache.recordings["samples"]
        arrays = [
            np.memmap(corpus.memmap / f"{i}.f32", np.float32, "r", shape=(19, int(count)))
            for i, count in enumerate(samples)
        ]
        x = np.empty(self._shape, np.float32)

        def load(indices: NDArray[np.int64]) -> NDArray[np.float32]:
            for row, index in enumerate(indices.tolist()):
                start = int(self.windows.start[index])
                x[row] = arrays[int(self.windows.recording[index])][:, start : start + self.windows.length]
            return x

        return load

    def _npz(self, corpus: Corpus) -> Batch:
        x = np.empty(self._shape, np.float32)
        first_of = np.searchsorted(self.windows.recording, np.arange(len(self.windows.cache.usable)))

        def load(indices: NDArray[np.int64]) -> NDArray[np.float32]:
            for row, index in enumerate(indices.tolist()):
                recording = int(self.windows.recording[index])
                with np.load(corpus.npz / f"{recording}_windows.npz") as arrays:
                    x[row] = arrays["windows"][index - int(first_of[recording])]
            return x

        return load

    def _webdataset(self, corpus: Corpus) -> Batch:
        tars = write_tars(self.windows, corpus.store.parent / "webdataset")
        return self._iterate_endlessly(iterate_batches(tars, self._shape[0]))

    def _ranges(self) -> Batch:
        """Lower bound: reads the bytes that a batch needs, one range per window, and decodes nothing."""
        cache = self.windows.cache
        index = cache.shard_indexes()

        def load(indices: NDArray[np.int64]) -> Any:
            spans = []
            for first in self.windows.first_samples(indices).tolist():
                chunks = range(first // cache.chunk, -(-(first + self.windows.length) // cache.chunk))
                shard, begin = divmod(chunks[0], index.shape[1])
                rows = index[shard, begin : begin + len(chunks)]
                rows = rows[rows[:, 0] != NOT_STORED]
                spans.append(Span(shard_name(shard), int(rows[0, 0]), int(rows[-1].sum())))
            return cache.folder.read_spans(spans)

        return load
