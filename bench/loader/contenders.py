"""The ways to load a batch that `bench.loader` measures. Each gives float32 [B, 19, T] for window numbers."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray

import seizurekit as sk
from bench.corpus import Corpus
from seizurekit.cache.layout import SIGNAL
from seizurekit.cache.windows import Windows

Batch = Callable[[NDArray[np.int64]], Any]
"""Loads windows of those numbers. One that is iterated over takes what comes next."""


class Contenders:
    """Makes the contenders of one place; what cannot run here is in `skipped`, with the reason.

    Args:
        place: of the store: a folder or a URL.
        corpus: the generated one, or None for a store at a URL of the user's.
        batch_size: windows.
        threads: that each may use.
    """

    def __init__(self, place: str, corpus: Corpus | None, batch_size: int, threads: int) -> None:
        self.place, self._corpus, self._threads = place, corpus, threads
        self.windows: Windows = sk.open_cache(place).windows()
        self._shape = (batch_size, 19, self.windows.length)
        self.skipped: dict[str, str] = {}
        self._ends: list[Callable[[], None]] = []

    def close(self) -> None:
        """Ends what is still running."""
        for end in self._ends:
            end()

    def all(self) -> dict[str, Callable[[], Batch]]:
        """Makers of the contenders, by name."""
        local = "://" not in self.place
        makers: dict[str, Callable[[], Batch]] = {
            "seizurekit reader": self._reader,
            "seizurekit WindowLoader": self._loader,
        }
        if not local:
            makers["seizurekit WindowLoader, block shuffle"] = self._block_loader
            makers["ranged reads through obstore alone"] = self._ranges
        makers["torch DataLoader, 0 workers"] = lambda: self._torch(0)
        makers["torch DataLoader, 2 workers"] = lambda: self._torch(2)
        makers["zarr-python"] = self._zarr
        if importlib.util.find_spec("tensorstore") is None:
            self.skipped["TensorStore"] = "not installed"
        else:
            makers["TensorStore"] = self._tensorstore
        if local and importlib.util.find_spec("zarrs") is not None:
            makers["zarr-python with zarrs"] = self._zarrs
        else:
            self.skipped["zarr-python with zarrs"] = "not installed" if local else "reads local files here"
        if self._corpus is not None and local:
            makers["float32 memmap"] = self._memmap
            makers["NPZ files (the old way)"] = self._npz
            if importlib.util.find_spec("webdataset") is None:
                self.skipped["WebDataset"] = "not installed"
            else:
                makers["WebDataset, in its own order"] = self._webdataset
        for name in ("litdata", "streaming"):
            there = importlib.util.find_spec(name) is not None
            self.skipped[name] = "reads in its own order from its own format" if there else "not installed"
        return makers

    def _reader(self) -> Batch:
        x = np.empty(self._shape, np.float32)
        y = np.empty(self._shape[::2], np.uint8)

        def batch(numbers: NDArray[np.int64]) -> NDArray[np.float32]:
            failed = self.windows.fill(numbers, x, y, self._threads)
            if failed:
                raise RuntimeError(str(failed[0]))
            return x

        return batch

    def _loader(self, shuffle: str = "window") -> Batch:
        remote = "://" in self.place
        loader = sk.WindowLoader(
            self.windows,
            self._shape[0],
            balanced=False,
            threads=None if remote else self._threads,
            prefetch=8 if remote else 4,
            shuffle=shuffle,  # type: ignore[arg-type]
            drop_last=True,
        )
        return self._endless(loader)

    def _block_loader(self) -> Batch:
        return self._loader("block")

    def _endless(self, loader: Any) -> Batch:
        def batches() -> Iterator[Any]:
            while True:
                yield from loader

        iterator = batches()
        self._ends.append(iterator.close)  # type: ignore[attr-defined]
        return lambda numbers: next(iterator)[0]

    def _torch(self, workers: int) -> Batch:
        from torch.utils.data import DataLoader

        dataset = sk.EEGWindowDataset(self.place)
        loader: Any = DataLoader(
            dataset,
            self._shape[0],
            shuffle=True,
            drop_last=True,
            num_workers=workers,
            multiprocessing_context="spawn" if workers else None,
            persistent_workers=workers > 0,
        )
        return self._endless(loader)

    def _zarr_array(self) -> Any:
        import zarr

        if "://" not in self.place:
            return zarr.open_array(f"{self.place}/train/{SIGNAL}", mode="r")
        import obstore

        endpoint = os.environ.get("AWS_ENDPOINT_URL", "")
        options = {"client_options": {"allow_http": endpoint.startswith("http://")}}
        store: Any = obstore.store.from_url(f"{self.place}/train/{SIGNAL}", **options)  # type: ignore[call-overload]
        return zarr.open_array(zarr.storage.ObjectStore(store, read_only=True), mode="r")

    def _by_slices(self, array: Any) -> Batch:
        x = np.empty(self._shape, np.float32)
        step = np.float32(self.windows.cache.step)

        def batch(numbers: NDArray[np.int64]) -> NDArray[np.float32]:
            for row, first in enumerate(self.windows.first_samples(numbers).tolist()):
                np.multiply(array[:, first : first + self.windows.length], step, out=x[row])
            return x

        return batch

    def _zarr(self) -> Batch:
        return self._by_slices(self._zarr_array())

    def _zarrs(self) -> Batch:
        import zarr
        import zarrs  # noqa: F401

        path = {"codec_pipeline.path": "zarrs.ZarrsCodecPipeline", "threading.max_workers": self._threads}
        with zarr.config.set(path):
            return self._by_slices(self._zarr_array())

    def _tensorstore(self) -> Batch:
        import tensorstore

        context = {
            "data_copy_concurrency": {"limit": self._threads},
            "file_io_concurrency": {"limit": self._threads},
            "cache_pool": {"total_bytes_limit": 0},
        }
        if "://" in self.place:
            url = urlsplit(self.place)
            kvstore: dict[str, Any] = {
                "driver": "s3",
                "bucket": url.netloc,
                "path": f"{url.path.lstrip('/')}/train/{SIGNAL}/",
                "aws_region": os.environ.get("AWS_REGION", "us-east-1"),
            }
            if os.environ.get("AWS_ENDPOINT_URL"):
                kvstore["endpoint"] = os.environ["AWS_ENDPOINT_URL"]
        else:
            kvstore = {"driver": "file", "path": f"{self.place}/train/{SIGNAL}/"}
        spec = {"driver": "zarr3", "kvstore": kvstore, "context": context}
        array = tensorstore.open(spec, read=True).result()
        x = np.empty(self._shape, np.float32)
        step = np.float32(self.windows.cache.step)

        def batch(numbers: NDArray[np.int64]) -> NDArray[np.float32]:
            firsts = self.windows.first_samples(numbers).tolist()
            parts = [array[:, first : first + self.windows.length].read() for first in firsts]
            for row, part in enumerate(parts):
                np.multiply(part.result(), step, out=x[row])
            return x

        return batch

    def _memmap(self) -> Batch:
        if self._corpus is None:
            raise RuntimeError("no corpus")
        samples = self.windows.cache.recordings["samples"]
        arrays = [
            np.memmap(self._corpus.memmap / f"{i}.f32", np.float32, "r", shape=(19, int(count)))
            for i, count in enumerate(samples)
        ]
        x = np.empty(self._shape, np.float32)

        def batch(numbers: NDArray[np.int64]) -> NDArray[np.float32]:
            for row, number in enumerate(numbers.tolist()):
                start = int(self.windows.start[number])
                x[row] = arrays[int(self.windows.recording[number])][:, start : start + self.windows.length]
            return x

        return batch

    def _npz(self) -> Batch:
        if self._corpus is None:
            raise RuntimeError("no corpus")
        folder = self._corpus.npz
        x = np.empty(self._shape, np.float32)
        first_of = np.searchsorted(self.windows.recording, np.arange(len(self.windows.cache.usable)))

        def batch(numbers: NDArray[np.int64]) -> NDArray[np.float32]:
            for row, number in enumerate(numbers.tolist()):
                recording = int(self.windows.recording[number])
                with np.load(folder / f"{recording}_windows.npz") as arrays:
                    x[row] = arrays["windows"][number - int(first_of[recording])]
            return x

        return batch

    def _webdataset(self) -> Batch:
        from bench.loader.webdataset import batches_of, write_tars

        if self._corpus is None:
            raise RuntimeError("no corpus")
        tars = write_tars(self.windows, self._corpus.store.parent / "webdataset")
        return self._endless(batches_of(tars, self._shape[0]))

    def _ranges(self) -> Batch:
        """The floor: the bytes that a batch needs, one range a window, and nothing done with them."""
        from seizurekit.cache.layout import NOWHERE, shard_name
        from seizurekit.storage.folder import Span

        cache = self.windows.cache
        index = cache.shard_indexes()

        def batch(numbers: NDArray[np.int64]) -> Any:
            spans = []
            for first in self.windows.first_samples(numbers).tolist():
                chunks = range(first // cache.chunk, -(-(first + self.windows.length) // cache.chunk))
                shard, begin = divmod(chunks[0], index.shape[1])
                rows = index[shard, begin : begin + len(chunks)]
                rows = rows[rows[:, 0] != NOWHERE]
                spans.append(Span(shard_name(shard), int(rows[0, 0]), int(rows[-1].sum())))
            return cache.folder.read_spans(spans)

        return batch
