"""The page in a real browser: it draws, fits a phone, and comes back when the daemon does."""

import asyncio
import base64
import json
import shutil
import subprocess
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from threading import Event, Thread
from typing import Any

import numpy as np
import pytest

pytest.importorskip("aiohttp", reason="the extra `stream` is not installed")
import aiohttp
from facewire_edge.access import Access
from facewire_edge.addresses import Address
from facewire_edge.schema import SCHEMAS
from facewire_edge.web import PreviewFeed, WebSink

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here; apt-get install chromium"),
]
PATIENCE_S = 30.0
PHONE = {"width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": True}
DRAWN = """[...document.getElementById('canvas').getContext('2d').getImageData(0, 0,
    document.getElementById('canvas').width, document.getElementById('canvas').height).data].some(v => v)"""


def message(number: int, points_sent: int | None = None) -> dict[str, Any]:
    angle = np.linspace(0, 2 * np.pi, SCHEMAS["ibug68"].n)
    points = np.stack([0.5 + 0.2 * np.cos(angle), 0.5 + 0.3 * np.sin(angle)], 1).round(4).tolist()
    face = {
        "id": 0,
        "state": "tracked",
        "score": 0.9,
        "presence": 0.9,
        "box": [0.3, 0.2, 0.7, 0.8],
        "landmarks": points[:points_sent],
    }
    now = time.time()
    times = {"t_capture": now - 0.02, "t_publish": now, "ms": {"detect": 0.0, "landmarks": 2.0, "total": 3.0}}
    origin = {"v": 1, "type": "faces", "source": "door", "schema": "ibug68", "model": "m@123456"}
    return {**origin, **times, "frame": number, "width": 640, "height": 480, "dropped": 0, "faces": [face]}


@contextmanager
def daemon(port: int = 0, points_sent: int | None = None) -> Iterator[WebSink]:
    """Publish 25 frames a second, with pictures."""
    with closing(WebSink(Address("ws", "127.0.0.1", port), Access(True), None, 8, PreviewFeed(False))) as sink:
        stop = Event()
        image = np.full((480, 640, 3), (40, 60, 90), np.uint8)

        def publish() -> None:
            number = 0
            while not stop.wait(0.04):
                sink.publish(message(number, points_sent))
                sink.look(image, [])
                number += 1

        thread = Thread(target=publish)
        thread.start()
        try:
            yield sink
        finally:
            stop.set()
            thread.join()


class Tab:
    """Drive one page over the DevTools protocol."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket, self._number = socket, 0
        self.errors: list[str] = []

    async def call(self, method: str, **parameters: Any) -> Any:
        self._number += 1
        await self._socket.send_json({"id": self._number, "method": method, "params": parameters})
        while (answer := await self._socket.receive_json()).get("id") != self._number:
            if answer.get("method") == "Runtime.exceptionThrown":
                self.errors.append(json.dumps(answer["params"]))
        return answer["result"]

    async def evaluate(self, expression: str) -> Any:
        result = await self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        return result["result"].get("value")

    async def until(self, expression: str) -> None:
        while not await self.evaluate(expression):
            await asyncio.sleep(0.1)

    async def screenshot(self, path: Path) -> None:
        path.write_bytes(base64.b64decode((await self.call("Page.captureScreenshot"))["data"]))


async def devtools(profile: Path) -> str:
    while True:
        with suppress(OSError, ValueError, LookupError):  # LookupError: the file is there and still empty
            port = (profile / "DevToolsActivePort").read_text().split()[0]
            async with aiohttp.ClientSession() as client, client.get(f"http://127.0.0.1:{port}/json/list") as answer:
                return str((await answer.json())[0]["webSocketDebuggerUrl"])
        await asyncio.sleep(0.1)


def browse(profile: Path, url: str, visit: Callable[[Tab], Awaitable[None]]) -> None:
    assert CHROMIUM is not None
    flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0", "--remote-allow-origins=*"]
    command = [CHROMIUM, *flags, f"--user-data-dir={profile}", "about:blank"]

    async def main() -> None:
        async with asyncio.timeout(2 * PATIENCE_S):
            address = await devtools(profile)
            async with aiohttp.ClientSession() as client, client.ws_connect(address, max_msg_size=0) as socket:
                tab = Tab(socket)
                await tab.call("Runtime.enable")
                await tab.call("Emulation.setDeviceMetricsOverride", **PHONE)
                await tab.call("Page.navigate", url=url)
                await visit(tab)
                assert not tab.errors

    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            asyncio.run(main())
        finally:
            process.terminate()


def test_page_draws_fits_a_phone_and_survives_a_restart(tmp_path: Path) -> None:
    first = daemon()
    sink = first.__enter__()

    async def visit(tab: Tab) -> None:
        await tab.until("document.getElementById('faces')?.textContent === '1'")
        await tab.until(DRAWN)
        await tab.until("document.getElementById('state').textContent === 'running'")
        await tab.until("!document.getElementById('picture').hidden")
        await tab.until("Number(document.getElementById('rate').textContent) > 5")
        assert await tab.evaluate("document.documentElement.scrollWidth <= innerWidth")
        await tab.screenshot(tmp_path / "running.png")
        await asyncio.to_thread(first.__exit__, None, None, None)
        await tab.until("document.getElementById('state').textContent.startsWith('no connection')")
        await tab.screenshot(tmp_path / "gone.png")
        with daemon(sink.port):
            await tab.until("document.getElementById('state').textContent === 'running'")
            await tab.until("!document.getElementById('picture').hidden")

    browse(tmp_path / "profile", f"http://127.0.0.1:{sink.port}/", visit)


def test_page_draws_points_that_are_fewer_than_their_schema_knows(tmp_path: Path) -> None:
    with daemon(points_sent=40) as sink:  # as after a change of the model, until its lines are known

        async def visit(tab: Tab) -> None:
            await tab.until("contours.length > 0")
            await tab.until(DRAWN)
            await tab.until("Number(document.getElementById('rate').textContent) > 5")

        browse(tmp_path / "profile", f"http://127.0.0.1:{sink.port}/", visit)
