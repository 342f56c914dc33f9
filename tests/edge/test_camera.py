"""Cameras, files, folders and streams, each up to the border of its library."""

import io
import os
import sys
import time
from contextlib import closing
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
from facewire_edge import camera as cameras
from facewire_edge import doctor, media, webcam
from facewire_edge.camera import Camera, ReplayCamera, StillError, list_cameras, open_camera, parse_raw
from facewire_edge.errors import DataError, HardwareError, UsageError
from facewire_edge.types import Frame

RED = (255, 0, 0)  # RGB


def make_video(path: Path, count: int = 6, fps: float = 20.0) -> Path:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), fps, (64, 48))
    assert writer.isOpened()
    for number in range(count):
        writer.write(np.full((48, 64, 3), (0, 0, 40 * number), np.uint8))  # BGR: redder and redder
    writer.release()
    return path


def make_still(path: Path, size: tuple[int, int] = (32, 24)) -> Path:
    image = np.zeros((size[1], size[0], 3), np.uint8)
    image[:] = RED[::-1]
    assert cv2.imwrite(str(path), image)
    return path


def read_all(camera: Camera) -> list[Frame]:
    with closing(camera):
        return list(iter(camera.read, None))


# --- which input ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spec", "error"),
    [
        ("", UsageError),
        ("usb:x", UsageError),
        ("usb:", UsageError),
        ("usb:" + "9" * 5000, UsageError),
        ("/dev/videofront", UsageError),
        ("http://camera/stream", UsageError),
        ("rtsp://", UsageError),
        ("usb:250", HardwareError),
        ("/dev/video250", HardwareError),
        ("/dev/v4l/by-id/absent", HardwareError),
        ("/no/such/film.mp4", DataError),
        ("webcam", DataError),
    ],
)
def test_input_that_cannot_be_opened_is_refused_in_one_line(spec: str, error: type[Exception]) -> None:
    with pytest.raises(error) as caught:
        open_camera(spec)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("spec", "error"),
    [
        ("rtsp://user:secret@127.0.0.1:9/stream", HardwareError),
        ("rtsp://127.0.0.1:9/user=admin_password=secret_channel=1.sdp", HardwareError),
        ("RTSP://user:secret@camera/stream", UsageError),
        ("my_cam://user:secret@camera/stream", UsageError),
        ("//user:secret@camera/stream", DataError),
    ],
)
def test_camera_that_does_not_open_is_named_without_the_password(spec: str, error: type[Exception]) -> None:
    with pytest.raises(error) as caught:
        open_camera(spec)
    assert "secret" not in str(caught.value)
    assert "secret" not in repr(doctor._camera(spec))


