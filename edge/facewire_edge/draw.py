"""The verb ``draw``: messages on their frames, as a video or as pictures."""

from __future__ import annotations

import argparse
import json
import logging
import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facewire_edge.addresses import hide_password
from facewire_edge.camera import Camera, StillError, open_camera
from facewire_edge.errors import DataError, UsageError
from facewire_edge.geometry import Box
from facewire_edge.media import DEFAULT_FPS
from facewire_edge.message import Message, decode
from facewire_edge.schema import SCHEMAS, LandmarkSchema, find_schema
from facewire_edge.types import Face, Frame, Image, Points
from facewire_edge.writers import VIDEO_SUFFIXES, Writer, picture_writer, video_writer

log = logging.getLogger(__name__)

MAX_FPS = 240.0  # of any camera that this runs on
SUB_PIXEL = 3  # binary digits of OpenCV's places
# Okabe and Ito's palette, told apart by colour-blind eyes too, and three more for schemas of many contours. RGB.
COLOURS = (
    *((230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66), (213, 94, 0), (204, 121, 167)),
    *((255, 255, 255), (0, 114, 178), (255, 64, 64), (160, 255, 160)),
)
FAR_PX = 1 << 20  # places are clipped to this: a message may say anything, OpenCV counts in 32 bits


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the verb's arguments."""
    parser.add_argument("messages", type=Path, help="JSON lines, as the sinks stdout and jsonl write them")
    parser.add_argument("input", help="the file or folder that the messages are of; `replay` for the packaged clip")
    parser.add_argument("out", type=Path, help=f"a video ({', '.join(VIDEO_SUFFIXES)}) or a folder for PNGs")
    parser.add_argument("--schema", metavar="FILE.toml", help="of your own landmarks, for the lines between them")


def run(arguments: argparse.Namespace) -> None:
    """Draw.

    Raises:
        UsageError: input or output cannot be meant.
        DataError: messages or input cannot be read, or do not belong together.
        OutputError: the disk does not take the result.

    """
    out: Path = arguments.out
    _check_paths(arguments.messages, arguments.input, out)
    messages = read_messages(arguments.messages)
    schema = None if arguments.schema is None else find_schema(arguments.schema)
    video = out.suffix.lower() in VIDEO_SUFFIXES
    with video_writer(out, frame_rate(messages)) if video else picture_writer(out) as write:
        count = _draw_all(arguments.input, messages, write, schema)
    log.info("drew %d frames with messages into %s", count, out)


def read_messages(path: Path) -> dict[int | str, Message]:
    """Read the ``faces`` messages of a file, by the frame's index or, for stills, by the image's name.

    A file that several runs were appended to gives the last one: there the index starts again. A line that was cut off,
    as by a power cut, is passed over with a warning.

    Raises:
        DataError: the file cannot be read or holds no such message.

    """
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").split("\n")  # JSON may hold other line ends
    except OSError as error:
        raise DataError(f"cannot read messages {path}: {error.strerror}") from error
    found: dict[int | str, Message] = {}
    last, cut_off = -1, []
    for number, line in enumerate(lines, 1):
        try:
            message = decode(line) if line.strip() else None
        except DataError as error:
            if not isinstance(error.__cause__, json.JSONDecodeError):
                raise DataError(f"{path}:{number}: {error}") from error
            cut_off.append(number)
            continue
        if message is None:
            continue
        result = message.result
        if result.index <= last:
            found.clear()
        found[result.index if result.image is None else result.image], last = message, result.index
    if cut_off:
        log.warning("%s:%d is no whole line; such lines are left out: %d", path, cut_off[0], len(cut_off))
    if not found:
        raise DataError(f"{path} holds no message of type faces; expected what the sinks stdout and jsonl write")
    return found


def frame_rate(messages: dict[int | str, Message]) -> float:
    """Give the frame rate that capture times and indices agree on; stills have none."""
    results = [m.result for m in messages.values()]
    first, last = results[0], results[-1]
    seconds, frames = (last.time_ns - first.time_ns) / 1e9, last.index - first.index
    if seconds <= 0 or frames <= 0 or first.image is not None:
        return DEFAULT_FPS
    # MPEG-4 counts time in 1/65535 s: more decimals than these are refused.
    return min(max(round(frames / seconds, 2), 1.0), MAX_FPS)


