"""The bounded queue between the loop and a sink that may be slow."""

from __future__ import annotations

import logging
from collections import deque
from threading import Condition, Thread
from typing import Any

from facewire_edge.errors import OutputError
from facewire_edge.publish import Sink

log = logging.getLogger(__name__)

QUEUE_SIZE = 64  # messages: two seconds of a camera at 30 a second
DRAIN_S = 0.5  # granted at the end to send what waits: the process must be gone within a second


class Queued:
    """Hand messages to a sink in a thread of its own; when the queue is full the oldest message gives way.

    What the sink refuses (:class:`OutputError`: a full disk) is counted as dropped and tried again with the next
    message; any other error (a closed pipe) is raised in the loop.
    """

    def __init__(self, sink: Sink, name: str, size: int = QUEUE_SIZE, drain_s: float = DRAIN_S) -> None:
        self.name = name
        self.dropped = 0
        self._sink, self._size, self._drain_s = sink, size, drain_s
        self._waiting: deque[dict[str, Any]] = deque()
        self._changed = Condition()
        self._stopping = False
        self._error: BaseException | None = None
        self._failing = False
        self._thread = Thread(target=self._work, name=f"sink {name}", daemon=True)
        self._thread.start()

    def publish(self, message: dict[str, Any]) -> None:
        """Queue one message; raise what ended the sink's thread."""
        with self._changed:
            if self._error is not None:
                raise self._error
            if len(self._waiting) == self._size:
                self._waiting.popleft()
                self.dropped += 1
            self._waiting.append(message)
            self._changed.notify()

    def close(self) -> None:
        """Send what waits, as far as the sink takes it in time, and close the sink; raise what ended its thread."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        self._thread.join(self._drain_s)
        if self._thread.is_alive():  # its reader sleeps: a daemon thread does not hold the process up
            log.warning("%s takes nothing: %d messages are left unsent", self.name, len(self._waiting) + self.dropped)
            return
        if self.dropped and self._error is None:
            log.warning("%s has missed %d messages", self.name, self.dropped)
        self._sink.close()
        if self._error is not None:
            error, self._error = self._error, None
            raise error

    def _work(self) -> None:
        try:
            while (message := self._next()) is not None:
                self._send(message)
        except Exception as error:  # raised again in the loop's own thread
            self._error = error

    def _next(self) -> dict[str, Any] | None:
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._stopping)
            return self._waiting.popleft() if self._waiting else None

    def _send(self, message: dict[str, Any]) -> None:
        try:
            self._sink.publish(message)
        except OutputError as error:
            self.dropped += 1
            if not self._failing:
                log.warning("%s; the loop goes on and tries again with each message", error)
            self._failing = True
        else:
            if self._failing:
                log.info("%s takes messages again; %d are lost", self.name, self.dropped)
            self._failing = False
