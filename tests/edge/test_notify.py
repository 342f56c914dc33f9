"""The service manager's socket, and what the run of a service tells it."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from facewire_edge.notify import ServiceManager, service_manager

EDGE = Path(__file__).parents[2] / "edge"
PATIENCE_S = 30.0
NO_CAMERA = "rtsp://127.0.0.1:9/nobody"  # the discard port: refused at once


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    """Give the end of the socket where systemd listens."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.settimeout(PATIENCE_S)
        yield listening


def told(manager: socket.socket) -> str:
    return manager.recv(4096).decode()


def told_until(manager: socket.socket, wanted: str) -> list[str]:
    found = [told(manager)]
    while wanted not in found[-1]:
        found.append(told(manager))
    return found


def test_watchdog_is_fed_thrice_in_its_time_and_no_oftener(manager: socket.socket) -> None:
    with closing(ServiceManager(manager.getsockname(), watchdog_s=0.3)) as service:
        end = time.monotonic() + 0.25
        while time.monotonic() < end:
            service.alive()
        service.tell("STOPPING=1")
    fed = told_until(manager, "STOPPING=1")[:-1]
    assert set(fed) == {"WATCHDOG=1"}
    assert 1 <= len(fed) <= 3


def test_abstract_socket_is_reached() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(f"\0facewire-test-{os.getpid()}")
        listening.settimeout(PATIENCE_S)
        with closing(ServiceManager(f"@facewire-test-{os.getpid()}")) as service:
            service.tell("READY=1", "STATUS=well")
        assert told(listening) == "READY=1\nSTATUS=well"


def test_without_a_manager_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    monkeypatch.delenv("WATCHDOG_USEC", raising=False)
    with closing(service_manager()) as service:
        service.tell("READY=1")
        service.alive()


def test_watchdog_of_another_process_is_not_fed(manager: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", manager.getsockname())
    monkeypatch.setenv("WATCHDOG_USEC", "1000")
    monkeypatch.setenv("WATCHDOG_PID", "1")
    with closing(service_manager()) as service:
        service.alive()
        service.tell("READY=1")
    assert told(manager) == "READY=1"


def test_manager_that_went_away_is_said_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with closing(ServiceManager(str(tmp_path / "gone"))) as service:
        service.tell("READY=1")
        service.tell("READY=1")
    assert caplog.text.count("does not listen") == 1


def test_service_is_ready_without_a_camera_feeds_the_watchdog_and_ends_in_a_second(
    manager: socket.socket, tmp_path: Path
) -> None:
    out = tmp_path / "out.jsonl"
    command = [sys.executable, "-m", "facewire_edge", "run", "--input", NO_CAMERA, "--wait-camera"]
    environment = {**os.environ, "NOTIFY_SOCKET": manager.getsockname(), "WATCHDOG_USEC": "300000"}
    with subprocess.Popen(
        [*command, "--sink", "stdout", "--sink", f"jsonl:{out}"],
        cwd=EDGE, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        try:
            told_until(manager, "READY=1")
            told_until(manager, "STATUS=no-camera")
            told_until(manager, "WATCHDOG=1")
            start = time.monotonic()
            process.send_signal(signal.SIGTERM)
            text, log = process.communicate(timeout=PATIENCE_S)
            seconds = time.monotonic() - start
        finally:
            process.kill()
    assert process.returncode == 0, log
    assert (
        seconds < PATIENCE_S / 2
    )  # 0.1 to 0.6 s on a machine that has time; a loaded one takes seconds to end a process
    states = [json.loads(line)["state"] for line in text.splitlines()]
    assert states == ["starting", "no-camera", "stopping"]
    assert out.read_text() == text
    assert told_until(manager, "STATUS=stopping")[-2] == "STOPPING=1"
    assert log.count("WARNING facewire") == 1
    assert "WARN:0@" not in log  # OpenCV's own complaint about each try
