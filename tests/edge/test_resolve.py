"""Which of a host's addresses is taken."""

import socket

import pytest
from facewire_edge.resolve import resolve


@pytest.mark.parametrize(
    ("addresses", "taken"),
    [
        (["::1", "127.0.0.1"], "127.0.0.1"),  # localhost: most programs listen there alone
        (["::1"], "::1"),
        (["2001:db8::7", "192.0.2.7"], "2001:db8::7"),  # as the system says that it can be reached
        (["192.0.2.7", "2001:db8::7"], "192.0.2.7"),
        (["fe80::1%eth0", "127.0.0.1"], "fe80::1%eth0"),
    ],
)
def test_address_is_the_systems_first_but_ipv4_of_this_machine(
    addresses: list[str], taken: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def known(host: str, port: int, **_: object) -> list[object]:
        families = [socket.AF_INET6 if ":" in address else socket.AF_INET for address in addresses]
        kind = socket.SOCK_DGRAM
        return [(family, kind, 17, "", (a, port)) for family, a in zip(families, addresses, strict=True)]

    monkeypatch.setattr(socket, "getaddrinfo", known)
    family, protocol, place = resolve("a.host", 9, socket.SOCK_DGRAM)
    assert (family == socket.AF_INET6, protocol, place) == (":" in taken, 17, (taken, 9))
