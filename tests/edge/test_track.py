import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from facewire_edge.geometry import Box, CropTransform
from facewire_edge.track import Tracker, TrackSettings
from facewire_edge.types import Detection, Face, Frame, Look, Openness

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


def test_as_many_faces_as_wanted_are_searched_for_more_rarely_until_one_goes() -> None:
    pictures = [fakes.picture((40 + i, 50, 30)) for i in range(61)] + [fakes.picture()]
    faces, calls = follow(pictures, detect_every=10, max_faces=1)
    assert [i for i, f in enumerate(faces) if f and f[0].detection is not None] == [0, 30, 60]
    assert (faces[-1], calls) == ((), 4)  # in the frame of the loss
    assert follow([*pictures, fakes.picture()], detect_every=10, max_faces=1)[1] == 5  # and in the one after it


def test_without_a_face_every_frame_is_searched() -> None:
    faces, calls = follow([fakes.picture() for _ in range(5)])
    assert calls == 5
    assert faces == [()] * 5


def test_face_that_goes_is_let_go_at_once_and_searched_for() -> None:
    pictures = [fakes.picture((50, 50, 30)), fakes.picture(), fakes.picture(), fakes.picture((140, 50, 30))]
    faces, calls = follow(pictures, detect_every=100)
    assert [len(f) for f in faces] == [1, 0, 0, 1]
    assert faces[3][0].id == 1
    assert calls == 4


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


class Fading(fakes.Landmarks):  # type: ignore[name-defined,misc]
    """See faces less and less; run beside a detector that goes on to see them, or not."""

    def __init__(self) -> None:
        super().__init__()
        self.presence, self.detector = 0.99, fakes.Detector()
        self.tracker = Tracker(self.detector, self, TrackSettings(min_presence=0.9, detect_every=100))

    def __call__(self, image: np.ndarray, crop: CropTransform) -> Look:
        look = super().__call__(image, crop)
        return look._replace(presence=min(look.presence, self.presence))

    def run(self, presences: Sequence[float], x: Callable[[int], float] = lambda i: 50) -> list[tuple[Face, ...]]:
        found = []
        for i, self.presence in enumerate(presences):
            found.append(self.tracker(Frame(fakes.picture((x(i), 50, 30), width=400), i, i * 33_000_000))[0])
        return found


def test_a_followed_face_needs_half_the_presence_of_a_new_one() -> None:
    landmarks = Fading()
    first = landmarks.run([0.4, 0.95, 0.6, 0.5])
    landmarks.detector.blind = True
    assert [len(faces) for faces in first + landmarks.run([0.4])] == [0, 1, 1, 1, 0]


def test_a_face_that_the_landmark_model_loses_goes_on_for_a_second_while_the_detector_sees_it() -> None:
    faces = Fading().run([0.95] * 5 + [0.1] * 40, lambda i: 50 + i)
    assert [len(found) for found in faces] == [1] * 35 + [0] * 10
    assert {f.id for found in faces for f in found} == {0}
    assert [round(f.presence, 2) for found in faces[4:7] for f in found] == [0.95, 0.1, 0.1]
    assert faces[30][0].box.centre[0] == pytest.approx(80, abs=2)


@pytest.mark.parametrize("change", ["blind", "weak", "away"])
def test_a_face_that_nothing_sees_is_let_go_at_once(change: str) -> None:
    landmarks = Fading()
    landmarks.run([0.95] * 5)
    landmarks.detector.blind, landmarks.detector.score = change == "blind", 0.35 if change == "weak" else 0.9
    assert landmarks.run([0.1], lambda i: 66 if change == "away" else 50) == [()]  # its box still overlaps the last


def test_a_face_that_is_not_seen_has_no_open_eyes() -> None:
    landmarks = Fading()
    landmarks.tracker._openness = lambda points: Openness(0.3, 0.3, 0.0)  # type: ignore[assignment]
    faces = landmarks.run([0.95, 0.1, 0.95])
    assert [found[0].openness is None for found in faces] == [False, True, False]


@pytest.mark.parametrize(("presences", "found"), [([0.6] * 4, [0, 0, 1, 1]), ([0.6, 0.6, 0.1, 0.6, 0.6], [0] * 5)])
def test_almost_a_face_in_three_searches_running_is_one(presences: list[float], found: list[int]) -> None:
    assert [len(faces) for faces in Fading().run(presences)] == found


def test_almost_faces_at_other_places_or_in_stills_are_none() -> None:
    assert Fading().run([0.6] * 6, lambda i: 50 + 100 * (i % 2)) == [()] * 6
    landmarks = Fading()
    for _ in range(4):
        landmarks.tracker.reset()
        assert landmarks.run([0.6]) == [()]


