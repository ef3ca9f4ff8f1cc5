"""How long a batch of random windows takes, by this loader and by others, from disk or object storage.

Example: ``python -m bench.loader`` and ``python -m bench.loader --source s3 --latency-ms 100 --step-ms 150``.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from bench.corpus import Corpus, make_corpus
from bench.gpu import gpu_utilisation
from bench.loader.contenders import Batch, Contenders
from bench.loader.plot import plot
from bench.loader.result import Result, is_iterated
from bench.measure import this_machine
from bench.servers.local_s3 import local_s3, variables
from bench.servers.slow_proxy import Faults
from seizurekit.storage.open import open_folder

MEMCPY = "memcpy of the batch"
OURS, LOADER, TENSORSTORE = "seizurekit reader", "seizurekit WindowLoader", "TensorStore"
_BUDGET_S = 10.0
"""After so many seconds a contender has shown enough."""
_PACKAGES = ("seizurekit", "torch", "zarr", "zarrs", "tensorstore", "obstore", "numcodecs", "moto")


def main(arguments: list[str] | None = None) -> None:
    """Runs what the command line asks for."""
    options = _options(arguments)
    with ExitStack() as stack:
        place, corpus = _source(options, stack)
        contenders = Contenders(place, corpus, options.batch_size, options.threads)
        stack.callback(contenders.close)
        results = _measured(options, contenders, corpus)
        _report(options, contenders, results)
    if options.plot:
        plot(Path(options.plot), _title(options), results, str(this_machine(_PACKAGES)))


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--source", default="local", help="local, s3 (a local server), or a store's URL")
    parser.add_argument("--cold", action="store_true", help="drop the files' pages before each batch")
    parser.add_argument("--latency-ms", type=float, default=100.0, help="of each request to the local server")
    parser.add_argument("--faults", type=float, default=0.0, help="share of the requests that go wrong")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--batches", type=int, default=30)
    parser.add_argument("--hours", type=float, default=2.0, help="of the generated corpus")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--step-ms", type=float, default=0.0, help="what the consumer does with a batch")
    parser.add_argument("--only", default="", help="names of contenders, or parts of them, between commas")
    parser.add_argument("--data", default="build/bench/loader", help="where the corpus is kept")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--plot", default="", help="PNG file to write")
    return parser.parse_args(arguments)


def _source(options: argparse.Namespace, stack: ExitStack) -> tuple[str, Corpus | None]:
    if options.source not in ("local", "s3"):
        return options.source, None
    corpus = make_corpus(Path(options.data), options.hours, old=options.source == "local" and _wanted(options, "NPZ"))
    if options.source == "local":
        return str(corpus.store), corpus
    faults = Faults(share=options.faults, kinds=("500", "503", "cut", "delay"))
    s3 = stack.enter_context(local_s3(options.latency_ms, faults))
    url = s3.url("bench/store")
    with variables(s3.environment(direct=True)):
        source, target = open_folder(corpus.store), open_folder(url)
        for name in source.files():
            target.write(name, source.read(name))
    stack.enter_context(variables(s3.environment()))
    return url, corpus


def _wanted(options: argparse.Namespace, name: str) -> bool:
    return not options.only or any(part.strip().lower() in name.lower() for part in options.only.split(","))


def _measured(options: argparse.Namespace, contenders: Contenders, corpus: Corpus | None) -> list[Result]:
    windows = contenders.windows
    rng = np.random.default_rng(0)
    batches = [rng.choice(len(windows), options.batch_size, replace=False) for _ in range(options.batches)]
    reference, _ = windows.read(batches[0])
    copy = np.empty_like(reference)

    def memcpy(_numbers: NDArray[np.int64]) -> None:
        np.copyto(copy, reference)

    before = _dropper(corpus) if options.cold and corpus is not None else lambda: None
    results = [_timed(options, MEMCPY, memcpy, batches, lambda: None)]
    for name, make in contenders.all().items():
        if not _wanted(options, name):
            continue
        try:
            load = make()
            found = load(batches[0]) if not is_iterated(name) else None
            if isinstance(found, np.ndarray) and not np.array_equal(found, reference):
                raise RuntimeError(f"{name} read other values than seizurekit")
            results.append(_timed(options, name, load, batches, before))
        except (ImportError, OSError, ValueError) as error:
            contenders.skipped[name] = f"{type(error).__name__}: {error}"[:200]
    return results


def _timed(
    options: argparse.Namespace,
    name: str,
    load: Batch,
    batches: list[NDArray[np.int64]],
    before: Callable[[], None],
) -> Result:
    step = options.step_ms / 1000 if is_iterated(name) else 0.0
    if is_iterated(name):
        began = time.perf_counter()
        for _ in range(4):  # start-up, and what was read ahead while nobody asked
            if time.perf_counter() - began < _BUDGET_S:
                load(batches[0])
    seconds = []
    cpu = time.process_time() + _children_s()
    with gpu_utilisation() as percents:
        for numbers in batches:
            before()
            time.sleep(step)
            began = time.perf_counter()
            load(numbers)
            seconds.append(time.perf_counter() - began)
            if sum(seconds) > _BUDGET_S:
                break
    cpu = (time.process_time() + _children_s() - cpu) / len(seconds)
    waited = sum(seconds) / (sum(seconds) + step * len(seconds)) if step else None
    return Result(name, tuple(seconds), cpu, _rss_mb(), waited, float(np.mean(percents)) if percents else None)


def _children_s() -> float:
    import psutil

    times = [child.cpu_times() for child in psutil.Process().children(recursive=True) if child.is_running()]
    return float(sum(each.user + each.system for each in times))


def _rss_mb() -> float:
    import psutil

    process = psutil.Process()
    return float(sum(each.memory_info().rss for each in (process, *process.children(recursive=True)))) / 1e6


def _dropper(corpus: Corpus) -> Callable[[], None]:
    files = [path for folder in (corpus.store, corpus.memmap, corpus.npz) for path in folder.rglob("*")]
    files = [path for path in files if path.is_file()]

    def drop() -> None:
        for path in files:
            file = os.open(path, os.O_RDONLY)
            os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(file)

    return drop


def _title(options: argparse.Namespace) -> str:
    where = {"local": "local disk, pages dropped" if options.cold else "warm local disk"}.get(options.source)
    if options.source == "s3":
        where = f"local S3 server, {options.latency_ms:g} ms a request, {options.faults:.0%} faults"
    step = f", asked for every {options.step_ms:g} ms" if options.step_ms else ""
    return (
        f"a batch of {options.batch_size} windows of 60 s, {where or options.source}, {options.threads} threads{step}"
    )


def _ratios(results: list[Result], *, local: bool) -> dict[str, tuple[float, str]]:
    by_name = {result.name: result.typical for result in results}
    ratios = {}
    for ours in (OURS, LOADER):
        if ours in by_name:
            if local:
                ratios[f"{ours} / memcpy"] = (by_name[ours] / by_name[MEMCPY], "<= 2 when warm")
            if TENSORSTORE in by_name and (local or ours == OURS):
                ratios[f"TensorStore / {ours}"] = (by_name[TENSORSTORE] / by_name[ours], ">= 1.5")
    return ratios


def _report(options: argparse.Namespace, contenders: Contenders, results: list[Result]) -> None:
    machine = this_machine(_PACKAGES)
    ratios = _ratios(results, local=options.source == "local")
    batch_mb = options.batch_size * 19 * contenders.windows.length * 4 / 1e6
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    if options.json:
        found: dict[str, Any] = {
            "title": _title(options),
            "options": vars(options),
            "results": [
                asdict(result) | {"mean": result.mean, "p50": result.at(0.5), "p95": result.at(0.95)}
                for result in results
            ],
            "ratios": {name: value for name, (value, _) in ratios.items()},
            "skipped": contenders.skipped,
            "peak_mb": peak_mb,
            "machine": asdict(machine),
        }
        sys.stdout.write(json.dumps(found, indent=2) + "\n")
        return
    table = Table(title=_title(options), title_justify="left", title_style="bold")
    table.add_column("contender", no_wrap=True)
    headings = ["p50 ms", "p95 ms", "max ms", "mean ms", "windows/s", "MB/s", "of memcpy", "CPU ms", "RSS MB", "GPU %"]
    for heading in headings + (["waits"] if options.step_ms else []):
        table.add_column(heading, justify="right")
    for result in results:
        p50 = result.at(0.5)
        cells = [f"{value * 1e3:.1f}" for value in (p50, result.at(0.95), result.at(1), result.mean)]
        mean = result.mean
        cells += [f"{options.batch_size / mean:.0f}", f"{batch_mb / mean:.0f}", f"{results[0].at(0.5) / mean:.1%}"]
        cells += [f"{result.cpu_s * 1e3:.1f}", f"{result.rss_mb:.0f}"]
        cells.append("-" if result.gpu_percent is None else f"{result.gpu_percent:.0f}")
        if options.step_ms:
            cells.append("-" if result.waited_share is None else f"{result.waited_share:.1%}")
        table.add_row(result.name, *cells)
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 170)
    console.print(table)
    for name, (value, aim) in ratios.items():
        console.print(f"{name}: {value:.2f}, aim {aim}")
    for name, reason in contenders.skipped.items():
        console.print(f"skipped: {name} ({reason})")
    console.print(f"peak memory of this process: {peak_mb:.0f} MB", soft_wrap=True)
    console.print(str(machine), soft_wrap=True)


if __name__ == "__main__":
    main()
