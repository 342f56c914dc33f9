"""Send datagrams to one address without ever waiting."""

from __future__ import annotations

import logging
import socket
from typing import Any

from facewire_edge.addresses import Address
from facewire_edge.errors import OutputError

log = logging.getLogger(__name__)


class Datagrams:
    """Send datagrams; the socket's buffer is their queue, what it does not take is counted and forgotten."""

    def __init__(self, address: Address) -> None:
        self.lost = 0
        self._name = str(address)
        try:
            found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_DGRAM)[0]
        except (OSError, UnicodeError) as error:
            raise OutputError(f"{address}: unknown address ({error}); check the name") from error
        family, kind, protocol, _, place = found
        self._place: tuple[Any, ...] = place
        self._socket = socket.socket(family, kind, protocol)
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)

    def send(self, datagram: bytes) -> None:
        """Send one; say that one is lost for the first, not for thirty a second."""
        try:
            self._socket.sendto(datagram, self._place)
        except OSError as error:  # a full buffer, an unreachable host: the next frame is more useful than this one
            self.lost += 1
            if self.lost == 1:
                log.warning("%s: a datagram is lost: %s", self._name, error.strerror or error)

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()
