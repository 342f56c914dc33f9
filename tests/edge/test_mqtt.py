"""MQTT against a real broker, one that goes away and one that is silent."""

import getpass
import json
import logging
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("paho.mqtt", reason="the extra `stream` is not installed")
from facewire_edge.addresses import Address, parse_sink
from facewire_edge.config import EdgeConfig, StreamConfig
from facewire_edge.errors import OutputError
from facewire_edge.mqtt import MAX_UNSENT, MqttSink, open_sink
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

MOSQUITTO = shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
with_broker = [
    pytest.mark.slow,
    pytest.mark.skipif(MOSQUITTO is None, reason="no broker here; apt-get install mosquitto"),
]
PATIENCE_S = 15.0
FACES = {
    "v": 1, "type": "faces", "source": "cam0", "frame": 0, "t_capture": 1.0, "t_publish": 1.02, "width": 64,
    "height": 48, "schema": "points5", "model": "m@000000", "dropped": 0, "ms": {}, "faces": [{"id": 3}],
}  # fmt: skip
STATUS = {"v": 1, "type": "status", "source": "cam0", "t_publish": 1.0, "state": "running"}


def wait_until(condition: Callable[[], Any]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def broker(port: int, folder: Path, password: str | None = None) -> Iterator[subprocess.Popen[bytes]]:
    anonymous = str(password is None).lower()
    lines = [f"user {getpass.getuser()}", f"listener {port} 127.0.0.1", f"allow_anonymous {anonymous}"]
    if password is not None:
        users = folder / "users"
        command = ["mosquitto_passwd", "-c", "-b", str(users), "board", password]
        subprocess.run(command, check=True, capture_output=True)
        lines.append(f"password_file {users}")
    config = folder / "mosquitto.conf"
    config.write_text("\n".join(lines) + "\n")
    assert MOSQUITTO is not None
    command = [MOSQUITTO, "-c", str(config)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            wait_until(lambda: answers(port))
            yield process
        finally:
            process.kill()


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Listener:
    """Keep all that the broker tells."""

    def __init__(self, port: int) -> None:
        self.heard: list[tuple[str, Any]] = []
        self._client = Client(CallbackAPIVersion.VERSION2)
        self._client.on_message = lambda _c, _d, m: self.heard.append((m.topic, m.payload.decode()))
        self._client.connect("127.0.0.1", port)
        self._client.subscribe("#", qos=1)
        self._client.loop_start()

    def of(self, topic: str) -> list[str]:
        return [payload for name, payload in self.heard if name == topic]

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


def sink_at(port: int, spec: str = "mqtt://127.0.0.1:{}/home/door", **stream: Any) -> Any:
    return closing(open_sink(parse_sink(spec.format(port)), EdgeConfig(stream=StreamConfig(**stream))))


def test_broker_that_is_away_costs_messages_and_says_so_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with sink_at(free_port()) as sink:
        for _ in range(3):
            sink.publish(FACES)
        wait_until(lambda: sink.dropped == 3)
    assert caplog.text.count("is not connected") == 1


def test_broker_that_accepts_and_never_answers_costs_messages_too() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent, sink_at(silent.getsockname()[1]) as sink:
        sink.publish(FACES)
        wait_until(lambda: sink.dropped == 1)


def test_messages_that_the_socket_does_not_take_do_not_pile_up() -> None:
    sink = MqttSink(Address("mqtt", "127.0.0.1", free_port()), "cam0", 10.0)
    with closing(sink):
        for _ in range(MAX_UNSENT):
            sink._send("state", "{}")
        with pytest.raises(OutputError, match="takes nothing"):
            sink._send("state", "{}")


class TestBroker:
    pytestmark = with_broker

    def test_topics_are_available_state_status_and_landmarks(self, tmp_path: Path) -> None:
        port = free_port()
        with broker(port, tmp_path), closing(Listener(port)) as listener:
            with sink_at(port) as sink:
                wait_until(lambda: listener.of("home/door/available") == ["online"])
                sink.publish(STATUS)
                sink.publish(FACES)
                wait_until(lambda: listener.of("home/door/landmarks"))
                wait_until(
                    lambda: any('"faces": 1' in s for s in listener.of("home/door/state")) or sink.publish(FACES)
                )
                discovered = json.loads(listener.of("homeassistant/device/facewire_home_door/config")[0])
            wait_until(lambda: listener.of("home/door/available") == ["online", "offline"])
        assert json.loads(listener.of("home/door/landmarks")[0]) == FACES
        assert json.loads(listener.of("home/door/status")[0]) == STATUS
        assert discovered["state_topic"] == "home/door/state"

    def test_state_is_rare_and_landmarks_have_their_own_rate(self, tmp_path: Path) -> None:
        port = free_port()
        with broker(port, tmp_path), closing(Listener(port)) as listener, sink_at(port, mqtt_landmarks_hz=5.0) as sink:
            wait_until(lambda: listener.of("home/door/available"))
            start = time.monotonic()
            while time.monotonic() - start < 2.0:
                sink.publish({**FACES, "faces": [{}] * (int(time.monotonic() * 30) % 2)})
                time.sleep(0.01)
            wait_until(lambda: listener.of("home/door/state"))
            assert len(listener.of("home/door/state")) <= 2 * 2 + 2
            assert len(listener.of("home/door/landmarks")) <= 2 * 5 + 2

    def test_lost_camera_is_in_the_state_at_once(self, tmp_path: Path) -> None:
        port = free_port()
        address, still = Address("mqtt", "127.0.0.1", port, "door"), lambda: 0.0  # a second state is never due
        with (
            broker(port, tmp_path),
            closing(Listener(port)) as listener,
            closing(MqttSink(address, "cam0", 0.0, still)) as sink,
        ):
            wait_until(sink._client.is_connected)
            for message in (STATUS, FACES, {**STATUS, "state": "no-camera", "reason": "gone"}):
                sink.publish(message)
            wait_until(lambda: [s for s in listener.of("door/state") if '"no-camera"' in s])
        states = [json.loads(text) for text in listener.of("door/state")]
        assert [(s["state"], s["present"]) for s in states] == [(STATUS["state"], None), ("no-camera", None)]

    def test_board_that_dies_is_offline_by_its_will(self, tmp_path: Path) -> None:
        port = free_port()
        code = (
            "import sys, time; from facewire_edge.publish import open_sink\n"
            f"s = open_sink('mqtt://127.0.0.1:{port}/home/door'); time.sleep(60)"
        )
        with broker(port, tmp_path), closing(Listener(port)) as listener:
            with subprocess.Popen([sys.executable, "-c", code]) as board:
                wait_until(lambda: listener.of("home/door/available") == ["online"])
                board.kill()
            wait_until(lambda: listener.of("home/door/available") == ["online", "offline"])

    def test_broker_that_comes_back_hears_the_board_again(self, tmp_path: Path) -> None:
        port = free_port()
        with sink_at(port) as sink:
            for _ in range(2):
                with broker(port, tmp_path), closing(Listener(port)) as listener:
                    wait_until(lambda: listener.of("home/door/available")[-1:] == ["online"])
                    sink.publish(FACES)
                    wait_until(lambda: listener.of("home/door/landmarks") or sink.publish(FACES))

    def test_home_assistant_that_starts_later_learns_of_the_board(self, tmp_path: Path) -> None:
        port = free_port()
        topic = "homeassistant/device/facewire_home_door/config"
        with broker(port, tmp_path), closing(Listener(port)) as listener, sink_at(port):
            wait_until(lambda: len(listener.of(topic)) == 1)
            listener._client.publish("homeassistant/status", "online")
            wait_until(lambda: len(listener.of(topic)) == 2)

    def test_wrong_password_is_said_without_the_password(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        port = free_port()
        with broker(port, tmp_path, password="right"), sink_at(port, "mqtt://board:wrong-one@127.0.0.1:{}/home/door"):
            wait_until(lambda: "check user and password" in caplog.text)
        assert "wrong-one" not in caplog.text
