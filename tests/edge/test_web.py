"""The server: streams, limits, tokens, and that nothing of it reaches the loop."""

import asyncio
import json
import logging
import socket
import ssl
import subprocess
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote
from urllib.request import urlopen

import numpy as np
import pytest

pytest.importorskip("aiohttp", reason="the extra `stream` is not installed")
import aiohttp
from facewire_edge.access import TOKEN_VARIABLE, Access
from facewire_edge.addresses import Address
from facewire_edge.card import attach_card, read_card
from facewire_edge.config import MODELS, EdgeConfig, StreamConfig
from facewire_edge.errors import OutputError, UsageError
from facewire_edge.schema import Contour
from facewire_edge.tls import load_tls
from facewire_edge.web import PreviewFeed, WebSink, open_sink

PATIENCE_S = 10.0
TOKEN = "a-token-of-24-characters"
FACES = {
    "v": 1, "type": "faces", "source": "cam0", "frame": 0, "t_capture": 1.0, "t_publish": 1.02, "width": 64,
    "height": 48, "schema": "points5", "model": "m@000000", "dropped": 0, "ms": {"detect": 1.0}, "faces": [],
}  # fmt: skip
LOCAL = Address("ws", "127.0.0.1", 0)


@contextmanager
def server(
    access: Access | None = None, clients: int = 4, feed: PreviewFeed | None = None, tls: ssl.SSLContext | None = None
) -> Iterator[WebSink]:
    with closing(WebSink(LOCAL, access or Access(loopback=True), tls, clients, feed)) as sink:
        yield sink


Job = Callable[[aiohttp.ClientSession, str], Awaitable[Any]]


def ask(sink: WebSink, job: Job, **session: Any) -> Any:
    async def main() -> Any:
        async with asyncio.timeout(PATIENCE_S), aiohttp.ClientSession(**session) as client:
            return await job(client, f"http://127.0.0.1:{sink.port}")

    return asyncio.run(main())


def get(sink: WebSink, path: str, **options: Any) -> tuple[int, str, Any]:
    async def job(client: aiohttp.ClientSession, url: str) -> tuple[int, str, Any]:
        async with client.get(url + path, allow_redirects=False, **options) as answer:
            return answer.status, await answer.text(), answer.headers

    return ask(sink, job)


async def publishing(sink: WebSink, messages: int = 200) -> None:
    """Publish until cancelled: a client that joins late hears something too."""
    for number in range(messages):
        sink.publish({**FACES, "frame": number})
        await asyncio.sleep(0.01)


def test_websocket_gets_the_very_messages() -> None:
    async def job(client: aiohttp.ClientSession, url: str) -> list[Any]:
        async with client.ws_connect(url + "/ws") as ws:
            source = asyncio.create_task(publishing(sink))
            got = [await ws.receive_json() for _ in range(3)]
            source.cancel()
            return got

    with server() as sink:
        got = ask(sink, job)
    assert [m["frame"] - got[0]["frame"] for m in got] == [0, 1, 2]
    assert {**got[0], "frame": 0} == FACES


def test_server_sent_events_carry_the_same_lines() -> None:
    async def job(client: aiohttp.ClientSession, url: str) -> bytes:
        async with client.get(url + "/events") as answer:
            assert answer.content_type == "text/event-stream"
            source = asyncio.create_task(publishing(sink))
            async for line in answer.content:
                if line.startswith(b"data: "):
                    source.cancel()
                    return line
        return b""

    with server() as sink:
        line = ask(sink, job)
    assert json.loads(line.removeprefix(b"data: "))["type"] == "faces"


def test_new_reader_first_hears_the_last_state() -> None:
    status = {"v": 1, "type": "status", "source": "cam0", "t_publish": 1.0, "state": "no-camera"}

    async def job(client: aiohttp.ClientSession, url: str) -> Any:
        async with client.ws_connect(url + "/ws") as ws:
            return await ws.receive_json()

    with server() as sink:
        sink.publish(status)
        while get(sink, "/readyz")[1] != '{"ready": false, "reason": "no-camera"}':
            time.sleep(0.01)
        assert ask(sink, job) == status
        assert get(sink, "/healthz")[0] == 200


