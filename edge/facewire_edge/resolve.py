"""Find the socket address of a host."""

from __future__ import annotations

import socket
from ipaddress import ip_address
from typing import Any

Found = tuple[socket.AddressFamily, socket.SocketKind, int, str, Any]


def resolve(host: str, port: int, kind: socket.SocketKind) -> tuple[socket.AddressFamily, int, Any]:
    """Give family, protocol and place: the one that the system puts first, of this machine's own the IPv4 one.

    ``localhost`` is ::1 first on most systems, while most programs listen on 127.0.0.1 or 0.0.0.0 alone.

    Raises:
        OSError: nobody knows the host.
        UnicodeError: it cannot be a host's name.

    """
    found: list[Found] = list(socket.getaddrinfo(host, port, type=kind))
    if all(_is_loopback(info) for info in found):
        found.sort(key=lambda info: info[0] != socket.AF_INET)
    family, _, protocol, _, place = found[0]
    return family, protocol, place


def _is_loopback(info: Found) -> bool:
    return ip_address(info[4][0].partition("%")[0]).is_loopback  # fe80::1%eth0
