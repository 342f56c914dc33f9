"""Talk to systemd: datagrams to the socket that it names. Source: sd_notify(3), sd_watchdog_enabled(3)."""

from __future__ import annotations

import logging
import os
import socket
import time

log = logging.getLogger(__name__)

FEEDS = 3  # in the time after which the watchdog bites


class ServiceManager:
    """Tell the service manager what it waits for; without one, nothing happens."""

    def __init__(self, address: str = "", watchdog_s: float = 0.0) -> None:
        """Connect.

        Args:
            address: of the manager's socket; a leading ``@`` stands for the abstract name space.
            watchdog_s: silence after which the manager ends the process; 0 for never.

        """
        self._address = address
        self._interval_s = watchdog_s / FEEDS
        self._fed: float | None = None
        self._failed = False
        self._socket: socket.socket | None = None
        if address:
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
            self._socket.setblocking(False)

    def tell(self, *assignments: str) -> None:
        """Send assignments such as ``READY=1``."""
        if self._socket is None:
            return
        address = "\0" + self._address[1:] if self._address[0] == "@" else self._address
        try:
            self._socket.sendto("\n".join(assignments).encode(), address)
        except OSError as error:  # a full or closed socket: the loop is worth more than the notice
            if not self._failed:
                log.warning("the service manager at %s does not listen: %s", self._address, error.strerror)
            self._failed = True

    def alive(self) -> None:
        """Feed the watchdog when it is due."""
        now = time.monotonic()
        if self._interval_s and (self._fed is None or now - self._fed >= self._interval_s):
            self._fed = now
            self.tell("WATCHDOG=1")

    def close(self) -> None:
        """Close the socket."""
        if self._socket is not None:
            self._socket.close()


def service_manager() -> ServiceManager:
    """Give the service manager that the environment names, if it means this process."""
    pid = os.environ.get("WATCHDOG_PID", str(os.getpid()))
    watchdog_us = int(os.environ.get("WATCHDOG_USEC", "0")) if pid == str(os.getpid()) else 0
    return ServiceManager(os.environ.get("NOTIFY_SOCKET", ""), watchdog_us / 1e6)