def test_reader_that_never_reads_costs_the_loop_nothing_and_memory_little() -> None:
    big = {**FACES, "padding": "x" * 20_000}
    with server() as sink, socket.create_connection(("127.0.0.1", sink.port)) as lazy:
        lazy.sendall(
            b"GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        assert lazy.recv(12) == b"HTTP/1.1 101"
        end = time.monotonic() + PATIENCE_S
        while sink.dropped < 100 and time.monotonic() < end:
            sink.publish(big)
            time.sleep(0.0005)
        assert sink.dropped >= 100
        assert get(sink, "/healthz")[0] == 200  # others are served


def test_readers_beyond_the_limit_are_refused() -> None:
    async def job(client: aiohttp.ClientSession, url: str) -> int:
        readers = client.ws_connect(url + "/ws"), client.ws_connect(url + "/ws")
        async with readers[0], readers[1], client.get(url + "/events") as answer:
            return answer.status

    with server(clients=2) as sink:
        assert ask(sink, job) == 503


def test_reader_that_talks_too_much_is_sent_away() -> None:
    async def job(client: aiohttp.ClientSession, url: str) -> int | None:
        async with client.ws_connect(url + "/ws") as ws:
            with suppress(ConnectionError):
                for _ in range(100):
                    await ws.send_str("hello")
            while not ws.closed:
                await ws.receive()
            return ws.close_code

    with server() as sink:
        assert ask(sink, job) in (1006, 1008)


def test_message_above_the_limit_closes_the_connection() -> None:
    async def job(client: aiohttp.ClientSession, url: str) -> Any:
        async with client.ws_connect(url + "/ws") as ws:
            await ws.send_str("x" * 5000)
            return (await ws.receive()).type

    with server() as sink:
        assert ask(sink, job) in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED)


def test_too_many_requests_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("facewire_edge.routes.REQUESTS_HZ", 0.001)
    monkeypatch.setattr("facewire_edge.routes.REQUESTS_BURST", 3)
    with server() as sink:
        assert [get(sink, "/healthz")[0] for _ in range(5)] == [200, 200, 200, 429, 429]


def test_page_needs_nothing_from_elsewhere() -> None:
    with server() as sink:
        status, text, headers = get(sink, "/")
    assert status == 200
    assert "<canvas" in text
    assert "http://" not in text.replace("http://www.w3.org", "")
    assert "https://" not in text
    assert "default-src 'none'" in headers["Content-Security-Policy"]


def test_page_learns_the_lines_of_a_schema() -> None:
    with server() as sink:
        assert json.loads(get(sink, "/schema/ibug68")[1])["contours"]
        assert get(sink, "/schema/nothing")[0] == 404


def test_page_learns_the_lines_of_a_model_of_ones_own(tmp_path: Path) -> None:
    card, flatbuffer = read_card(MODELS / "landmarks68_lite_int8.tflite")
    assert card.schema is not None
    model = tmp_path / "mine.tflite"
    own = replace(card.schema, name="mine", contours=(Contour("brow", (17, 18, 19)),))
    attach_card(flatbuffer, replace(card, schema=own), model)
    sink = WebSink(LOCAL, Access(loopback=True), None, 4, None, model)
    with closing(sink):
        assert json.loads(get(sink, "/schema/mine")[1])["contours"] == [
            {"name": "brow", "indices": [17, 18, 19], "closed": False}
        ]
        assert get(sink, "/schema/yours")[0] == 404
        model.write_bytes(b"half")
        assert get(sink, "/schema/mine")[0] == 404
        assert get(sink, "/schema/ibug68")[0] == 200


def test_health_before_the_first_frame_and_after() -> None:
    with server() as sink:
        assert get(sink, "/healthz")[0] == 200
        assert get(sink, "/readyz")[:2] == (503, '{"ready": false, "reason": "no frame yet"}')
        sink.publish(FACES)
        while get(sink, "/readyz")[0] != 200:
            time.sleep(0.01)


def test_metrics_are_those_of_the_messages() -> None:
    with server() as sink:
        sink.publish(FACES)
        while "facewire_frames_total 1.0" not in get(sink, "/metrics")[1]:
            time.sleep(0.01)


