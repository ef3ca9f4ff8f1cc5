"""Runs a function on several ranks: processes connected by gloo, as torchrun starts them, on the CPU."""

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
"""Time limit for ranks that wait for one another."""


def run_on_ranks(world: int, function: Callable[..., Any], *args: Any) -> list[Any]:
    """The results of ``function(ranks, *args)`` on each rank.

    The function must be at the top level of its file; arguments and results must be picklable.
    """
    # A server imports torch once and forks the ranks; it has no other threads, so a fork is safe.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["pytest", "torch._dynamo", "seizurekit.training.loop"])
    with tempfile.TemporaryDirectory() as folder:
        # By file, since pytest's names of test modules cannot be imported elsewhere.
        source = (function.__code__.co_filename, function.__name__)
        processes = [context.Process(target=_run, args=(source, args, rank, world, folder)) for rank in range(world)]
        for process in processes:
            process.start()
        for process in processes:
            process.join(SECONDS)
        codes = [process.exitcode for process in processes]
        for process in processes:
            process.kill()
        if codes != [0] * world:
            raise AssertionError(f"exit codes of the ranks are {codes}, expected 0; None means that the rank hangs")
        return [pickle.loads((Path(folder) / str(rank)).read_bytes()) for rank in range(world)]


def _run(source: tuple[str, str], args: tuple[Any, ...], rank: int, world: int, folder: str) -> None:
    import torch
    from torch import distributed

    from seizurekit.training.ranks import Ranks

    torch.set_num_threads(1)
    file, name = source
    spec = importlib.util.spec_from_file_location("module_of_ranks", file)
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
