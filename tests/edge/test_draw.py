"""Messages drawn on the frames that they belong to."""

import argparse
from pathlib import Path

import cv2
import numpy as np
import pytest
from facewire_edge import draw
from facewire_edge.camera import ReplayCamera
from facewire_edge.errors import DataError, OutputError, UsageError
from facewire_edge.geometry import Box
from facewire_edge.message import Message, Origin, encode, to_line
from facewire_edge.schema import IBUG68, SCHEMAS
from facewire_edge.types import Detection, Face, Result
from numpy.typing import NDArray

FPS = 20.0
SIZE = (128, 96)  # width, height


def make_face(size: tuple[int, int] = SIZE, n: int = 68) -> Face:
    angle = np.linspace(0, 2 * np.pi, n, endpoint=False)
    ring = np.stack([np.cos(angle), np.sin(angle)], axis=1) * (size[1] / 3) + np.array(size) / 2
    points = ring.astype(np.float32)
    return Face(3, "new", 0.9, 0.8, points, Detection(Box.around(points), 0.9, points[:5]))


def line(index: int, size: tuple[int, int] = SIZE, schema: str = "ibug68", image: str | None = None) -> str:
    result = Result(index, round(index * 1e9 / FPS), *size, (make_face(size),), image=image)
    return to_line(encode(result, Origin("cam0", schema, "model"), 0, 1_700_000_000_000_000_000))


def make_video(path: Path, count: int = 5) -> Path:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), FPS, SIZE)
    for _ in range(count):
        writer.write(np.full((SIZE[1], SIZE[0], 3), 60, np.uint8))
    writer.release()
    return path


def write_lines(path: Path, *lines: str) -> Path:
    path.write_text("".join(f"{text}\n" for text in lines))
    return path


def run(messages: Path, spec: Path, out: Path, schema: str | None = None) -> None:
    draw.run(argparse.Namespace(messages=messages, input=str(spec), out=out, schema=schema))


def read_video(path: Path) -> tuple[float, list[NDArray[np.uint8]]]:
    capture = cv2.VideoCapture(str(path))
    frames = []
    while (got := capture.read())[0]:
        frames.append(np.asarray(got[1], np.uint8))
    return float(capture.get(cv2.CAP_PROP_FPS)), frames


@pytest.mark.parametrize("suffix", [".mp4", ".avi"])
def test_video_keeps_frame_count_and_rate(tmp_path: Path, suffix: str) -> None:
    messages = write_lines(tmp_path / "m.jsonl", *(line(i) for i in range(5)))
    run(messages, make_video(tmp_path / "in.mp4"), tmp_path / f"out{suffix}")
    fps, frames = read_video(tmp_path / f"out{suffix}")
    assert fps == pytest.approx(FPS)
    assert len(frames) == 5


def test_message_lands_on_the_frame_of_its_index(tmp_path: Path) -> None:
    messages = write_lines(tmp_path / "m.jsonl", line(1), '{"v":1,"type":"status"}', line(3))
    run(messages, make_video(tmp_path / "in.mp4"), tmp_path / "out")
    pictures = sorted((tmp_path / "out").glob("*.png"))
    drawn = [int(np.ptp(np.asarray(cv2.imread(str(p))))) > 100 for p in pictures]
    assert drawn == [False, True, False, True, False]


def test_stills_are_matched_by_name_and_broken_ones_left_out(tmp_path: Path) -> None:
    folder = tmp_path / "stills"
    folder.mkdir()
    for name in ("a.jpg", "a.png", "c.jpg"):
        cv2.imwrite(str(folder / name), np.full((SIZE[1], SIZE[0], 3), 60, np.uint8))
    (folder / "b.jpg").write_bytes(b"broken")
    messages = write_lines(tmp_path / "m.jsonl", line(3, image="c.jpg"))
    run(messages, folder, tmp_path / "out")
    drawn = {p.name: int(np.ptp(np.asarray(cv2.imread(str(p))))) > 100 for p in (tmp_path / "out").iterdir()}
    assert drawn == {"a.png": False, "a.png.png": False, "c.png": True}


def test_video_of_stills_has_the_usual_rate_however_fast_they_were_read(tmp_path: Path) -> None:
    messages = draw.read_messages(write_lines(tmp_path / "m.jsonl", line(0, image="a.jpg"), line(1, image="b.jpg")))
    assert draw.frame_rate(messages) == draw.DEFAULT_FPS


def test_file_of_several_runs_gives_the_last_one(tmp_path: Path) -> None:
    messages = write_lines(tmp_path / "m.jsonl", line(0), line(7), line(0), line(1))
    assert list(draw.read_messages(messages)) == [0, 1]


@pytest.mark.parametrize("schema", [*SCHEMAS, "someone's own"])
def test_points_are_drawn_whatever_the_schema(schema: str) -> None:
    frame = ReplayCamera([np.zeros((96, 128, 3), np.uint8)]).read()
    assert frame is not None
    face = make_face()
    result = Result(0, 0, 128, 96, (face,))
    drawn = draw.draw(frame, Message(result, "cam0", schema, "model"))
    x, y = np.round(face.landmarks[20]).astype(int)
    assert drawn[y, x].max() > 150
    assert not frame.image.any()  # the frame itself is left alone


