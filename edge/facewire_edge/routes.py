"""What the server ws:// answers: the page, the streams, health and metrics."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote

from aiohttp import WSMsgType, web
from aiohttp.typedefs import Handler, Middleware
from yarl import URL

from facewire_edge.access import Access, is_same_origin
from facewire_edge.card import read_card
from facewire_edge.errors import ModelError
from facewire_edge.health import Health
from facewire_edge.hub import Hub, Mailbox
from facewire_edge.limits import Bucket
from facewire_edge.metrics import Metrics
from facewire_edge.schema import SCHEMAS, LandmarkSchema

log = logging.getLogger(__name__)

COOKIE = "facewire_token"
OPEN_PATHS = frozenset({"/healthz", "/readyz"})  # they say ok or not, and no more
REQUESTS_HZ, REQUESTS_BURST = 50.0, 100  # of all clients together; a page needs 5 to open
FAULTS_HZ, FAULTS_BURST = 1 / 60, 5  # tracebacks in the log
HEARD_HZ, HEARD_BURST = 2.0, 20  # messages from one WebSocket client: we read none, some clients send pings
MAX_HEARD_BYTES = 1024
SEND_S = 10.0  # a client that takes nothing for so long is gone
HEARTBEAT_S = 20.0
BOUNDARY = "frame"
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
    "connect-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "Server": "facewire",
    "X-Content-Type-Options": "nosniff",
}


class Pictures(Protocol):
    """Give preview pictures; see :class:`facewire_edge.web.PreviewFeed`."""

    async def next(self) -> bytes:
        """Wait for a new JPEG."""


@dataclass(slots=True, eq=False)
class Board:
    """Hold what the answers are made of."""

    hub: Hub
    health: Health
    metrics: Metrics
    access: Access
    pictures: Pictures | None = None  # None: no picture leaves the board
    model: Path | None = None  # whose card may hold a schema of one's own


BOARD: web.AppKey[Board] = web.AppKey("board", Board)


def application(board: Board, heard: Callable[[asyncio.Protocol], None]) -> web.Application:
    """Build the application; ``heard`` is told of each connection that asks for something."""
    app = web.Application(middlewares=[_guard(board.access, Bucket(REQUESTS_HZ, REQUESTS_BURST), heard)])
    app[BOARD] = board
    routes = {
        "/": _page,
        "/ws": _websocket,
        "/events": _events,
        "/schema/{name}": _schema,
        "/stream.mjpg": _stream,
        "/healthz": _healthz,
        "/readyz": _readyz,
        "/metrics": _metrics,
    }
    app.add_routes([web.get(path, handler, expect_handler=_expect) for path, handler in routes.items()])
    app.on_response_prepare.append(_add_headers)
    return app


def _guard(access: Access, bucket: Bucket, heard: Callable[[asyncio.Protocol], None]) -> Middleware:
    faults = Bucket(FAULTS_HZ, FAULTS_BURST)

    async def answer(request: web.Request, handler: Handler) -> web.StreamResponse:
        if not bucket.take():
            return _refusal(429, "too many requests; try again in a second")
        if not all(value.isascii() for _, value in request.raw_headers):
            return _refusal(400, "a header holds more than ASCII")
        if not access.knows_host(request.host):
            return _refusal(403, "this server answers to 127.0.0.1 and localhost")
        refusal = None if request.path in OPEN_PATHS else _admit(request, access)
        return await handler(request) if refusal is None else refusal

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        heard(request.protocol)
        try:
            return await answer(request, handler)
        except web.HTTPException as error:
            return _refusal(error.status, error.reason)
        except (ConnectionError, TimeoutError):
            raise ConnectionResetError from None  # the client is gone: nobody to answer
        except Exception:  # a bug of ours: the log has it, as often as it bears, the client does not
            if faults.take():
                log.exception("the server failed on a request")
            return _refusal(500, "internal error")

    return guard


def _admit(request: web.Request, access: Access) -> web.StreamResponse | None:
    """Let a caller in who shows the token; take it from a page's address into a cookie at once."""
    shown = request.headers.get("Authorization", "").removeprefix("Bearer ") or _token_in(request.rel_url)
    if not access.permits(shown or request.cookies.get(COOKIE)):
        refusal = _refusal(401, "a token is needed: open /?token=TOKEN, or send Authorization: Bearer TOKEN")
        refusal.headers["WWW-Authenticate"] = "Bearer"
        return refusal
    # A cookie, or a rule without a token, would let any page that this browser visits read along.
    if (access.token is None or not shown) and not is_same_origin(request.headers.get("Origin"), request.host):
        return _refusal(403, "this origin may not read; show the token")
    if request.path != "/" or "token" not in request.query or access.token is None:
        return None
    answer = web.Response(status=303, headers={"Location": "/"})
    answer.set_cookie(COOKIE, access.token, httponly=True, samesite="Strict", secure=request.secure)
    return answer


def _token_in(url: URL) -> str | None:
    """Give the token of a page's address as it was typed: a plus is a plus, as in base64."""
    pairs = (pair.partition("=") for pair in url.raw_query_string.split("&"))
    return next((unquote(value) for name, _, value in pairs if name == "token"), None)


