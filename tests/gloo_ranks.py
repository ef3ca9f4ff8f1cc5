"""Runs a function in several processes that can talk to one another, as torchrun would start them, on the CPU."""

from __future__ import annotations

import importlib.util
import multiprocessing
import pickle
import sys
import tempfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

SECONDS = 120
"""After which ranks that still wait for one another are a failure."""


def on_ranks(world: int, function: Callable[..., Any], *args: Any) -> list[Any]:
    """What `function(ranks, *args)` gives on each rank; it stands at a file's top level, and all can be pickled."""
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        # By its file: the names that pytest gives to test modules are not to be imported elsewhere.
        place = (function.__code__.co_filename, function.__name__)
        started = [context.Process(target=_run, args=(place, args, rank, world, folder)) for rank in range(world)]
        for process in started:
            process.start()
        for process in started:
            process.join(SECONDS)
        codes = [process.exitcode for process in started]
        for process in started:
            process.kill()
        if codes != [0] * world:
            raise AssertionError(f"exit codes of the ranks: found {codes}, wanted 0; None is one that hangs")
        return [pickle.loads((Path(folder) / str(rank)).read_bytes()) for rank in range(world)]


def _run(place: tuple[str, str], args: tuple[Any, ...], rank: int, world: int, folder: str) -> None:
    import torch
    from torch import distributed

    from seizurekit.training.ranks import Ranks

    torch.set_num_threads(1)
    file, name = place
    spec = importlib.util.spec_from_file_location("of_the_ranks", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    distributed.init_process_group(
        "gloo", f"file://{folder}/rendezvous", timedelta(seconds=SECONDS // 2), world_size=world, rank=rank
    )
    result = getattr(module, name)(Ranks(rank, world, rank), *args)
    (Path(folder) / str(rank)).write_bytes(pickle.dumps(result))
    distributed.barrier()
    distributed.destroy_process_group()
