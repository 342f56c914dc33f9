"""Accept connections, no more and no faster than the loop beside can bear."""

from __future__ import annotations

import asyncio
import logging
import socket
from contextlib import suppress
from functools import partial
from http import HTTPStatus
from ssl import SSLContext
from typing import cast

from aiohttp import web

from facewire_edge.limits import Bucket
from facewire_edge.routes import HEADERS

log = logging.getLogger(__name__)

ACCEPT_HZ, ACCEPT_BURST = 20.0, 40  # 0.5 ms each on a Pi, so at most 1 % of a core; several pages open at once
FIRST_REQUEST_S = 5.0  # a connection that asks for nothing is closed
CROWDED_REQUEST_S = 0.5  # the same, where others wait for its place
HANDSHAKE_S = 5.0
KEEP_ALIVE_S = 15.0
SEND_BUFFER = 64 * 1024  # bytes of a socket: a second of messages; the kernel's own choice is megabytes that grow old
BACKLOG = 64
PAUSE_S = 1.0  # after the system refused a connection: it has no descriptor left
UNREADABLE = "this is no request that can be read\n"


class Conversation(web.RequestHandler):
    """Speak with one client."""

    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = HTTPStatus.BAD_REQUEST,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Refuse what fails before our turn; aiohttp would quote it as Python shows bytes, and name its version."""
        answer = super().handle_error(request, HTTPStatus.BAD_REQUEST, exc, UNREADABLE)
        answer.headers.update(HEADERS)
        return answer


class Listener:
    """Take connections from a listening socket one by one and hand them to aiohttp."""

    def __init__(self, listening: socket.socket, limit: int, tls: SSLContext | None) -> None:
        self._listening, self._limit, self._tls = listening, limit, tls
        self._bucket = Bucket(ACCEPT_HZ, ACCEPT_BURST)
        self._opening: set[asyncio.Task[None]] = set()
        self._silent: dict[asyncio.Protocol, float] = {}  # that have asked for nothing -> since when

    def heard(self, protocol: asyncio.Protocol) -> None:
        """Note that a connection has asked for something."""
        self._silent.pop(protocol, None)

    async def run(self, server: web.Server) -> None:
        """Accept until cancelled; what is beyond the limits waits in the kernel's own queue.

        Where all places are taken, silent connections give way: they must not shut anybody out.
        """
        while True:
            while len(self._opening) + len(server.connections) >= self._limit:
                self._make_room()
                await asyncio.sleep(1 / ACCEPT_HZ)
            await asyncio.sleep(self._bucket.wait_s())
            await self._accept(server)

    async def _accept(self, server: web.Server) -> None:
        try:
            connection, _ = await asyncio.get_running_loop().sock_accept(self._listening)
        except OSError as error:
            log.warning("cannot accept a connection: %s", error.strerror or error)
            await asyncio.sleep(PAUSE_S)
            return
        self._bucket.take()
        task = asyncio.create_task(self._open(connection, server))
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)

    async def _open(self, connection: socket.socket, server: web.Server) -> None:
        """Hand a connection over, and see later whether it has asked for anything."""
        loop = asyncio.get_running_loop()
        factory = partial(Conversation, server, loop=loop, keepalive_timeout=KEEP_ALIVE_S, lingering_time=0)
        handshake_s = None if self._tls is None else HANDSHAKE_S
        with suppress(OSError, TimeoutError):  # a handshake that fails is the client's affair
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
            _, protocol = await loop.connect_accepted_socket(
                factory, connection, ssl=self._tls, ssl_handshake_timeout=handshake_s
            )
            self._silent[protocol] = loop.time()
            loop.call_later(FIRST_REQUEST_S, self._close_silent, protocol)

    def _make_room(self) -> None:
        """Close the silent connections that had the time to ask."""
        since = asyncio.get_running_loop().time() - CROWDED_REQUEST_S
        for protocol in [p for p, opened in self._silent.items() if opened <= since]:
            self._close_silent(protocol)

    def _close_silent(self, protocol: asyncio.Protocol) -> None:
        if protocol in self._silent:
            del self._silent[protocol]
            cast(web.RequestHandler, protocol).force_close()
