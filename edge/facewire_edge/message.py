"""The version-1 message: one JSON object a line, from a :class:`Result` and back.

Coordinates are normalised to the whole image, ``x = (x_px + 0.5) / width``, unclamped, origin top left.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from itertools import chain
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from facewire_edge.errors import DataError
from facewire_edge.geometry import Box
from facewire_edge.types import Detection, Face, Openness, Points, Pose, Result

T = TypeVar("T", Pose, Openness)

VERSION = 1
DECIMALS = 5  # 1e-5 of a 4,000 px wide image is 0.04 px
UNITS = 10.0**DECIMALS
# Messages are made here and hold no cycles; to look for them takes 13 of 81 us a line (2026-11-21).
_LINES = json.JSONEncoder(separators=(",", ":"), allow_nan=False, check_circular=False)
UDP_UNITS = 10_000  # a datagram's landmarks are integers in 1/10,000 of width and height


@dataclass(frozen=True, slots=True)
class Origin:
    """Say who publishes: what is the same in all messages of a run."""

    source: str
    schema: str
    model: str
    device: str = "cpu"  # where the models run; only status messages say it


@dataclass(frozen=True, slots=True, eq=False)
class Message:
    """Hold a ``faces`` message that was read."""

    result: Result  # times are Unix nanoseconds
    source: str
    schema: str
    model: str


def encode(result: Result, origin: Origin, publish_ns: int, unix_offset_ns: int) -> dict[str, Any]:
    """Give a result as a ``faces`` message.

    Args:
        result: of one frame.
        origin: of the run.
        publish_ns: monotonic clock, now.
        unix_offset_ns: Unix time minus the monotonic clock, taken at publish so that a late clock correction heals.

    """
    message: dict[str, Any] = {
        "v": VERSION,
        "type": "faces",
        "source": origin.source,
        "frame": result.index,
        "t_capture": unix_s(result.time_ns, unix_offset_ns),
        "t_publish": unix_s(publish_ns, unix_offset_ns),
        "width": result.width,
        "height": result.height,
        "schema": origin.schema,
        "model": origin.model,
        "dropped": result.dropped,
        "ms": {stage: round(value, 2) for stage, value in result.ms.items()},
        "faces": [_encode_face(face, result.width, result.height) for face in result.faces],
    }
    if result.image is not None:
        message["image"] = result.image
    return message


def encode_event(kind: str, source: str, time_ns: int, unix_offset_ns: int, **values: Any) -> dict[str, Any]:
    """Give a ``status`` or an ``error`` message with its own values."""
    return {"v": VERSION, "type": kind, "source": source, "t_publish": unix_s(time_ns, unix_offset_ns), **values}


def to_line(message: dict[str, Any]) -> str:
    """Give a message as one compact line of JSON, without the newline."""
    dumps = _orjson_dumps()
    if dumps is None:
        return _LINES.encode(message)
    try:
        return dumps(message).decode()
    except TypeError:  # a file's name that is no UTF-8, a number of more than 64 bits
        return _LINES.encode(message)


@cache
def _orjson_dumps() -> Callable[[Any], bytes] | None:
    """Give orjson's encoder where it is installed: 8 us a line instead of 70 (2026-11-22)."""
    try:
        dumps: Callable[[Any], bytes] = import_module("orjson").dumps
    except ImportError:  # in a folder that was only copied
        return None
    return dumps


def to_datagrams(message: dict[str, Any]) -> list[bytes]:
    """Give a message as datagrams: one a face, landmarks as a flat list of integers; one if there is no face.

    Uncertainty stays out: with it a face of 68 points needs more than one Ethernet frame (1,472 bytes). One of 98 does
    with pose and openness.
    """
    faces = message.get("faces") or []
    if not faces:
        return [to_line(message).encode()]
    datagrams = []
    for number, face in enumerate(faces):
        values = np.fromiter(chain.from_iterable(face["landmarks"]), np.float64)
        flat = np.rint(values * UDP_UNITS).astype(np.int64).tolist()
        small = face | {"landmarks": flat}
        small.pop("uncertainty", None)
        datagrams.append({**message, "face": number, "of": len(faces), "faces": [small]})
    return [to_line(datagram).encode() for datagram in datagrams]


def decode(line: str) -> Message | None:
    """Give a ``faces`` message; None for other types, which a reader skips.

    Raises:
        DataError: the line is no facewire message of version 1.

    """
    try:
        message = json.loads(line)
        if message["v"] != VERSION:
            raise DataError(f"message version {message['v']!r}, expected {VERSION}; update facewire")
        if message["type"] != "faces":
            return None
        return Message(_decode(message), str(message["source"]), str(message["schema"]), str(message["model"]))
    except DataError:
        raise
    except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError) as error:
        raise DataError(f"not a facewire message: {line[:60]!r} ({type(error).__name__}: {error})") from error


