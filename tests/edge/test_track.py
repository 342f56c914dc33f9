import importlib.util
from pathlib import Path

import numpy as np
from facewire_edge.track import Tracker, TrackSettings
from facewire_edge.types import Face, Frame

_spec = importlib.util.spec_from_file_location("edge_fakes", Path(__file__).with_name("fakes.py"))
assert _spec is not None
fakes = importlib.util.module_from_spec(_spec)
assert _spec.loader is not None
_spec.loader.exec_module(fakes)


def follow(pictures: list[np.ndarray], **settings: object) -> tuple[list[tuple[Face, ...]], int]:
    detector = fakes.Detector()
    tracker = Tracker(detector, fakes.Landmarks(), TrackSettings(**{"smooth": False, **settings}))  # type: ignore[arg-type]
    faces = [tracker(Frame(image, i, i * 33_000_000))[0] for i, image in enumerate(pictures)]
    return faces, detector.calls


def test_moving_face_keeps_its_id_and_is_detected_every_n_frames() -> None:
    faces, calls = follow([fakes.picture((40 + 3 * i, 50, 30)) for i in range(21)], detect_every=10)
    assert {f[0].id for f in faces} == {0}
    assert [f[0].state for f in faces[:3]] == ["new", "tracked", "tracked"]
    assert calls == 3  # frames 0, 10 and 20
    assert [i for i, f in enumerate(faces) if f[0].detection is not None] == [0, 10, 20]


def test_without_a_face_every_frame_is_searched() -> None:
    faces, calls = follow([fakes.picture() for _ in range(5)])
    assert calls == 5
    assert faces == [()] * 5


def test_face_that_goes_is_let_go_at_once_and_searched_for() -> None:
    pictures = [fakes.picture((50, 50, 30)), fakes.picture(), fakes.picture(), fakes.picture((140, 50, 30))]
    faces, calls = follow(pictures, detect_every=100)
    assert [len(f) for f in faces] == [1, 0, 0, 1]
    assert faces[3][0].id == 1
    assert calls == 3


def test_new_face_beside_a_followed_one_gets_an_id_of_its_own() -> None:
    faces, _ = follow([fakes.picture((50, 50, 30), (150, 50, 0 if i < 3 else 28)) for i in range(8)], detect_every=4)
    assert [len(f) for f in faces] == [1, 1, 1, 1, 2, 2, 2, 2]
    assert [f.id for f in faces[-1]] == [0, 1]


def test_largest_faces_are_kept() -> None:
    faces, _ = follow([fakes.picture((30, 50, 20), (90, 50, 40), (160, 50, 30))], max_faces=2)
    sides = [round(f.box.width) for f in faces[0]]
    assert sides == [39, 29]


def test_face_that_no_network_believes_is_not_started() -> None:
    faces, _ = follow([fakes.picture((50, 50, 30))], min_presence=1.0)
    assert faces == [()]


def test_reset_makes_the_next_picture_independent() -> None:
    detector = fakes.Detector()
    tracker = Tracker(detector, fakes.Landmarks(), TrackSettings())
    frame = Frame(fakes.picture((50, 50, 30)), 0, 0)
    first = tracker(frame)[0][0].id
    tracker.reset()
    assert tracker(frame)[0][0].id != first
    assert detector.calls == 2


def test_smoothing_follows_each_face_for_itself() -> None:
    pictures = [fakes.picture((50, 50, 30), (150 - 5 * i, 50, 28)) for i in range(6)]
    raw, _ = follow(pictures)
    smooth, _ = follow(pictures, smooth=True)
    still, moving = (np.abs(raw[-1][k].landmarks - smooth[-1][k].landmarks).max() for k in (0, 1))
    assert still < 1e-3
    assert 0 < moving < 5