@pytest.mark.parametrize(
    ("presence", "found"),
    [
        ((1.0, 1.0), 1),
        ((0.4, 1.0), 1),
        ((0.2, 1.0), 0),
        ((1.0, 0.4), 0),
        ((1.0, 0.98, 1.0, 1.0), 1),  # promising: in its other crop, too
        ((1.0, 0.98, 1.0, 0.98), 0),
    ],
)
def test_a_faint_detection_is_a_face_if_the_second_look_is_certain(presence: tuple[float, ...], found: int) -> None:
    class Wavering(fakes.Landmarks):  # type: ignore[name-defined,misc]
        looks = 0

        def __call__(self, image: np.ndarray, crop: CropTransform) -> Look:
            self.looks += 1
            return super().__call__(image, crop)._replace(presence=presence[self.looks - 1])

    landmarks = Wavering()
    tracker = Tracker(fakes.Detector(faint=True), landmarks, TrackSettings(min_presence=0.5))
    assert len(tracker(Frame(fakes.picture((50, 50, 30)), 0, 0))[0]) == found
    assert landmarks.looks == (1 if presence[0] < 0.3 else len(presence))


def test_few_faint_detections_are_looked_at_in_one_search() -> None:
    tracker = Tracker(fakes.Detector(faint=True), fakes.Landmarks(), TrackSettings())
    picture = fakes.picture((20, 50, 20), (60, 50, 20), (110, 50, 30), (160, 50, 30))
    assert [len(tracker(Frame(picture, i, i * 33_000_000))[0]) for i in range(11)][::10] == [3, 4]


class Refusing(fakes.Landmarks):  # type: ignore[name-defined,misc]
    """Find no face anywhere; note where it was looked for, and whether by the box alone."""

    def __init__(self) -> None:
        super().__init__()
        self.looks: list[int] = []
        self.by_box = 0

    def crop_of_box(self, detection: Detection) -> CropTransform:
        self.by_box += 1
        return super().crop_of_box(detection)

    def __call__(self, image: np.ndarray, crop: CropTransform) -> Look:
        self.looks.append(round(crop.x))
        return super().__call__(image, crop)._replace(presence=0.1)


def test_faint_detections_that_were_no_faces_wait() -> None:
    landmarks, looks = Refusing(), []
    tracker = Tracker(fakes.Detector(faint=True), landmarks, TrackSettings())
    picture = fakes.picture(*((20 + 40 * i, 50, 20) for i in range(5)))
    for i in range(14):
        landmarks.looks = []
        tracker(Frame(picture, i, i * 33_000_000))
        looks.append(landmarks.looks)
        assert landmarks.by_box == (0 if i < 5 else 3 if i < 6 else 5)  # at each place in turn
    assert [len(found) for found in looks[:3]] == [3, 2, 0]  # three in a search, then the others
    assert len({*looks[0], *looks[1]}) == 5
    assert looks[5:7] == looks[10:12] == looks[:2]  # 0.15 s later, and again
    assert not any(looks[2:5] + looks[7:10] + looks[12:])


def test_all_faint_detections_of_a_still_are_looked_at_in_both_ways() -> None:
    landmarks = Refusing()
    tracker = Tracker(fakes.Detector(faint=True), landmarks, TrackSettings())
    tracker.reset()
    tracker(Frame(fakes.picture(*((20 + 40 * i, 50, 20) for i in range(5))), 0, 0))
    assert (len(landmarks.looks), landmarks.by_box) == (10, 5)


@pytest.mark.parametrize("faint", [True, False])
def test_face_is_found_by_its_box_where_the_points_mislead(faint: bool) -> None:
    landmarks = fakes.Landmarks()
    landmarks.crop_of_detection = lambda detection: CropTransform(0, 0, 10, 0, 64)  # type: ignore[method-assign]
    tracker = Tracker(fakes.Detector(faint=faint), landmarks, TrackSettings())
    frames = [Frame(fakes.picture((50, 50, 30)), i, i * 100_000_000) for i in range(3)]
    assert [len(tracker(frame)[0]) for frame in frames] == ([0, 0, 1] if faint else [1, 1, 1])


@pytest.mark.parametrize(("width", "forget"), [(200, True), (220, False)])  # another picture; a cut: another shape
def test_where_no_face_was_is_forgotten_with_its_picture(width: int, forget: bool) -> None:
    landmarks = Refusing()
    tracker = Tracker(fakes.Detector(faint=True), landmarks, TrackSettings())
    tracker(Frame(fakes.picture((50, 50, 30)), 0, 0))
    if forget:
        tracker.reset()
    tracker(Frame(fakes.picture((50, 50, 30), width=width), 1, 33_000_000))
    assert set(landmarks.looks[1:]) == {50}