def test_usb_alone_takes_the_first_camera_on_a_usb_plug(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number, plug, name in ((0, "soc/rp1", "unicam"), (2, "usb1/1-1", "Webcam"), (10, "soc/codec", "bcm2835-codec")):
        node = tmp_path / "devices" / plug / f"video{number}"
        node.mkdir(parents=True)
        (node / "name").write_text(f"{name}\n")
        (tmp_path / f"video{number}").symlink_to(node)
    nodes = cameras._camera_nodes(tmp_path)
    monkeypatch.setattr(cameras, "_camera_nodes", lambda: nodes)
    assert cameras._usb_number("usb") == 2
    assert {"input": "/dev/video2", "name": "Webcam"} in list_cameras()


def test_numbers_of_usb_and_device_mean_the_same() -> None:
    assert cameras._usb_number("usb:3") == cameras._usb_number("/dev/video3") == 3


# --- USB, behind OpenCV --------------------------------------------------------------------------------------------


class FakeCapture:
    """Stand where cv2.VideoCapture stands: two BGR frames, then a pulled plug."""

    def __init__(self, *_: object) -> None:
        self.left = 2
        self.released = False

    def isOpened(self) -> bool:  # noqa: N802  (OpenCV's name)
        return True

    def set(self, key: int, value: float) -> bool:
        return True

    def get(self, key: int) -> float:
        return 320.0

    def read(self) -> tuple[bool, Any]:
        self.left -= 1
        return (True, np.full((4, 4, 3), RED[::-1], np.uint8)) if self.left >= 0 else (False, None)

    def release(self) -> None:
        self.released = True


def test_unplugged_usb_camera_is_a_hardware_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(cv2, "VideoCapture", FakeCapture)
    monkeypatch.setattr(webcam, "Path", lambda _: tmp_path)
    with closing(webcam.open_usb(0, None, None, None)) as camera:
        frames = [camera.read(), camera.read()]
        assert [f and f.index for f in frames] == [0, 1]
        with pytest.raises(HardwareError, match="no more frames"):
            camera.read()


def test_usb_camera_logs_what_it_got(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(cv2, "VideoCapture", FakeCapture)
    monkeypatch.setattr(webcam, "Path", lambda _: tmp_path)
    with caplog.at_level("INFO"), closing(webcam.open_usb(0, 1280, 720, 30)):
        assert "asked for 1280x720 at 30/s, got 320x320" in caplog.text


# --- video files ---------------------------------------------------------------------------------------------------


def test_file_gives_every_frame_at_its_media_time(tmp_path: Path) -> None:
    frames = read_all(open_camera(str(make_video(tmp_path / "a.mp4", count=6, fps=20))))
    assert [f.index for f in frames] == [0, 1, 2, 3, 4, 5]
    assert np.diff([f.time_ns for f in frames]) == pytest.approx(5e7)


def test_file_of_a_variable_rate_keeps_the_containers_times(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Variable(FakeCapture):
        def get(self, key: int) -> float:
            return {1: 1000.0, 0: 1300.0}[self.left] if key == cv2.CAP_PROP_POS_MSEC else 20.0

    (tmp_path / "a.mp4").touch()
    monkeypatch.setattr(cv2, "VideoCapture", Variable)
    start = time.monotonic()
    frames = read_all(open_camera(str(tmp_path / "a.mp4"), realtime=True))
    assert frames[1].time_ns - frames[0].time_ns == pytest.approx(3e8)
    assert time.monotonic() - start >= 0.3


@pytest.mark.parametrize(
    ("told_s", "expected_s"),
    [
        ([0, 0, 0, 0], [0, 0.1, 0.2, 0.3]),
        ([5, 5.1, 5.2, 5.3], [0, 0.1, 0.2, 0.3]),
        ([0, 0.1, 0.05, 0.9], [0, 0.1, 0.2, 0.9]),
        ([0, 0.5, 0, 0.1], [0, 0.5, 0.6, 0.7]),
        ([3, 2, 1, np.nan], [0, 0.1, 0.2, 0.3]),
    ],
)
def test_time_of_a_file_never_goes_back(told_s: list[float], expected_s: list[float]) -> None:
    clock = media.MediaClock(fps=10)
    assert [clock(s) for s in told_s] == pytest.approx(expected_s)


def test_file_frames_are_rgb(tmp_path: Path) -> None:
    last = read_all(open_camera(str(make_video(tmp_path / "a.mp4"))))[-1]
    red, green, blue = last.image.mean(axis=(0, 1))
    assert red > 180
    assert max(green, blue) < 20  # the codec's own error


def test_file_that_is_no_video_is_a_data_error(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"no video at all")
    with pytest.raises(DataError, match="no video"):
        open_camera(str(tmp_path / "a.mp4"))


def test_video_goes_on_behind_frames_that_cannot_be_decoded(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    data = bytearray(cameras.REPLAY.read_bytes())
    start = len(data) // 5
    data[start : start + 20_000] = np.random.default_rng(0).bytes(20_000)
    damaged = tmp_path / "damaged.mp4"
    damaged.write_bytes(data)

    frames = read_all(open_camera(str(damaged)))

    assert 100 < len(frames) < 120  # 6 in the middle are lost, not the 90 behind them too
    assert [frame.index for frame in frames] == list(range(len(frames)))
    assert f"{120 - len(frames)} frames in the middle cannot be read" in caplog.text


def test_video_may_have_a_colon_in_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_video(tmp_path / "a.mp4").rename(tmp_path / "12:30.mp4")
    monkeypatch.chdir(tmp_path)
    assert len(read_all(open_camera("12:30.mp4"))) == 6


def test_video_that_is_shorter_than_its_header_says_tells_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "short.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 20, (64, 48))
    for image in np.random.default_rng(0).integers(0, 255, (40, 48, 64, 3), dtype=np.uint8):
        writer.write(image)
    writer.release()
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    caplog.set_level("INFO")
    frames = read_all(open_camera(str(path)))
    # No warning: headers of a variable rate, or with longer sound, tell of too many frames too.
    assert [r.levelname for r in caplog.records] == ["INFO"]
    assert f"ends after {len(frames)} frames; its header tells of 40" in caplog.text


def test_whole_video_ends_without_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    assert len(read_all(open_camera("replay"))) == 120
    assert not caplog.records


def test_video_cut_off_before_its_end_is_a_data_error(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4")
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(DataError):
        read_all(open_camera(str(path)))


def test_realtime_file_takes_its_media_time(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4", count=6, fps=20)
    start = time.monotonic()
    read_all(open_camera(str(path), realtime=True))
    assert time.monotonic() - start >= 0.25  # five gaps of 50 ms


def test_packaged_replay_opens_by_name() -> None:
    with closing(open_camera("replay")) as camera:
        assert not camera.live
        assert camera.read() is not None


# --- stills --------------------------------------------------------------------------------------------------------


def test_pipe_among_the_stills_is_named_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.jpg")
    with closing(open_camera(str(tmp_path))) as camera, pytest.raises(StillError, match="is no file"):
        camera.read()


def test_folder_gives_stills_in_name_order(tmp_path: Path) -> None:
    for name in ("b.png", "a.jpg", "C.BMP"):
        make_still(tmp_path / name)
    (tmp_path / "notes.txt").write_text("not a picture")
    camera = open_camera(str(tmp_path))
    assert camera.still
    frames = read_all(camera)
    assert [(f.index, f.name) for f in frames] == [(0, "C.BMP"), (1, "a.jpg"), (2, "b.png")]
    assert frames[2].image[0, 0].tolist() == list(RED)


def test_broken_still_is_named_and_the_next_one_follows(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"\xff\xd8 cut off")
    (tmp_path / "b.jpg").write_bytes(b"")
    (tmp_path / "c.jpg").symlink_to(tmp_path / "gone.jpg")
    make_still(tmp_path / "d.png")
    camera = open_camera(str(tmp_path))
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        with pytest.raises(StillError) as caught:
            camera.read()
        assert caught.value.name == name
    frame = camera.read()
    assert frame is not None
    assert (frame.index, frame.name) == (3, "d.png")


def test_folder_without_images_is_a_data_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no image"):
        open_camera(str(tmp_path))


def test_one_image_file_is_one_still_though_its_neighbours_are_numbered(tmp_path: Path) -> None:
    for number in range(3):
        make_still(tmp_path / f"photo{number}.jpg")
    assert [f.name for f in read_all(open_camera(str(tmp_path / "photo1.jpg")))] == ["photo1.jpg"]


# --- raw frames ----------------------------------------------------------------------------------------------------


def raw(monkeypatch: pytest.MonkeyPatch, data: bytes) -> Camera:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(data)))
    return open_camera("-", raw="4x2@10")


def test_raw_stream_gives_every_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    frames = read_all(raw(monkeypatch, bytes(24) + bytes([9]) * 24))
    assert [f.image.shape for f in frames] == [(2, 4, 3)] * 2
    assert [int(f.image.max()) for f in frames] == [0, 9]
    assert frames[1].time_ns - frames[0].time_ns == 100_000_000


def test_raw_stream_cut_within_a_frame_is_a_data_error(monkeypatch: pytest.MonkeyPatch) -> None:
    camera = raw(monkeypatch, bytes(24 + 10))
    camera.read()
    with pytest.raises(DataError, match="within frame 1: got 10 of the 24 bytes"):
        camera.read()


def test_raw_stream_survives_a_pipe_that_gives_little_at_a_time() -> None:
    readable, writable = os.pipe()
    with os.fdopen(readable, "rb") as stream, os.fdopen(writable, "wb", buffering=0) as feed:
        for _ in range(4):
            feed.write(bytes(6))
        frame = media.RawStream(stream, 4, 2, 10).read()
    assert frame is not None
    assert frame.image.shape == (2, 4, 3)


@pytest.mark.parametrize(
    "text", [None, "", "640x480", "0x480@30", "640x480@0", "axb@c", "640x480@-1", "99999x99999@1", "1" * 5000 + "x2@3"]
)
def test_malformed_raw_is_a_usage_error(text: str | None) -> None:
    with pytest.raises(UsageError, match="WIDTHxHEIGHT@FPS"):
        parse_raw(text)


# --- the Pi's camera, behind picamera2 -----------------------------------------------------------------------------


class FakePicamera2:
    """Stand where picamera2.Picamera2 stands: red frames with padded rows."""

    absent = silent = False
    start_error: Exception | None = None
    opened: "list[FakePicamera2]" = []  # noqa: RUF012

    def __init__(self) -> None:
        if self.absent:
            raise IndexError("list index out of range")
        self.closed = self.stopped = False
        self.opened.append(self)

    def create_video_configuration(self, main: dict[str, Any], controls: dict[str, Any]) -> dict[str, Any]:
        return {"main": main, "controls": controls}

    def configure(self, configuration: dict[str, Any]) -> None:
        assert configuration["main"]["format"] == "BGR888"
        self.configuration = configuration

    def camera_configuration(self) -> dict[str, Any]:
        return self.configuration

    def start(self) -> None:
        if self.start_error:
            raise self.start_error

    def capture_request(self, wait: bool) -> "FakePicamera2":
        assert not wait
        return self

    def get_result(self, timeout: float) -> "FakePicamera2":
        if self.silent:
            raise TimeoutError
        return self

    def make_array(self, stream: str) -> Any:
        width, height = self.configuration["main"]["size"]
        padded = np.full((height + 2, width + 20, 3), 77, np.uint8)
        padded[:height, :width] = RED
        return padded

    def get_metadata(self) -> dict[str, int]:
        return {"SensorTimestamp": 123_456_789}

    def release(self) -> None:
        """Give the buffer back."""

    def stop(self) -> None:
        self.stopped = True

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> type[FakePicamera2]:
    class Library(FakePicamera2):
        opened = []  # noqa: RUF012

    module = ModuleType("picamera2")
    module.Picamera2 = Library  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "picamera2", module)
    return Library


def test_pi_frames_lose_their_padding_and_keep_red_red(library: type[FakePicamera2]) -> None:
    with closing(open_camera("rpi", width=50, height=30)) as camera:
        frame = camera.read()
    assert frame is not None
    assert frame.image.shape == (30, 50, 3)
    assert (frame.image == RED).all()


def test_pi_frames_carry_the_sensor_time(library: type[FakePicamera2]) -> None:
    with closing(open_camera("rpi")) as camera:
        frame = camera.read()
    assert frame is not None
    assert frame.time_ns == 123_456_789


def test_pi_camera_is_stopped_and_closed(library: type[FakePicamera2]) -> None:
    open_camera("rpi").close()
    assert (library.opened[0].stopped, library.opened[0].closed) == (True, True)


def test_silent_pi_camera_is_a_hardware_error(library: type[FakePicamera2]) -> None:
    library.silent = True
    with closing(open_camera("rpi")) as camera, pytest.raises(HardwareError, match="none within 3 s"):
        camera.read()


def test_pi_camera_that_does_not_start_is_released(library: type[FakePicamera2]) -> None:
    library.start_error = RuntimeError("no memory for buffers")
    with pytest.raises(HardwareError, match="no memory"):
        open_camera("rpi")
    assert library.opened[0].closed


def test_absent_pi_camera_is_a_hardware_error(library: type[FakePicamera2]) -> None:
    library.absent = True
    with pytest.raises(HardwareError, match="ribbon cable"):
        open_camera("rpi")


def test_missing_picamera2_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "picamera2", None)
    with pytest.raises(HardwareError, match=r"sudo apt install python3-picamera2.*--system-site-packages"):
        open_camera("rpi")


# --- frames in memory ----------------------------------------------------------------------------------------------


def test_replay_camera_loops_and_counts_on() -> None:
    images = [np.full((2, 2, 3), value, np.uint8) for value in (1, 2)]
    frames = read_all(ReplayCamera(images, fps=10, loops=2))
    assert [(f.index, int(f.image[0, 0, 0])) for f in frames] == [(0, 1), (1, 2), (2, 1), (3, 2)]
