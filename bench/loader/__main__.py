"""Time per batch of random windows, by seizurekit and by other loaders, from disk or object storage.

Example: ``python -m bench.loader`` and ``python -m bench.loader --source s3 --latency-ms 100 --step-ms 150``.
"""

from __future__ import annotations

import argparse
import os
import resource
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import psutil
from numpy.typing import NDArray

from bench.corpus import Corpus, make_corpus
from bench.gpu import gpu_utilisation
from bench.loader.contenders import Batch, Contenders
from bench.loader.plot import plot
from bench.loader.result import Result, reads_ahead
from bench.report import Figure, Report, add_output_options, this_machine
from bench.servers.s3 import Faults, serve_folder, set_environment

MEMCPY = "memcpy of the batch"
READER, LOADER, TENSORSTORE = "seizurekit reader", "seizurekit WindowLoader", "TensorStore"
_MAX_S = 10.0
"""Time after which no further batch of a contender is measured."""
_PACKAGES = ("seizurekit", "torch", "zarr", "zarrs", "tensorstore", "obstore", "numcodecs")
_FAULTS = ("500", "503", "cut", "delay")


def main(arguments: list[str] | None = None) -> None:
    """Runs the command line."""
    options = _parse(arguments)
    with ExitStack() as stack:
        location, corpus = _open_source(options, stack)
        contenders = Contenders(location, corpus, options.batch_size, options.threads)
        stack.callback(contenders.close)
        results = _measure_all(options, contenders, corpus)
        report = _make_report(options, contenders, results)
    report.write(options)
    if options.plot:
        plot(Path(options.plot), f"{report.title}: {_case(options)}", results, str(report.machine))


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.loader", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--source", default="local", help="local, s3 (a local server), or the URL of a store")
    parser.add_argument("--cold", action="store_true", help="drop the files from the page cache before each batch")
    parser.add_argument("--latency-ms", type=float, default=100.0, help="latency of the local server per request")
    parser.add_argument("--bandwidth-mb-s", type=float, default=0.0, help="bandwidth of the local server; 0: no limit")
    parser.add_argument("--faults", type=float, default=0.0, help="share of requests that the local server fails")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--batches", type=int, default=30)
    parser.add_argument("--hours", type=float, default=2.0, help="length of the generated corpus")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--step-ms", type=float, default=0.0, help="time that the consumer spends on a batch")
    parser.add_argument("--only", default="", help="contenders to run: names or parts of names, separated by commas")
    parser.add_argument("--data", default="build/bench/loader", help="folder of the generated corpus")
    parser.add_argument("--plot", default="", help="PNG file to write")
    add_output_options(parser)
    return parser.parse_args(arguments)


def _open_source(options: argparse.Namespace, stack: ExitStack) -> tuple[str, Corpus | None]:
    """Location of the store, and the generated corpus if it is not the user's own store."""
    if options.source not in ("local", "s3"):
        return options.source, None
    is_local = options.source == "local"
    corpus = make_corpus(Path(options.data), options.hours, with_npz=is_local and _is_selected(options, "NPZ"))
    if is_local:
        return str(corpus.store), corpus
    faults = Faults(options.faults, _FAULTS)
    server = stack.enter_context(serve_folder(corpus.store.parent, options.latency_ms, options.bandwidth_mb_s, faults))
    stack.enter_context(set_environment(server.environment))
    return server.url(corpus.store.name), corpus


def _is_selected(options: argparse.Namespace, name: str) -> bool:
    return not options.only or any(part.strip().lower() in name.lower() for part in options.only.split(","))


def _measure_all(options: argparse.Namespace, contenders: Contenders, corpus: Corpus | None) -> list[Result]:
    windows = contenders.windows
    if options.batch_size > len(windows):
        raise SystemExit(
            f"--batch-size is {options.batch_size}, expected at most {len(windows)}, all windows there are"
        )
    rng = np.random.default_rng(0)
    batches = [rng.choice(len(windows), options.batch_size, replace=False) for _ in range(options.batches)]
    expected, _ = windows.read(batches[0])
    copy = np.empty_like(expected)

    def memcpy(_: NDArray[np.int64]) -> None:
        np.copyto(copy, expected)

    before = _make_page_dropper(corpus) if options.cold and corpus is not None else lambda: None
    results = [_measure(options, MEMCPY, memcpy, batches, lambda: None)]
    for name, make in contenders.all().items():
        if not _is_selected(options, name):
            continue
        try:
            load = make()
            x = load(batches[0]) if not reads_ahead(name) else None
            if isinstance(x, np.ndarray) and not np.array_equal(x, expected):
                raise RuntimeError(f"{name} reads other values than seizurekit")
            results.append(_measure(options, name, load, batches, before))
        except (ImportError, OSError, ValueError) as error:
            contenders.skipped[name] = f"{type(error).__name__}: {error}"[:200]
    return results


