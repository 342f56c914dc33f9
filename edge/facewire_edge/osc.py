"""The sink that speaks Open Sound Control, for avatars, lights and sound.

All addresses begin with ``/facewire/SOURCE``; faces are numbered from the largest, 0. One bundle a face:
``/face/N/id``, ``/face/N/box`` (4), ``/face/N/landmarks`` (x, y, x, y ...), and where the message has them
``/face/N/pose`` (yaw, pitch, roll), ``/face/N/open`` (right eye, left eye, mouth) and ``/face/N/blink`` (0 or 1).
``/faces`` has their number; it is 0 once when frames cease to come and at the end.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from pythonosc.osc_bundle_builder import IMMEDIATELY, OscBundleBuilder
from pythonosc.osc_message import OscMessage
from pythonosc.osc_message_builder import OscMessageBuilder

from facewire_edge.addresses import Address, level
from facewire_edge.config import EdgeConfig
from facewire_edge.datagrams import Datagrams
from facewire_edge.health import NOT_READY
from facewire_edge.publish import Sink
from facewire_edge.queued import Queued

FIELDS = {"pose": ("yaw", "pitch", "roll"), "open": ("right_eye", "left_eye", "mouth")}  # optional, in this order


def open_sink(address: Address, config: EdgeConfig) -> Sink:
    """Open the sink, with a queue before it: 136 numbers take 0.3 ms to pack on the workstation."""
    return Queued(OscSink(address, config.source), str(address))


class OscSink:
    """Send a message's faces as bundles."""

    def __init__(self, address: Address, source: str) -> None:
        self._root = f"/facewire/{level(source)}"
        self._datagrams = Datagrams(address)
        self._shown = 0  # faces of the last frame

    def publish(self, message: dict[str, Any]) -> None:
        """Send the faces of a frame, and that there are none any more where frames cease to come."""
        if message["type"] == "faces":
            self._send(message["faces"])
        elif self._shown and message.get("state") in NOT_READY:
            self._send([])

    def close(self) -> None:
        """Say that there are no faces any more, and close the socket."""
        if self._shown:
            self._send([])
        self._datagrams.close()

    def _send(self, faces: Sequence[dict[str, Any]]) -> None:
        """Send the number of faces, then each face."""
        self._shown = len(faces)
        self._datagrams.send(_message(f"{self._root}/faces", [len(faces)]).dgram)
        for number, face in enumerate(faces):
            self._datagrams.send(bundle(f"{self._root}/face/{number}", face))


def bundle(root: str, face: dict[str, Any]) -> bytes:
    """Give one face as a bundle that is to be obeyed at once."""
    builder = OscBundleBuilder(IMMEDIATELY)
    for name, values in _contents(face):
        builder.add_content(_message(f"{root}/{name}", values))
    return builder.build().dgram


def _contents(face: dict[str, Any]) -> Iterator[tuple[str, Sequence[float]]]:
    yield "id", [face["id"]]
    yield "box", face["box"]
    for name, keys in FIELDS.items():
        if all(key in face.get(name, {}) for key in keys):
            yield name, [face[name][key] for key in keys]
    if "blink" in face:
        yield "blink", [int(face["blink"])]
    yield "landmarks", [value for point in face["landmarks"] for value in point]


def _message(address: str, values: Sequence[float]) -> OscMessage:
    builder = OscMessageBuilder(address)
    for value in values:
        builder.add_arg(value, "i" if isinstance(value, int) else "f")
    return builder.build()
