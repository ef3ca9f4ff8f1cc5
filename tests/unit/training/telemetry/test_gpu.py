"""The GPU's load, as its driver tells it, where there is one."""

from __future__ import annotations

import sys
import threading
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from bench.gpu import gpu_utilisation

from seizurekit.training.telemetry.gpu import GpuMeter
from seizurekit.training.telemetry.records import GpuLoad


class Nvml:
    """A driver of one GPU that is half busy."""

    class NVMLError(Exception):
        pass

    def __init__(self, missing: str = "") -> None:
        self.missing = missing
        self.asked = threading.Event()
        self.shut_down = 0

    def __getattr__(self, name: str) -> Any:
        def answer(*_: object) -> Any:
            if name == self.missing:
                raise Nvml.NVMLError(name)
            if name == "nvmlDeviceGetUtilizationRates":
                self.asked.set()
                return SimpleNamespace(gpu=50)
            if name == "nvmlShutdown":
                self.shut_down += 1
            return SimpleNamespace(used=12e9)

        return answer


def with_driver(monkeypatch: pytest.MonkeyPatch, missing: str = "") -> Nvml:
    nvml = Nvml(missing)
    monkeypatch.setitem(sys.modules, "pynvml", nvml)
    return nvml


def test_the_load_is_what_was_sampled_since_it_was_last_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    nvml = with_driver(monkeypatch)
    with GpuMeter(0, every_s=0.001) as meter:
        assert nvml.asked.wait(10)
        while not meter.utilisation:
            pass
        assert meter.load() == GpuLoad(50.0, 12.0)
    meter.utilisation.clear()
    assert meter.load() == GpuLoad(None, 12.0)
    assert nvml.shut_down == 1


def test_the_benchmarks_are_given_every_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    nvml = with_driver(monkeypatch)
    with gpu_utilisation() as percents:
        assert nvml.asked.wait(10)
    assert set(percents) == {50.0}


def test_a_part_of_a_gpu_has_memory_and_no_utilisation(monkeypatch: pytest.MonkeyPatch) -> None:
    with_driver(monkeypatch, missing="nvmlDeviceGetUtilizationRates")
    with GpuMeter(0) as meter:
        while meter._memory_gb is None:
            pass
        assert meter.load() == GpuLoad(None, 12.0)


@pytest.mark.parametrize("missing", ["the package", "nvmlInit", "nvmlDeviceGetHandleByIndex"])
@pytest.mark.parametrize("on_gpu", [False, True])
def test_without_the_driver_the_memory_is_what_torch_holds(
    monkeypatch: pytest.MonkeyPatch, missing: str, on_gpu: bool
) -> None:
    if missing == "the package":
        monkeypatch.setitem(sys.modules, "pynvml", None)
    else:
        with_driver(monkeypatch, missing)
    with GpuMeter(0) as meter:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: on_gpu)
        monkeypatch.setattr(torch.cuda, "memory_reserved", lambda index: 3e9)
        assert meter.load() == (GpuLoad(None, 3.0) if on_gpu else None)


def test_training_on_the_cpu_has_no_load(monkeypatch: pytest.MonkeyPatch) -> None:
    with_driver(monkeypatch)
    with GpuMeter.of(torch.device("cpu")) as meter:
        assert meter.load() is None


def test_the_gpu_is_found_by_what_torch_knows_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    nvml = with_driver(monkeypatch)
    found: list[str] = []
    nvml.nvmlDeviceGetHandleByUUID = found.append
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda index: SimpleNamespace(uuid=f"abc-{index}"))
    with GpuMeter.of(torch.device("cuda:1")):
        pass
    assert found == ["GPU-abc-1"]
