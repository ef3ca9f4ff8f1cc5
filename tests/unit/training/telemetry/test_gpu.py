"""Utilization and memory of the GPU, where there is one."""

from __future__ import annotations

import threading

import pytest
import torch
from bench.gpu import gpu_utilisation

from seizurekit.training.telemetry.gpu import GpuMeter
from seizurekit.training.telemetry.records import GpuLoad


class FakeCuda:
    """A GPU that is half busy and has 12 of its 16 GB in use."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.sampled = threading.Event()
        self.index: int | None = None
        self.error: Exception | None = None
        monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda index: (int(4e9), int(16e9)))
        monkeypatch.setattr(torch.cuda, "utilization", self.utilization)

    def utilization(self, index: int) -> int:
        self.index = index
        try:
            if self.error:
                raise self.error
            return 50
        finally:
            self.sampled.set()


@pytest.fixture
def cuda(monkeypatch: pytest.MonkeyPatch) -> FakeCuda:
    return FakeCuda(monkeypatch)


def test_the_load_is_the_mean_since_it_was_last_read(cuda: FakeCuda) -> None:
    with GpuMeter.of(torch.device("cuda:1"), every_s=0.001) as meter:
        while not meter.utilization:
            assert cuda.sampled.wait(10)
        assert meter.load() == GpuLoad(50.0, 12.0)
    assert cuda.index == 1
    meter.utilization.clear()
    assert meter.load() == GpuLoad(None, 12.0)
    assert not meter._thread.is_alive()


def test_the_benchmarks_get_every_sample(cuda: FakeCuda) -> None:
    with gpu_utilisation() as percents:
        assert cuda.sampled.wait(10)
    assert set(percents) == {50.0}


@pytest.mark.parametrize("error", [ModuleNotFoundError("nvidia-ml-py"), RuntimeError("driver"), OSError("MIG")])
def test_without_nvml_there_is_memory_and_no_utilization(cuda: FakeCuda, error: Exception) -> None:
    cuda.error = error
    with GpuMeter(0) as meter:
        assert cuda.sampled.wait(10)
    assert meter.load() == GpuLoad(None, 12.0)


def test_training_on_the_cpu_has_no_load(cuda: FakeCuda) -> None:
    with GpuMeter.of(torch.device("cpu")) as meter:
        assert meter.load() is None
    assert cuda.index is None


def test_without_cuda_there_is_no_load() -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    with GpuMeter(0) as meter:
        assert meter.load() is None