def test_lines_of_a_schema_of_ones_own_are_drawn(tmp_path: Path) -> None:
    schema = tmp_path / "mine.toml"
    names = ", ".join(f'"p{i}"' for i in range(68))
    schema.write_text(
        f'name = "mine"\nnames = [{names}]\nmirror = []\neye_corners = [0, 1]\n'
        '[[contours]]\nname = "across"\nindices = [0, 34]\n'
    )
    stills = tmp_path / "stills"
    stills.mkdir()
    cv2.imwrite(str(stills / "a.png"), np.zeros((SIZE[1], SIZE[0], 3), np.uint8))
    messages = write_lines(tmp_path / "m.jsonl", line(0, schema="mine", image="a.png"))
    centres = []
    for name, given in (("points", None), ("lines", str(schema))):
        run(messages, stills, tmp_path / name, given)
        centres.append(cv2.imread(str(next((tmp_path / name).glob("*.png"))))[46:51, 62:67].max())
    assert centres[0] == 0 < 100 < centres[1]  # the line from the first point to the one opposite


def test_each_contour_has_its_own_colour() -> None:
    most = max(len(schema.contours) for schema in SCHEMAS.values())
    assert len(set(draw.COLOURS)) == len(draw.COLOURS) >= most


def test_lines_are_thicker_on_a_larger_face() -> None:
    lit = []
    for size in ((320, 240), (3840, 2160)):
        image = np.zeros((size[1], size[0], 3), np.uint8)
        draw.draw_face(image, make_face(size), IBUG68)
        lit.append(image.any(axis=2).sum() / size[1])  # grows with the line's width times the face's length
    assert lit[1] > 2 * lit[0]


@pytest.mark.parametrize("value", [-1e12, 1e30, np.nan, np.inf])
def test_landmark_far_outside_is_drawn_without_harm(value: float) -> None:
    image = np.zeros((96, 128, 3), np.uint8)
    face = make_face()
    face.landmarks[5] = value
    draw.draw_face(image, face, IBUG68)
    assert image.any()


def test_output_over_its_own_input_is_refused(tmp_path: Path) -> None:
    video = make_video(tmp_path / "in.mp4")
    before = video.read_bytes()
    with pytest.raises(UsageError, match="both input and output"):
        run(write_lines(tmp_path / "m.jsonl", line(0)), video, video)
    assert video.read_bytes() == before


@pytest.mark.parametrize("spec", ["-", "usb", "rpi", "rtsp://host/stream"])
def test_camera_as_input_is_refused(tmp_path: Path, spec: str) -> None:
    with pytest.raises(UsageError, match="file or a folder"):
        draw.run(argparse.Namespace(messages=tmp_path / "m.jsonl", input=spec, out=tmp_path / "out.mp4"))


def test_unknown_output_suffix_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="unknown output"):
        run(write_lines(tmp_path / "m.jsonl", line(0)), make_video(tmp_path / "in.mp4"), tmp_path / "out.gif")


def test_folder_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    with pytest.raises(UsageError, match="not empty"):
        run(write_lines(tmp_path / "m.jsonl", line(0)), make_video(tmp_path / "in.mp4"), tmp_path / "out")
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["mine.txt"]


@pytest.mark.parametrize("out", ["out", "out.mp4"])
def test_messages_of_another_input_leave_no_output(tmp_path: Path, out: str) -> None:
    video = make_video(tmp_path / "in.mp4")
    for text in (line(99), line(0, (64, 48)), line(0, image="x.jpg")):
        messages = write_lines(tmp_path / "m.jsonl", text)
        with pytest.raises(DataError, match="another input"):
            run(messages, video, tmp_path / out)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in.mp4", "m.jsonl"]


def test_line_that_is_no_message_is_named_by_its_number(tmp_path: Path) -> None:
    messages = write_lines(tmp_path / "m.jsonl", line(0), '{"v":2,"type":"faces"}')
    with pytest.raises(DataError, match=r"m\.jsonl:2"):
        draw.read_messages(messages)


def test_line_that_was_cut_off_is_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "m.jsonl"
    text = line(1, schema="one\u2028two\x85é").encode()  # line ends of Unicode, which JSON may hold
    path.write_bytes(b"\n".join([line(0).encode(), text[:-20], text[:40] + b"\xc3", text]))
    assert list(draw.read_messages(path)) == [0, 1]
    assert [r.getMessage() for r in caplog.records] == [f"{path}:2 is no whole line; such lines are left out: 2"]


def test_stills_of_several_sizes_do_not_fit_one_video(tmp_path: Path) -> None:
    folder = tmp_path / "stills"
    folder.mkdir()
    for name, size in (("a.png", SIZE), ("b.png", (64, 48))):
        cv2.imwrite(str(folder / name), np.zeros((size[1], size[0], 3), np.uint8))
    messages = write_lines(tmp_path / "m.jsonl", line(0, image="a.png"))
    with pytest.raises(DataError, match="differs in size"):
        run(messages, folder, tmp_path / "out.mp4")
    assert not (tmp_path / "out.mp4").exists()


def test_output_in_a_place_that_cannot_be_written_is_an_output_error(tmp_path: Path) -> None:
    messages = write_lines(tmp_path / "m.jsonl", line(0))
    for out in ("/proc/none/out.mp4", "/proc/none/out"):
        with pytest.raises(OutputError):
            run(messages, make_video(tmp_path / "in.mp4"), Path(out))
