"""The sink that is a small server: a page, WebSocket, server-sent events, health and metrics."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Event, Thread
from typing import Any

from aiohttp import web

from facewire_edge.access import Access, load_access
from facewire_edge.addresses import Address
from facewire_edge.config import EdgeConfig
from facewire_edge.errors import OutputError
from facewire_edge.geometry import Box
from facewire_edge.health import Health
from facewire_edge.hub import Hub
from facewire_edge.listener import BACKLOG, Listener
from facewire_edge.metrics import Metrics
from facewire_edge.preview import preview
from facewire_edge.resolve import resolve
from facewire_edge.routes import Board, application
from facewire_edge.tls import load_tls
from facewire_edge.types import Image

log = logging.getLogger(__name__)

QUEUE_SIZE = 64  # messages between the loop and the server's thread
PICTURES_HZ = 15.0  # 2 ms each on the workstation
SHUTDOWN_S = 0.5  # for answers under way; systemd and the user wait
JOIN_S = 5.0
PROTOCOL_LOGS = ("aiohttp.access", "aiohttp.server", "aiohttp.websocket")
SPARE = 8  # connections beside the readers: scrapes, health checks, pages that load


def open_sink(address: Address, config: EdgeConfig) -> WebSink:
    """Open the server.

    Raises:
        UsageError: a token or a certificate is missing or no good.
        OutputError: the address cannot be had.

    """
    access = load_access(address, config.stream.token_file)
    tls = load_tls(config.stream.tls_certificate, config.stream.tls_key)
    feed = None if config.preview is None else PreviewFeed(blurred=config.preview == "blurred")
    return WebSink(address, access, tls, config.stream.max_clients, feed, Path(config.model))


class WebSink:
    """Hand messages to the server's thread; only that thread touches a client."""

    def __init__(
        self,
        address: Address,
        access: Access,
        tls: ssl.SSLContext | None,
        max_clients: int,
        feed: PreviewFeed | None,
        model: Path | None = None,
    ) -> None:
        self.name = str(address)
        self._feed, self._tls, self._max_clients = feed, tls, max_clients
        self._inbox: deque[dict[str, Any]] = deque(maxlen=QUEUE_SIZE)
        self._lost = 0
        self._woken = Event()
        self._stop = asyncio.Event()
        self._hub, self._metrics = Hub(max_clients), Metrics()
        self._health = Health(time.monotonic())
        self._board = Board(self._hub, self._health, self._metrics, access, feed, model)
        self._listening = _listen(address)
        self.port: int = self._listening.getsockname()[1]
        self._loop = asyncio.new_event_loop()
        self._loop.set_exception_handler(_note)
        self._thread = Thread(target=self._serve, name=f"sink {address}", daemon=True)
        self._thread.start()
        log.info("serving on %s%s", self.name, " with TLS" if tls else "")

    @property
    def dropped(self) -> int:
        """Give how many messages the server's thread and slow clients have missed."""
        return self._lost + self._hub.dropped

    def publish(self, message: dict[str, Any]) -> None:
        """Lay one message into the inbox, where the oldest gives way, and wake the server once."""
        self._lost += len(self._inbox) == QUEUE_SIZE
        self._inbox.append(message)
        if not self._woken.is_set():
            self._woken.set()
            self._call(self._spread)

    def look(self, image: Image, boxes: Sequence[Box]) -> None:
        """Lay the newest picture out for the preview, if somebody waits for it."""
        if self._feed is not None and self._feed.is_wanted:
            self._call(self._feed.put, image, boxes)

    def close(self) -> None:
        """End the server.

        Raises:
            OutputError: its thread does not end.

        """
        self._call(self._stop.set)
        self._thread.join(JOIN_S)
        if self._thread.is_alive():
            raise OutputError(f"{self.name} did not end within {JOIN_S:g} s; restart the process")

    def _spread(self) -> None:
        self._woken.clear()
        while self._inbox:
            message = self._inbox.popleft()
            self._health.take(message, time.monotonic())
            self._metrics.take(message)
            self._hub.spread(message)

    def _call(self, function: Callable[..., None], *arguments: object) -> None:
        """Call in the server's thread, if it still runs."""
        with suppress(RuntimeError):  # asyncio's word for a loop that is closed
            self._loop.call_soon_threadsafe(function, *arguments)

    def _serve(self) -> None:
        try:
            with asyncio.Runner(loop_factory=lambda: self._loop) as runner, self._listening:
                runner.run(self._main())
        except Exception:  # a bug of ours must not stop the loop beside
            log.exception("%s has ended; messages to it are lost", self.name)

    async def _main(self) -> None:
        listener = Listener(self._listening, self._max_clients + SPARE, self._tls)
        app = application(self._board, listener.heard)
        runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=SHUTDOWN_S)
        _quieten()
        await runner.setup()
        assert runner.server is not None
        accepting = asyncio.create_task(listener.run(runner.server))
        await self._stop.wait()
        accepting.cancel()
        await runner.cleanup()


class PreviewFeed:
    """Make preview pictures while somebody waits for one, in a thread of its own; all wait for the same one."""

    def __init__(self, blurred: bool) -> None:
        self._blurred = blurred
        self._wanted: asyncio.Future[bytes] | None = None
        self._encoding: asyncio.Task[None] | None = None
        self._due_s = 0.0

    @property
    def is_wanted(self) -> bool:
        """Say whether a picture is waited for and due; of any thread."""
        return self._wanted is not None and self._encoding is None and time.monotonic() >= self._due_s

    async def next(self) -> bytes:
        """Wait for a new JPEG."""
        if self._wanted is None:
            self._wanted = asyncio.get_running_loop().create_future()
        return await asyncio.shield(self._wanted)

    def put(self, image: Image, boxes: Sequence[Box]) -> None:
        """Take a frame and the boxes of its faces; the server's thread calls this."""
        if self.is_wanted:
            self._due_s = time.monotonic() + 1 / PICTURES_HZ
            self._encoding = asyncio.create_task(self._encode(image, boxes))

    async def _encode(self, image: Image, boxes: Sequence[Box]) -> None:
        try:
            jpeg = await asyncio.to_thread(preview, image, boxes, self._blurred)
        except OutputError as error:
            log.warning("no preview: %s", error)
            return
        finally:
            self._encoding = None
        assert self._wanted is not None
        self._wanted.set_result(jpeg)
        self._wanted = None


def _listen(address: Address) -> socket.socket:
    try:
        family, protocol, place = resolve(address.host, address.port, socket.SOCK_STREAM)
        listening = socket.socket(family, socket.SOCK_STREAM, protocol)
        try:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind(place)
            listening.listen(BACKLOG)
        except OSError:
            listening.close()
            raise
    except (OSError, UnicodeError) as error:
        raise OutputError(f"cannot serve on {address}: {error}; choose another address or port") from error
    listening.setblocking(False)
    return listening


def _quieten() -> None:
    """Leave aiohttp's logs no more than what is our fault: whoever sends garbage must not fill the disk."""
    for name in PROTOCOL_LOGS:
        logging.getLogger(name).setLevel(logging.CRITICAL)


def _note(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log what asyncio could not hand to anybody (a broken TLS record), in one line of debugging."""
    log.debug("server: %s (%s)", context.get("message"), context.get("exception"))