def _refusal(status: int, reason: str) -> web.Response:
    answer = web.Response(status=status, text=reason + "\n")
    answer.force_close()
    return answer


async def _add_headers(_: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(HEADERS)


async def _expect(_: web.Request) -> web.StreamResponse | None:
    """Refuse to wait for a body; aiohttp's own answer repeats the header and fails on bytes that are no text."""
    return _refusal(417, "this server takes no body")


async def _page(_: web.Request) -> web.Response:
    return web.Response(text=files("facewire_edge").joinpath("page.html").read_text(), content_type="text/html")


async def _schema(request: web.Request) -> web.Response:
    """Give the lines between the points of a known schema: a built-in one or the model's own."""
    name, model = request.match_info["name"], request.app[BOARD].model
    schema = SCHEMAS.get(name)
    if schema is None and model is not None:
        schema = await asyncio.to_thread(_schema_of, model)
    if schema is None or schema.name != name:
        raise web.HTTPNotFound
    return web.json_response(schema.to_dict())


def _schema_of(model: Path) -> LandmarkSchema | None:
    """Give the schema of a model file as it is now: it may have been exchanged since start."""
    try:
        return read_card(model)[0].schema
    except ModelError as error:  # half copied, say; the loop still has the old one
        log.warning("%s", error)
        return None


async def _healthz(request: web.Request) -> web.Response:
    alive = request.app[BOARD].health.is_alive(time.monotonic())
    return _health({"alive": alive}, alive)


async def _readyz(request: web.Request) -> web.Response:
    obstacle = request.app[BOARD].health.obstacle(time.monotonic())
    return _health({"ready": obstacle is None, "reason": obstacle}, obstacle is None)


def _health(values: dict[str, object], well: bool) -> web.Response:
    """Answer and close: who shows no token must not hold a place that a reader needs."""
    answer = web.json_response(values, status=200 if well else 503)
    answer.force_close()
    return answer


async def _metrics(request: web.Request) -> web.Response:
    board = request.app[BOARD]
    return web.Response(
        body=board.metrics.text(board.hub.clients), headers={"Content-Type": "text/plain; version=0.0.4"}
    )


async def _websocket(request: web.Request) -> web.StreamResponse:
    board = request.app[BOARD]
    if board.hub.is_full:
        raise web.HTTPServiceUnavailable(reason="too many readers")
    socket = web.WebSocketResponse(heartbeat=HEARTBEAT_S, max_msg_size=MAX_HEARD_BYTES, compress=False)
    await socket.prepare(request)
    with board.hub.client() as mailbox:
        sender = asyncio.create_task(_send(socket, mailbox, request))
        try:
            await _listen(socket)
        finally:
            sender.cancel()
            with suppress(asyncio.CancelledError, ConnectionError, TimeoutError):
                await sender
    return socket


async def _send(socket: web.WebSocketResponse, mailbox: Mailbox, request: web.Request) -> None:
    """Send lines until the client is gone; one that takes nothing for a while is cut off."""
    try:
        while True:
            line = await mailbox.get()
            async with asyncio.timeout(SEND_S):
                await socket.send_str(line)
    except TimeoutError:
        if request.transport is not None:
            request.transport.abort()


async def _listen(socket: web.WebSocketResponse) -> None:
    """Read and forget what a client says, until it goes or says too much."""
    heard = Bucket(HEARD_HZ, HEARD_BURST)
    async for message in socket:
        if message.type is WSMsgType.ERROR or not heard.take():
            await socket.close(code=1008, message=b"this server only speaks")


async def _events(request: web.Request) -> web.StreamResponse:
    """Stream server-sent events."""
    board = request.app[BOARD]
    if board.hub.is_full:
        raise web.HTTPServiceUnavailable(reason="too many readers")
    answer = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await answer.prepare(request)
    with board.hub.client() as mailbox:
        await _write(answer, b"retry: 1000\n\n")
        while True:
            await _write(answer, await _event(mailbox))
    return answer


async def _event(mailbox: Mailbox) -> bytes:
    """Give the next event; a comment after a long silence shows whether the client is still there."""
    try:
        async with asyncio.timeout(HEARTBEAT_S):
            return f"data: {await mailbox.get()}\n\n".encode()
    except TimeoutError:
        return b": silence\n\n"


async def _stream(request: web.Request) -> web.StreamResponse:
    """Stream preview pictures, one JPEG after the other."""
    board = request.app[BOARD]
    if board.pictures is None:
        raise web.HTTPNotFound(reason="no picture leaves this board; see --preview")
    answer = web.StreamResponse(headers={"Content-Type": f"multipart/x-mixed-replace; boundary={BOUNDARY}"})
    await answer.prepare(request)
    while True:
        jpeg = await board.pictures.next()
        head = f"--{BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
        await _write(answer, head.encode() + jpeg + b"\r\n")


async def _write(answer: web.StreamResponse, data: bytes) -> None:
    """Write within the time that a living client needs.

    Raises:
        TimeoutError: it takes nothing.

    """
    async with asyncio.timeout(SEND_S):
        await answer.write(data)
