"""Open Sound Control, read back with a real receiver."""

import socket
from contextlib import closing
from typing import Any

import numpy as np
import pytest

pytest.importorskip("pythonosc", reason="the extra `stream` is not installed")
from facewire_edge.config import EdgeConfig
from facewire_edge.message import Origin, encode
from facewire_edge.publish import open_sink
from facewire_edge.types import Face, Openness, Pose, Result
from pythonosc.osc_packet import OscPacket

FACE = {"id": 9, "box": [0.1, 0.2, 0.3, 0.4], "landmarks": [[0.5, 0.25], [-0.5, 1.5]]}


def received(*messages: dict[str, Any], packets: int) -> dict[str, list[Any]]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(5)
        config = EdgeConfig(source="stage")
        with closing(open_sink(f"osc://127.0.0.1:{receiver.getsockname()[1]}", config)) as sink:
            for message in messages:
                sink.publish(message)
        datagrams = [receiver.recv(65535) for _ in range(packets)]
    assert all(len(d) < 1400 for d in datagrams)
    return {m.message.address: list(m.message.params) for d in datagrams for m in OscPacket(d).messages}


def test_faces_are_numbered_and_carry_their_points() -> None:
    found = received({"type": "faces", "faces": [FACE, {**FACE, "id": 12}]}, packets=3)
    assert found["/facewire/stage/faces"] == [2]
    assert [found[f"/facewire/stage/face/{n}/id"] for n in range(2)] == [[9], [12]]
    assert found["/facewire/stage/face/1/landmarks"] == [0.5, 0.25, -0.5, 1.5]
    assert found["/facewire/stage/face/0/box"] == pytest.approx([0.1, 0.2, 0.3, 0.4])


def test_empty_room_is_a_message_too() -> None:
    assert received({"type": "faces", "faces": []}, packets=1) == {"/facewire/stage/faces": [0]}


def test_pose_and_blink_are_there_where_the_message_has_them() -> None:
    points = np.zeros((2, 2), np.float32)
    face = Face(9, "new", 0.9, 0.9, points, None, Pose(1.0, 2.0, 3.0), Openness(0.5, 0.25, 0.125), blink=True)
    message = encode(Result(0, 0, 64, 48, (face,)), Origin("stage", "ibug68", "m"), 0, 0)
    found = received(message, packets=2)
    assert found["/facewire/stage/face/0/pose"] == [1.0, 2.0, 3.0]
    assert found["/facewire/stage/face/0/open"] == [0.5, 0.25, 0.125]
    assert found["/facewire/stage/face/0/blink"] == [1]


def test_bundle_of_98_points_stays_below_the_mtu() -> None:
    received({"type": "faces", "faces": [{**FACE, "landmarks": [[0.12345, 0.6789]] * 98}]}, packets=2)


def test_other_messages_send_nothing() -> None:
    assert received({"type": "status"}, packets=0) == {}


def test_end_of_the_run_empties_the_stage() -> None:
    assert received({"type": "faces", "faces": [FACE]}, packets=3)["/facewire/stage/faces"] == [0]


def test_lost_camera_empties_the_stage_once() -> None:
    lost, board = {"type": "status", "state": "no-camera"}, {"type": "status"}
    found = received({"type": "faces", "faces": [FACE]}, board, lost, lost, packets=3)
    assert found["/facewire/stage/faces"] == [0]
    received(lost, {"type": "faces", "faces": []}, lost, {"type": "faces", "faces": [FACE]}, packets=3)
