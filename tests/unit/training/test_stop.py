"""Signals: the first is noted, the second ends the process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

import pytest

from seizurekit.training.stop import StopRequest


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_first_signal_is_noted_and_what_handled_it_before_comes_back(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with StopRequest() as stop:
        assert not stop.wanted
        os.kill(os.getpid(), number)
        assert stop.wanted
        assert stop.signal == number
    assert signal.getsignal(number) == before


def test_a_second_signal_ends_the_process() -> None:
    script = """
import os, signal, time
from seizurekit.training.stop import StopRequest
with StopRequest():
    os.kill(os.getpid(), signal.SIGTERM)
    print("noted", flush=True)
    os.kill(os.getpid(), signal.SIGTERM)
    print("still here")
"""
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (result.stdout, result.returncode) == ("noted\n", -signal.SIGTERM)


def test_in_another_thread_nothing_is_touched() -> None:
    before = signal.getsignal(signal.SIGTERM)
    wanted: list[bool] = []

    def use() -> None:
        with StopRequest() as stop:
            wanted.append(stop.wanted)

    thread = threading.Thread(target=use)
    thread.start()
    thread.join()
    assert wanted == [False]
    assert signal.getsignal(signal.SIGTERM) == before
