"""Tell the log, the readers of the messages and the service manager how the loop is."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from facewire_edge.live import Link
from facewire_edge.notify import ServiceManager

log = logging.getLogger(__name__)

HEARTBEAT_S = 10.0  # a reader that comes late learns the state within this time
BAD = ("no-camera", "degraded")


class Monitor:
    """Log, publish and notify each state once, repeat it now and then, and feed the watchdog while the loop turns."""

    def __init__(
        self,
        publish: Callable[[dict[str, Any]], None],
        manager: ServiceManager,
        weakness: Callable[[], str] = lambda: "",
    ) -> None:
        """Say nothing yet.

        Args:
            publish: takes the values of a ``status`` message.
            manager: is told when the loop is ready, how it is, and that it turns.
            weakness: gives why the loop is degraded although its camera is well; empty where nothing is amiss.

        """
        self._publish, self._manager, self._weakness = publish, manager, weakness
        self._last = Link("")
        self._due = 0.0

    def turn(self, link: Link) -> None:
        """Take the camera's state in; call it at each turn of the loop."""
        if link.state == "running" and (weakness := self._weakness()):
            link = replace(link, state="degraded", reason=weakness)
        if not link.hung:
            self._manager.alive()
        if (link.state, link.reconnects) != (self._last.state, self._last.reconnects):
            self._enter(link)
        elif time.monotonic() >= self._due:
            self._tell(link)

    def repeat(self) -> None:
        """Say the state again."""
        self._tell(self._last)

    def ready(self) -> None:
        """Say that the loop begins, with or without a camera."""
        self._manager.tell("READY=1")
        self._enter(Link("starting"))

    def stopping(self) -> None:
        """Say that the loop ends."""
        self._manager.tell("STOPPING=1")
        self._enter(replace(self._last, state="stopping", reason=""))

    def _enter(self, link: Link) -> None:
        level = logging.WARNING if link.state in BAD else logging.INFO
        log.log(level, "%s%s", link.state, _why(link))
        self._manager.tell(f"STATUS={link.state}{_why(link)}")
        self._last = link
        self._tell(link)

    def _tell(self, link: Link) -> None:
        self._due = time.monotonic() + HEARTBEAT_S
        reason = {"reason": link.reason} if link.state in BAD else {}
        counts = {"reconnects": link.reconnects, "dropped": link.dropped}
        self._publish({"state": link.state, **reason, **counts})


def _why(link: Link) -> str:
    if link.state in BAD:
        return f": {link.reason}"
    came_back = link.state == "running" and link.reconnects
    return f" again, after {link.reconnects} losses; the last: {link.reason}" if came_back else ""