def _measure(
    options: argparse.Namespace,
    name: str,
    load: Batch,
    batches: list[NDArray[np.int64]],
    before: Callable[[], None],
) -> Result:
    step_s = options.step_ms / 1000 if reads_ahead(name) else 0.0
    if reads_ahead(name):
        start = time.perf_counter()
        for _ in range(4):  # start-up, and batches that were read ahead before the first request
            if time.perf_counter() - start < _MAX_S:
                load(batches[0])
    seconds = []
    cpu_s = _cpu_seconds()
    with gpu_utilisation() as percents:
        for indices in batches:
            before()
            time.sleep(step_s)
            start = time.perf_counter()
            load(indices)
            seconds.append(time.perf_counter() - start)
            if sum(seconds) > _MAX_S:
                break
    cpu_s = (_cpu_seconds() - cpu_s) / len(seconds)
    waiting = sum(seconds) / (sum(seconds) + step_s * len(seconds)) if step_s else None
    return Result(name, tuple(seconds), cpu_s, _rss_mb(), waiting, float(np.mean(percents)) if percents else None)


def _cpu_seconds() -> float:
    children = [child.cpu_times() for child in psutil.Process().children(recursive=True) if child.is_running()]
    return time.process_time() + float(sum(each.user + each.system for each in children))


def _rss_mb() -> float:
    process = psutil.Process()
    return float(sum(each.memory_info().rss for each in (process, *process.children(recursive=True)))) / 1e6


def _make_page_dropper(corpus: Corpus) -> Callable[[], None]:
    """A call that drops the corpus's files from the page cache."""
    files = [path for folder in (corpus.store, corpus.memmap, corpus.npz) for path in folder.rglob("*")]
    files = [path for path in files if path.is_file()]

    def drop() -> None:
        for path in files:
            file = os.open(path, os.O_RDONLY)
            os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(file)

    return drop


def _case(options: argparse.Namespace) -> str:
    source = options.source
    if source == "local":
        source = "local disk, page cache dropped" if options.cold else "warm local disk"
    elif source == "s3":
        bandwidth = f", {options.bandwidth_mb_s:g} MB/s" if options.bandwidth_mb_s else ""
        source = f"local S3 server, {options.latency_ms:g} ms per request{bandwidth}, {options.faults:.0%} faults"
    step = f", one every {options.step_ms:g} ms" if options.step_ms else ""
    return f"{options.batch_size} windows of 60 s, {source}, {options.threads} threads{step}"


def _figures(case: str, results: list[Result], *, is_local: bool) -> list[Figure]:
    seconds = {result.name: result.typical for result in results}
    figures = []
    for ours in (READER, LOADER):
        if ours in seconds:
            if is_local:
                figures.append(Figure(case, f"{ours} / memcpy", seconds[ours] / seconds[MEMCPY], target="at most 2"))
            if TENSORSTORE in seconds and (is_local or ours == READER):
                ratio = seconds[TENSORSTORE] / seconds[ours]
                figures.append(Figure(case, f"{TENSORSTORE} / {ours}", ratio, target="at least 1.5"))
    return figures


def _make_report(options: argparse.Namespace, contenders: Contenders, results: list[Result]) -> Report:
    case = _case(options)
    batch_mb = options.batch_size * 19 * contenders.windows.length * 4 / 1e6
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    measurements = [each for result in results for each in result.measurements(case, options.batch_size, batch_mb)]
    return Report(
        name="loader",
        title="a batch of random windows",
        measurements=tuple(measurements),
        figures=(
            *_figures(case, results, is_local=options.source == "local"),
            Figure(case, "peak memory of this process", peak_mb, "MB"),
        ),
        machine=this_machine(_PACKAGES),
        skipped=contenders.skipped,
        parameters=vars(options),
    )


if __name__ == "__main__":
    main()
