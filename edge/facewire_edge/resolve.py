"""Find the socket address of a host."""

from __future__ import annotations

import socket
from typing import Any


def resolve(host: str, port: int, kind: socket.SocketKind) -> tuple[socket.AddressFamily, int, Any]:
    """Give family, protocol and place; of a name that has both, the IPv4 one: whoever listens there is found.

    ``localhost`` is ::1 first on most systems, while most programs listen on 127.0.0.1 or 0.0.0.0 alone.

    Raises:
        OSError: nobody knows the host.
        UnicodeError: it cannot be a host's name.

    """
    found = sorted(socket.getaddrinfo(host, port, type=kind), key=lambda info: info[0] != socket.AF_INET)
    family, _, protocol, _, place = found[0]
    return family, protocol, place
