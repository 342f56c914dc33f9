"""A real RTSP server that is killed and started again."""

import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

import pytest
from facewire_edge.camera import open_camera
from facewire_edge.live import LiveCamera

SERVER = Path(__file__).with_name("rtsp_server.py")
PYTHON = "/usr/bin/python3"  # Debian's, which has GStreamer's bindings
PATIENCE_S = 20.0  # measured: frames flow 1.1 to 2.0 s after the server is back

pytestmark = [pytest.mark.slow, pytest.mark.device]


@pytest.fixture
def port() -> int:
    probe = "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import GstRtspServer"
    if not shutil.which(PYTHON) or subprocess.run([PYTHON, "-c", probe], capture_output=True, check=False).returncode:
        pytest.skip("needs GStreamer's RTSP server; see rtsp_server.py")
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextmanager
def serving(port: int, end: signal.Signals = signal.SIGKILL) -> Iterator["subprocess.Popen[bytes]"]:
    with subprocess.Popen([PYTHON, str(SERVER), str(port)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            yield process
        finally:
            process.send_signal(end)


def turn_until(camera: LiveCamera, state: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while camera.link.state != state:
        camera.read()
        assert time.monotonic() < deadline, camera.link


def test_frames_flow_again_after_each_restart_of_the_server(port: int) -> None:
    address = f"rtsp://127.0.0.1:{port}/camera"
    with closing(LiveCamera(partial(open_camera, address), wait=True)) as camera:
        for end in (signal.SIGKILL, signal.SIGTERM, signal.SIGKILL):
            with serving(port, end):
                turn_until(camera, "running")
            turn_until(camera, "no-camera")
        with serving(port):
            turn_until(camera, "running")
        assert camera.link.reconnects == 3


def test_server_that_freezes_is_noticed_and_found_again(port: int) -> None:
    address = f"rtsp://127.0.0.1:{port}/camera"
    with serving(port) as server, closing(LiveCamera(partial(open_camera, address))) as camera:
        turn_until(camera, "running")
        server.send_signal(signal.SIGSTOP)
        turn_until(camera, "no-camera")
        server.send_signal(signal.SIGCONT)
        turn_until(camera, "running")
