"""Send datagrams to one address without ever waiting."""

from __future__ import annotations

import logging
import socket

from facewire_edge.addresses import Address
from facewire_edge.errors import OutputError
from facewire_edge.resolve import resolve

log = logging.getLogger(__name__)


class Datagrams:
    """Send datagrams; the socket's buffer is their queue, what it does not take is counted and forgotten."""

    def __init__(self, address: Address) -> None:
        self.lost = 0
        self._name = str(address)
        try:
            family, protocol, self._place = resolve(address.host, address.port, socket.SOCK_DGRAM)
        except (OSError, UnicodeError) as error:
            raise OutputError(f"{address}: unknown address ({error}); check the name") from error
        try:
            self._socket = socket.socket(family, socket.SOCK_DGRAM, protocol)
        except OSError as error:
            raise OutputError(f"{address}: this system has no such network ({error}); take another address") from error
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