def test_token_is_asked_for_everywhere_but_health(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with server(Access(loopback=False, token=TOKEN)) as sink:
        for path in ("/", "/ws", "/events", "/metrics", "/schema/ibug68", "/stream.mjpg", "/nothing"):
            status, text, _ = get(sink, path)
            assert (status, TOKEN in text) == (401, False), path
        assert get(sink, "/metrics", headers={"Authorization": f"Bearer {TOKEN}"})[0] == 200
        assert get(sink, "/metrics", headers={"Authorization": f"Bearer {TOKEN}x"})[0] == 401
        assert get(sink, "/metrics?token=" + TOKEN)[0] == 200
        assert get(sink, "/healthz")[0] == 200
    assert TOKEN not in caplog.text


def test_token_is_asked_for_where_an_empty_response_is_false(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aiohttp.web.StreamResponse, "__bool__", lambda _: False, raising=False)  # aiohttp 3.9
    with server(Access(loopback=False, token=TOKEN)) as sink:
        assert get(sink, "/metrics")[0] == 401
        assert get(sink, "/metrics", headers={"Authorization": f"Bearer {TOKEN}"})[0] == 200


def test_token_in_the_address_becomes_a_cookie_that_scripts_cannot_read() -> None:
    with server(Access(loopback=False, token=TOKEN)) as sink:
        status, _, headers = get(sink, "/?token=" + TOKEN)
        cookie = headers["Set-Cookie"]
        assert (status, headers["Location"]) == (303, "/")
        assert get(sink, "/", headers={"Cookie": cookie.partition(";")[0]})[0] == 200
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie


@pytest.mark.parametrize("path", ["/ws", "/events", "/metrics"])
def test_foreign_pages_may_not_read_along(path: str) -> None:
    with server() as sink:
        assert get(sink, path, headers={"Origin": "http://evil.example"})[0] == 403
        assert get(sink, path, headers={"Host": "evil.example"})[0] == 403


@pytest.mark.parametrize("typed", ["?token=", "?x&token="])
def test_token_of_base64_may_be_typed_as_it_is(typed: str) -> None:
    token = "ab+cd/ef==ghijklmnop"
    with server(Access(loopback=False, token=token)) as sink:
        assert get(sink, "/metrics" + typed + token)[0] == 200
        assert get(sink, "/metrics" + typed + quote(token, safe=""))[0] == 200
        assert get(sink, "/metrics" + typed + token.replace("+", "-"))[0] == 401
        cookie = get(sink, "/" + typed + token)[2]["Set-Cookie"].partition(";")[0]
        assert get(sink, "/", headers={"Cookie": cookie})[0] == 200


def test_foreign_page_that_shows_the_token_may() -> None:
    headers = {"Origin": "http://studio.example", "Authorization": f"Bearer {TOKEN}"}
    with server(Access(loopback=False, token=TOKEN)) as sink:
        assert get(sink, "/metrics", headers=headers)[0] == 200
        cookie = {"Origin": "http://studio.example", "Cookie": f"facewire_token={TOKEN}"}
        assert get(sink, "/metrics", headers=cookie)[0] == 403


def test_no_picture_leaves_the_board_unasked() -> None:
    with server() as sink:
        status, text, _ = get(sink, "/stream.mjpg")
    assert status == 404
    assert "--preview" in text


def test_preview_streams_jpegs() -> None:
    image = np.full((48, 64, 3), 90, np.uint8)

    async def job(client: aiohttp.ClientSession, url: str) -> list[bytes]:
        async with client.get(url + "/stream.mjpg") as answer:
            reader = aiohttp.MultipartReader.from_response(answer)  # type: ignore[arg-type]
            found = []
            while len(found) < 2:
                sink.look(image, [])
                with suppress(TimeoutError):
                    part = await asyncio.wait_for(asyncio.shield(next_part(reader)), 0.05)
                    found.append(bytes(await part.read()))
            return found

    tasks: list[asyncio.Task[Any]] = []

    def next_part(reader: Any) -> asyncio.Task[Any]:
        if not tasks or tasks[-1].done():
            tasks.append(asyncio.create_task(reader.next()))
        return tasks[-1]

    with server(feed=PreviewFeed(blurred=True)) as sink:
        assert [part[:2] for part in ask(sink, job)] == [b"\xff\xd8"] * 2


GARBAGE = [
    b"\x00" * 100, b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\n\r\n",
    b"GET /../../etc/passwd HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /schema/%2e%2e%2f HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: [\r\n\r\n", b"GET http://[/ HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n\r\n",
    b"TRACE / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: localhost\r\nCookie: facewire_token=\xff\xfe\r\n\r\n",
    b"GET /?token=%ff%fe HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer \xc3\xbc\xff\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: localhost\r\nExpect: 100-con\xb9inue\r\n\r\n",
    b"POST /ws HTTP/1.1\r\nHost: localhost\r\nExpect: \xff\r\nContent-Length: 1\r\n\r\na",
    b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\nExpect: \xff\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: \r\n\r\n",
    b"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNh\xb9XBsZSBub25jZQ==\r\n\r\n",
    b"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: a, b\r\n\r\n",
]  # fmt: skip


def answer_to(sink: WebSink, data: bytes) -> bytes:
    """Give what the server says before it closes or has nothing to add."""
    answer = b""
    with socket.create_connection(("127.0.0.1", sink.port), timeout=PATIENCE_S) as client, suppress(OSError):
        client.sendall(data)
        while part := client.recv(65536):
            answer += part
            client.settimeout(0.2)  # an answer that keeps the connection open
    return answer


@pytest.mark.parametrize("access", [Access(loopback=True), Access(loopback=False, token=TOKEN)])
def test_garbage_gets_no_traceback_no_path_and_no_crash(
    access: Access, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("facewire_edge.listener.FIRST_REQUEST_S", 0.5)  # for a request that never ends
    with server(access) as sink:
        answers = [answer_to(sink, data) for data in GARBAGE]
        assert get(sink, "/healthz")[0] == 200
    for data, answer in zip(GARBAGE, answers, strict=True):
        assert b"Traceback" not in answer
        assert b".py" not in answer
        assert b"b'" not in answer, data
        assert not answer.startswith(b"HTTP") or b"\r\nServer: facewire\r\n" in answer, data
        assert not answer.startswith(b"HTTP/1.1 5"), data
    assert sum(answer.startswith(b"HTTP/1.") for answer in answers) >= len(GARBAGE) - 2
    assert caplog.text == ""


def test_connection_that_asks_for_nothing_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("facewire_edge.listener.FIRST_REQUEST_S", 0.05)
    with server() as sink, socket.create_connection(("127.0.0.1", sink.port), timeout=PATIENCE_S) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHo")
        assert client.recv(10) == b""


def test_connections_beyond_the_limit_wait_and_end_nothing() -> None:
    with server(clients=1) as sink:
        idle = [socket.create_connection(("127.0.0.1", sink.port), timeout=PATIENCE_S) for _ in range(20)]
        for client in idle:
            client.close()
        assert get(sink, "/healthz")[0] == 200


def test_silent_connections_give_way_where_all_places_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("facewire_edge.listener.FIRST_REQUEST_S", 10 * PATIENCE_S)
    with server(clients=1) as sink, ExitStack() as stack:
        for _ in range(12):
            stack.enter_context(socket.create_connection(("127.0.0.1", sink.port), PATIENCE_S))
        assert get(sink, "/healthz")[0] == 200


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics", "/nothing"])
def test_caller_without_a_token_holds_no_connection(path: str) -> None:
    request = f"GET {path} HTTP/1.1\r\nHost: board\r\n\r\n".encode()
    with server(Access(loopback=False, token=TOKEN), clients=1) as sink, ExitStack() as stack:
        address = ("127.0.0.1", sink.port)
        callers = [stack.enter_context(socket.create_connection(address, PATIENCE_S)) for _ in range(12)]
        for caller in callers:
            caller.sendall(request)
        assert get(sink, "/metrics", headers={"Authorization": f"Bearer {TOKEN}"})[0] == 200
        for caller in callers:
            while caller.recv(4096):  # until the server closes
                pass


def test_address_in_use_is_an_output_error() -> None:
    with server() as sink, pytest.raises(OutputError, match=r"cannot serve on ws://127\.0\.0\.1"):
        WebSink(Address("ws", "127.0.0.1", sink.port), Access(loopback=True), None, 4, None)


def test_end_does_not_wait_for_readers() -> None:
    with server() as sink, socket.create_connection(("127.0.0.1", sink.port)) as client:
        client.sendall(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        client.recv(12)
        sink.close()
        assert not sink._thread.is_alive()


def test_open_server_without_a_token_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(TOKEN_VARIABLE, raising=False)
    with pytest.raises(UsageError, match="needs a token"):
        open_sink(Address("ws", "0.0.0.0", 8080), EdgeConfig())


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    folder = tmp_path_factory.mktemp("tls")
    key, cert = str(folder / "key.pem"), str(folder / "cert.pem")
    command = (
        "openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=localhost -addext subjectAltName=IP:127.0.0.1"
    )
    try:
        subprocess.run([*command.split(), "-keyout", key, "-out", cert], check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("openssl is not installed")
    return cert, key


def test_certificate_files_make_the_server_speak_tls(certificate: tuple[str, str]) -> None:
    trust = ssl.create_default_context(cafile=certificate[0])

    def status(sink: WebSink) -> int:  # aiohttp's own client, before 3.12, leaves a TLS connection half closed
        with urlopen(f"https://127.0.0.1:{sink.port}/metrics", timeout=PATIENCE_S, context=trust) as answer:
            return int(answer.status)

    with server(tls=load_tls(*certificate)) as sink:
        assert status(sink) == 200
        with socket.create_connection(("127.0.0.1", sink.port), timeout=PATIENCE_S) as plain:
            plain.sendall(b"GET / HTTP/1.1\r\n\r\n")
            assert b"200" not in plain.recv(100)
        assert status(sink) == 200


def test_certificate_that_cannot_be_used_is_named(certificate: tuple[str, str], tmp_path: Path) -> None:
    (tmp_path / "bad.pem").write_text("no certificate")
    for cert, key in ((str(tmp_path / "bad.pem"), certificate[1]), ("/nowhere", certificate[1]), certificate[::-1]):
        config = EdgeConfig(stream=StreamConfig(tls_certificate=cert, tls_key=key))
        with pytest.raises(UsageError, match="cannot use tls_certificate"):
            open_sink(LOCAL, config)