def unix_s(time_ns: int, unix_offset_ns: int) -> float:
    """Give a monotonic time as Unix seconds, to the millisecond's tenth."""
    return round((time_ns + unix_offset_ns) / 1e9, 4)


def _encode_face(face: Face, width: int, height: int) -> dict[str, Any]:
    units = _rounded(np.add(face.landmarks, 0.5, dtype=np.float64) / np.array((width, height), np.float64))
    tight = Box.around(units)
    encoded: dict[str, Any] = {
        "id": face.id,
        "state": face.state,
        "score": round(face.score, 3),
        "presence": round(face.presence, 3),
        "box": [tight.x0, tight.y0, tight.x1, tight.y1],
    }
    if face.detection is not None:
        box = _encode_box(face.detection.box, width, height)
        encoded["detection"] = {"box": box, "score": round(face.detection.score, 3)}
    if face.pose is not None:
        encoded["pose"] = {name: round(angle, 1) for name, angle in face.pose._asdict().items()}
    if face.openness is not None:
        encoded["open"] = {name: round(value, 3) for name, value in face.openness._asdict().items()}
        encoded["blink"] = face.blink
    if face.uncertainty is not None:
        encoded["uncertainty"] = _rounded(face.uncertainty.astype(np.float64) / width).tolist()
    encoded["landmarks"] = units.tolist()
    return encoded


def _rounded(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give an array to 5 decimals, in place; NumPy's own ``round`` takes twice as long."""
    values *= UNITS
    np.rint(values, values)
    values /= UNITS
    return values


def _encode_box(box: Box, width: int, height: int) -> list[float]:
    corners = (box.x0, width), (box.y0, height), (box.x1, width), (box.y1, height)
    return [round((value + 0.5) / side, DECIMALS) for value, side in corners]


def _decode(message: dict[str, Any]) -> Result:
    width, height = int(message["width"]), int(message["height"])
    return Result(
        index=int(message["frame"]),
        time_ns=round(float(message["t_capture"]) * 1e9),
        width=width,
        height=height,
        faces=tuple(_decode_face(face, width, height) for face in message["faces"]),
        dropped=int(message.get("dropped", 0)),
        ms=dict(message.get("ms", {})),
        image=message.get("image"),
    )


def _decode_face(face: dict[str, Any], width: int, height: int) -> Face:
    detection = face.get("detection")
    return Face(
        id=int(face["id"]),
        state=str(face["state"]),
        score=float(face["score"]),
        presence=float(face["presence"]),
        landmarks=_to_pixels(face["landmarks"], width, height),
        detection=None if detection is None else _decode_detection(detection, width, height),
        pose=_picked(Pose, face["pose"]) if "pose" in face else None,
        openness=_picked(Openness, face["open"]) if "open" in face else None,
        blink=bool(face.get("blink", False)),
        uncertainty=_to_widths(face["uncertainty"], width) if "uncertainty" in face else None,
    )


def _picked(cls: type[T], values: dict[str, Any]) -> T:
    """Give the numbers that this version knows; a later one may add some."""
    return cls(*(float(values[name]) for name in cls._fields))


def _decode_detection(detection: dict[str, Any], width: int, height: int) -> Detection:
    corners = _to_pixels(np.reshape(detection["box"], (2, 2)), width, height)
    points5 = np.full((5, 2), np.nan, np.float32)  # not on the wire
    return Detection(Box(*corners.reshape(-1).tolist()), float(detection["score"]), points5)


def _to_widths(units: Any, width: int) -> NDArray[np.float32]:
    with np.errstate(over="ignore"):
        lengths = (np.asarray(units, dtype=np.float64) * width).astype(np.float32)
    if lengths.ndim != 1 or not np.isfinite(lengths).all():
        raise DataError("expected uncertainty to be a list of finite numbers")
    return lengths


def _to_pixels(units: Any, width: int, height: int) -> Points:
    points = np.asarray(units, dtype=np.float64)
    if points.ndim != 2 or points.shape[1] != 2:
        raise DataError(f"expected points (N, 2), got shape {points.shape}")
    with np.errstate(over="ignore"):
        pixels = (points * (width, height) - 0.5).astype(np.float32)
    if not np.isfinite(pixels).all():
        raise DataError("expected finite points")
    return pixels