def _check_paths(messages: Path, spec: str, out: Path) -> None:
    """Refuse what would overwrite its own input, or makes no kind of output that we know."""
    if out.suffix and out.suffix.lower() not in VIDEO_SUFFIXES and not out.is_dir():
        raise UsageError(f"unknown output {out.name!r}; expected {', '.join(VIDEO_SUFFIXES)} or a folder for PNGs")
    for source in (messages, Path(spec)):
        if os.path.realpath(out) == os.path.realpath(source):  # Path.resolve fails on links that lead to themselves
            raise UsageError(f"{out} is both input and output; choose another output")
    if spec in ("-", "rpi", "usb") or spec.startswith(("usb:", "/dev/video", "rtsp")):
        got = hide_password(spec)
        raise UsageError(f"draw needs a file or a folder, got {got!r}; a camera does not give the same frames again")


def _draw_all(spec: str, messages: dict[int | str, Message], write: Writer, schema: LandmarkSchema | None) -> int:
    """Write every frame of the input, drawn on where there is a message; give the number of those."""
    count = 0
    with closing(open_camera(spec)) as camera:
        for frame in _frames(camera):
            message = messages.get(frame.index if frame.name is None else frame.name)
            count += message is not None
            write(frame.image if message is None else draw(frame, message, schema), frame.name or f"{frame.index:06d}")
    if not count:
        raise DataError(f"no message belongs to a frame of {spec}; are they of another input?")
    return count


def _frames(camera: Camera) -> Iterator[Frame]:
    """Give all frames that can be read."""
    while True:
        try:
            frame = camera.read()
        except StillError as error:
            log.warning("%s", error)
            continue
        if frame is None:
            return
        yield frame


def draw(frame: Frame, message: Message, schema: LandmarkSchema | None = None) -> Image:
    """Give a copy of the frame with its faces drawn; ``schema`` is that of the message, where it is not built in.

    Raises:
        DataError: the message speaks of a picture of another size.

    """
    image = frame.image.copy()
    height, width = image.shape[:2]
    said = message.result.width, message.result.height
    if said != (width, height):
        raise DataError(
            f"frame {frame.name or frame.index} has {width}x{height} px, its message says {said[0]}x{said[1]}; "
            "are they of another input?"
        )
    for face in message.result.faces:
        draw_face(image, face, schema or SCHEMAS.get(message.schema))
    return image


def draw_face(image: Image, face: Face, schema: LandmarkSchema | None) -> None:
    """Draw contours where the schema is known, points, both boxes, id and presence into ``image``."""
    import cv2

    width = max(1, round(min(max(face.box.width, face.box.height), *image.shape[:2]) / 200))
    places = _places(face.landmarks)
    for x, y in places.tolist():
        cv2.circle(image, (x, y), width << SUB_PIXEL, (0, 255, 0), -1, cv2.LINE_AA, SUB_PIXEL)
    for number, contour in enumerate(schema.contours if schema is not None and schema.n == len(places) else ()):
        line = places[list(contour.indices)]
        cv2.polylines(image, [line], contour.closed, COLOURS[number % len(COLOURS)], width, cv2.LINE_AA, SUB_PIXEL)
    _draw_box(image, face.box, (128, 128, 128), width)
    if face.detection is not None:
        _draw_box(image, face.detection.box, (255, 255, 0), width)
    _draw_label(image, f"{face.id} {face.presence:.2f}", face.box, width)


def _places(points: Points) -> NDArray[np.int32]:
    """Give points (N, 2) in OpenCV's fixed-point numbers."""
    near = np.clip(np.nan_to_num(points), -FAR_PX, FAR_PX)
    return np.asarray(np.round(near * (1 << SUB_PIXEL)), dtype=np.int32)


def _draw_box(image: Image, box: Box, colour: tuple[int, int, int], width: int) -> None:
    import cv2

    (x0, y0), (x1, y1) = _places(np.array([[box.x0, box.y0], [box.x1, box.y1]], np.float32)).tolist()
    cv2.rectangle(image, (x0, y0), (x1, y1), colour, width, cv2.LINE_AA, SUB_PIXEL)


def _draw_label(image: Image, text: str, box: Box, width: int) -> None:
    """Write above the box, inside the picture; letters grow with the face and with the picture."""
    import cv2

    scale = max(0.45, min(box.width, image.shape[0]) / 400, image.shape[0] / 1500)
    ((x, y),) = (_places(np.array([[box.x0, box.y0]], np.float32)) >> SUB_PIXEL).tolist()
    corner = (max(0, x), max(round(24 * scale), y - 2 - width))  # a capital of this font is 22 px high at scale 1
    for colour, extra in (((0, 0, 0), 2), ((255, 255, 0), 0)):  # a dark rim: readable on a bright wall
        cv2.putText(image, text, corner, cv2.FONT_HERSHEY_SIMPLEX, scale, colour, width + extra, cv2.LINE_AA)
