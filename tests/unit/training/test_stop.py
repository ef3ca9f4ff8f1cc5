"""Signals: the first one is a request to stop, the second one ends the process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

import pytest

from seizurekit.training.stop import StopRequest


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_first_signal_is_recorded_and_the_handler_is_restored(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with StopRequest() as stop:
        before_signal = stop.is_requested
        os.kill(os.getpid(), number)
        assert (before_signal, stop.is_requested) == (False, True)
        assert stop.signal == number
    assert signal.getsignal(number) == before


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_the_process(second: signal.Signals) -> None:
    script = f"""
import os, signal, time
from seizurekit.training.stop import StopRequest
with StopRequest():
    os.kill(os.getpid(), signal.SIGTERM)
    print("recorded", flush=True)
    os.kill(os.getpid(), {int(second)})
    print("still here")
"""
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (result.stdout, result.returncode) == ("recorded\n", -second)


def test_in_another_thread_handlers_do_not_change() -> None:
    before = signal.getsignal(signal.SIGTERM)
    requested: list[bool] = []

    def use() -> None:
        with StopRequest() as stop:
            requested.append(stop.is_requested)

    thread = threading.Thread(target=use)
    thread.start()
    thread.join()
    assert requested == [False]
    assert signal.getsignal(signal.SIGTERM) == before
