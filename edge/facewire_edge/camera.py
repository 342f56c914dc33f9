"""The one place where an ``--input`` becomes a camera."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Protocol

from facewire_edge.addresses import hide_password
from facewire_edge.errors import DataError, HardwareError, UsageError
from facewire_edge.media import IMAGE_SUFFIXES, ImageFolder, RawStream, StillError, VideoFile, stills_in
from facewire_edge.opencv import require_opencv
from facewire_edge.replay import ReplayCamera
from facewire_edge.types import Frame
from facewire_edge.webcam import open_rtsp, open_usb

__all__ = ["Camera", "ReplayCamera", "StillError", "is_live", "list_cameras", "open_camera", "parse_raw"]

REPLAY = Path(__file__).parent / "replay.mp4"
KNOWN = "rpi, usb, usb:N, /dev/videoN, rtsp://..., a file, a folder, - or replay"
USB = r"usb$|usb:|/dev/(video|v4l/)"
USB_WHOLE = r"usb|(usb:|/dev/video)\d{1,4}|/dev/v4l/.+"
RTSP = r"rtsps?://[^/]"
LIVE = rf"rpi$|{USB}|{RTSP}"
MAX_RAW_SIDE_PX = 16384  # larger is a slip of the keyboard, and one frame would not fit into a Pi's memory
# Video nodes of a Pi's own chips (codecs, image processors, the ribbon cable's receiver): no camera to open by hand.
CHIP_NODES = ("bcm2835-", "rpi-", "rpivid", "pispbe-", "rp1-cfe", "unicam")


class Camera(Protocol):
    """Give frames until the input ends."""

    live: bool  # newest frame wins; else every frame counts
    still: bool  # independent pictures: nothing to follow

    def read(self) -> Frame | None:
        """Give the next frame, None at the end.

        Raises:
            HardwareError: the camera is gone.
            StillError: one still cannot be read; the next call gives the next one.

        """

    def close(self) -> None:
        """Release the device."""


def open_camera(
    spec: str,
    *,
    width: int | None = None,
    height: int | None = None,
    fps: float | None = None,
    raw: str | None = None,
    realtime: bool = False,
) -> Camera:
    """Open what ``--input`` names.

    Raises:
        UsageError: the name cannot be meant.
        HardwareError: there is no such camera, or it does not answer.
        DataError: a file or folder is missing, empty or no video.
        RuntimeMissingError: there is no OpenCV.

    """
    require_opencv()
    check_input(spec, raw)
    if spec == "rpi":
        from facewire_edge.picamera import PiCamera

        return PiCamera(width, height, fps)
    if re.match(USB, spec):
        return open_usb(_usb_number(spec), width, height, fps)
    if re.match(RTSP, spec):
        return open_rtsp(spec)
    if spec == "-":
        return RawStream(sys.stdin.buffer, *parse_raw(raw), realtime=realtime)
    return _open_path(REPLAY if spec == "replay" else Path(spec), fps, realtime)


def check_input(spec: str, raw: str | None = None) -> None:
    """Refuse an ``--input`` that no camera can make good, without opening anything.

    Raises:
        UsageError: the name cannot be meant.
        DataError: there is no such file or folder, or the folder holds no image.

    """
    if re.match(USB, spec):
        if not re.fullmatch(USB_WHOLE, spec, re.DOTALL):
            raise UsageError(f"malformed input {spec!r}; expected usb:N or /dev/videoN with a number N")
    elif spec == "-":
        parse_raw(raw)
    elif spec not in ("rpi", "replay") and not re.match(RTSP, spec):
        _check_path(spec)


def _check_path(spec: str) -> None:
    if not spec or re.match("[^/]*://", spec):
        raise UsageError(f"unknown input {hide_password(spec)!r}; expected {KNOWN}")
    if Path(spec).is_dir():
        stills_in(Path(spec))
    elif not Path(spec).is_file():
        raise DataError(f"no file, folder or camera {hide_password(spec)!r}; expected {KNOWN}")


def is_live(spec: str) -> bool:
    """Say whether an ``--input`` is a camera: what never ends by itself, and may vanish."""
    return re.match(LIVE, spec) is not None


def parse_raw(raw: str | None) -> tuple[int, int, float]:
    """Give width, height and frames a second of ``WIDTHxHEIGHT@FPS``.

    Raises:
        UsageError: the text is missing or has another form.

    """
    match = re.fullmatch(r"(\d{1,5})x(\d{1,5})@(\d{1,9}(?:\.\d{1,20})?)", raw or "", re.ASCII)
    width, height, fps = (int(match[1]), int(match[2]), float(match[3])) if match else (0, 0, 0.0)
    if fps > 0 and 0 < width <= MAX_RAW_SIDE_PX and 0 < height <= MAX_RAW_SIDE_PX:
        return width, height, fps
    raise UsageError(f"--input - needs --raw WIDTHxHEIGHT@FPS, for instance 640x480@30; got {raw!r}")


def list_cameras() -> list[dict[str, str]]:
    """Give input and name of each camera that this machine has."""
    from facewire_edge.picamera import list_pi_cameras

    found = [{"input": "rpi", "name": name} for name in list_pi_cameras()]
    return found + [{"input": f"/dev/{node.name}", "name": _node_name(node)} for node in _camera_nodes()]


def _open_path(path: Path, fps: float | None, realtime: bool) -> Camera:
    if path.is_dir() or path.suffix.lower() in IMAGE_SUFFIXES:  # OpenCV would read photo1.jpg, photo2.jpg as one video
        return ImageFolder(path, fps, realtime)
    return VideoFile(path, realtime)


def _usb_number(spec: str) -> int:
    """Give the N of /dev/videoN; ``usb`` alone is the first camera on a USB plug, whatever its number."""
    if spec == "usb":
        plugs = (node for node in _camera_nodes() if "/usb" in str(node.resolve()))
        return _node_number(next(plugs, Path("video0")))
    match = re.fullmatch(r"(?:usb:|/dev/video)(\d{1,4})", str(Path(spec).resolve()) if spec[0] == "/" else spec)
    if match is None:
        raise HardwareError(f"no camera {spec}; plug it in, or see `facewire-edge cameras`")
    return int(match[1])


def _camera_nodes(root: Path = Path("/sys/class/video4linux")) -> list[Path]:
    """Give the video nodes that are cameras; a camera's second node carries metadata, not pictures."""
    nodes = sorted((node for node in root.glob("video*") if node.name[5:].isdigit()), key=_node_number)
    return [n for n in nodes if _read(n / "index") in ("", "0") and not _node_name(n).startswith(CHIP_NODES)]


def _node_number(node: Path) -> int:
    return int(node.name.removeprefix("video"))


def _node_name(node: Path) -> str:
    return _read(node / "name") or node.name


def _read(path: Path) -> str:
    return path.read_text().strip() if path.is_file() else ""
