"""The queue before a slow sink."""

import logging
import time
from collections.abc import Callable
from contextlib import closing
from threading import Event
from typing import Any

import pytest
from facewire_edge.errors import OutputError
from facewire_edge.queued import Queued

PATIENCE_S = 5.0


class Gate:
    """Be a sink that takes a message whenever it is let, or refuses it."""

    def __init__(self) -> None:
        self.open, self.entered = Event(), Event()
        self.taken: list[int] = []
        self.error: Exception | None = None
        self.closed = False

    def publish(self, message: dict[str, Any]) -> None:
        self.entered.set()
        self.open.wait(PATIENCE_S)
        if self.error is not None:
            raise self.error
        self.taken.append(message["n"])

    def close(self) -> None:
        self.closed = True


def wait_until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.001)


def test_sink_that_sleeps_costs_the_oldest_messages_and_no_time(caplog: pytest.LogCaptureFixture) -> None:
    gate = Gate()
    with closing(Queued(gate, "gate", size=3)) as queued:
        queued.publish({"n": 0})
        assert gate.entered.wait(PATIENCE_S)
        for n in range(1, 11):
            queued.publish({"n": n})  # would hang here if it waited
        assert queued.dropped == 7
        gate.open.set()
    assert gate.taken == [0, 8, 9, 10]
    assert "gate has missed 7 messages" in caplog.text
    assert gate.closed


def test_end_does_not_wait_for_a_sink_that_sleeps(caplog: pytest.LogCaptureFixture) -> None:
    gate = Gate()
    queued = Queued(gate, "gate", drain_s=0.01)
    for n in range(3):
        queued.publish({"n": n})
    queued.close()
    assert "gate takes nothing" in caplog.text
    assert not gate.closed  # its thread still uses it
    gate.open.set()


def test_refused_messages_are_counted_and_said_once_and_the_sink_recovers(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    gate = Gate()
    gate.open.set()
    gate.error = OutputError("disk is full")
    with closing(Queued(gate, "gate")) as queued:
        for n in range(3):
            queued.publish({"n": n})
        wait_until(lambda: queued.dropped == 3)
        gate.error = None
        queued.publish({"n": 3})
        wait_until(lambda: gate.taken == [3])
    assert caplog.text.count("disk is full") == 1
    assert "takes messages again; 3 are lost" in caplog.text


def test_closed_pipe_is_raised_in_the_loop() -> None:
    gate = Gate()
    gate.open.set()
    gate.error = BrokenPipeError()
    queued = Queued(gate, "gate")
    queued.publish({"n": 0})

    def raised() -> bool:
        try:
            queued.publish({"n": 1})
        except BrokenPipeError:
            return True
        return False

    wait_until(raised)
    with pytest.raises(BrokenPipeError):
        queued.close()