@pytest.mark.parametrize("asked", [True, False])
def test_uncertainty_is_told_where_it_is_asked_for(asked: bool) -> None:
    faces, _ = follow([fakes.picture((50, 50, 30))] * 2, uncertainty=asked)
    assert [f.uncertainty is not None for (f,) in faces] == [asked] * 2


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


def ids_from_left(faces: list[tuple[Face, ...]]) -> list[list[int]]:
    return [[f.id for f in sorted(found, key=lambda f: f.box.x0)] for found in faces]


@pytest.mark.parametrize("front", [0, 1])
@pytest.mark.parametrize("step", [3, 6])
def test_faces_that_cross_keep_their_ids(front: int, step: int) -> None:
    pictures = []
    for i in range(40):
        x = 30 + step * i
        pair = [(x, 50, 30), (240 - x, 50, 30)]  # what is drawn last is in front
        pictures.append(fakes.picture(*(pair if front else pair[::-1]), width=260))
    faces, _ = follow(pictures)
    ids = ids_from_left(faces)
    meeting = next(i for i, found in enumerate(ids) if len(found) == 1)
    after = next(found for found in ids[meeting:] if len(found) == 2)
    assert after == ids[0][::-1]


def test_face_behind_something_for_a_moment_keeps_its_id() -> None:
    pictures = [fakes.picture((50 + i, 50, 0 if 10 <= i < 25 else 30), (150, 50, 28)) for i in range(40)]
    faces, _ = follow(pictures)
    assert [len(f) for f in faces[:25]] == [2] * 10 + [1] * 15
    assert [len(f) for f in faces[27:]] == [2] * 13  # it is searched for in every third frame
    assert {f.id for f in faces[-1]} == {0, 1}


def test_face_that_comes_back_after_a_long_time_is_a_new_one() -> None:
    pictures = [fakes.picture((50, 50, 0 if 10 <= i < 80 else 30)) for i in range(90)]  # 2.3 s at 30 a second
    faces, _ = follow(pictures)
    assert faces[-1][0].id == 1


def test_face_of_another_size_at_the_place_of_a_lost_one_is_a_new_one() -> None:
    sizes = [20] * 5 + [0] * 3 + [70] * 3
    faces, _ = follow([fakes.picture((100, 50, size)) for size in sizes])
    assert faces[-1][0].id == 1


@pytest.mark.parametrize("left", ["blind", "faint"])
def test_after_a_cut_what_the_detector_does_not_confirm_is_let_go_at_once(left: str) -> None:
    dark, bright = (np.full((100, 200, 3), level, np.uint8) for level in (10, 90))
    for image in (dark, bright):
        image[35:65, 85:115] = 250  # the landmark network goes on to see a face in both scenes
    detector = fakes.Detector()
    tracker = Tracker(detector, fakes.Landmarks(), TrackSettings(smooth=False))
    assert [len(tracker(Frame(dark, i, i * 33_000_000))[0]) for i in range(3)] == [1, 1, 1]
    tracker.slowdown = 8  # a hot board, too, must not go on with the faces of another scene
    setattr(detector, left, True)
    assert tracker(Frame(bright, 3, 99_000_000))[0] == ()
    assert detector.calls == 2


def test_track_that_jumps_must_be_confirmed() -> None:
    detector = fakes.Detector()
    tracker = Tracker(detector, fakes.Landmarks(), TrackSettings(smooth=False, detect_every=100))
    tracker(Frame(fakes.picture((50, 50, 30), width=600, height=300), 0, 0))
    detector.blind = True
    huge = fakes.picture(
        (75, 50, 80), width=600, height=300
    )  # around the same place: the landmarks leap from 30 px to 80 px
    assert len(tracker(Frame(huge, 1, 33_000_000))[0]) == 1
    assert tracker(Frame(huge, 2, 66_000_000))[0] == ()


def test_second_box_on_a_followed_face_starts_nothing() -> None:
    class Doubling(fakes.Detector):  # type: ignore[name-defined,misc]
        def __call__(self, image: np.ndarray) -> list[Detection]:
            found = super().__call__(image)
            return found + [replace(d, box=Box(d.box.x0, d.box.y0 - 40, d.box.x1, d.box.y0)) for d in found]

    tracker = Tracker(Doubling(), fakes.Landmarks(), TrackSettings(detect_every=1))
    faces = [tracker(Frame(fakes.picture((50, 60, 30)), i, i * 33_000_000))[0] for i in range(5)]
    assert [[f.id for f in found] for found in faces] == [[0]] * 5
