"""Follow faces: detect every N frames, crop from the last landmarks in between, keep ids over short losses."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from facewire_edge.cut import CutWatch
from facewire_edge.detect import FaceDetector
from facewire_edge.errors import ModelError
from facewire_edge.first_look import HALF, FirstLook, LandmarkFinder, look_again
from facewire_edge.geometry import Box
from facewire_edge.motion import Motion
from facewire_edge.openness import Blink, FaceOpenness
from facewire_edge.pose import HeadPose
from facewire_edge.smooth import OneEuro
from facewire_edge.types import Detection, Face, Frame, Image, Look

# A face box (forehead to chin) and the landmark box of the same face overlap by 0.5 to 0.7; of neighbours by less.
MATCH_IOU = 0.25
SAME_IOU = 0.5  # two tracks whose landmark boxes overlap by more follow one face
APART_IOU = 0.05  # below it two faces do not disturb each other's landmarks
# Distances are in face sizes; see Motion.distance.
TELLING = 0.1  # of two tracks on one face, the one that is farther by this from its own course has gone astray
AMBIGUOUS_FRAMES = 5  # with no telling difference, before the newer of the two is let go
JUMP = 0.5  # a track that goes so far in one frame must be confirmed by the detector
REVIVE = 1.0  # a face that appears so near to where a lost one was, or would be by now, is the lost one
KEEP_S = 2.0  # how long a lost face is remembered
# The landmark model loses a face that turns beyond the profile, or that something covers, before the detector does.
# Where that sees it, and at so little distance, it goes on. With this, and with the search in the very frame in which a
# face is lost, 78.2 instead of 72.7 % of the faces of 40 px and more are found while a camera pans over 649 pictures of
# WIDER; 0.7 instead of 0.4 % of what is shown is none, most of it drawn faces (2026-11-23).
CONFIRMS = 0.4  # the detector's score
UNSEEN_S = 1.0  # since its landmarks showed a face
TOUCH_IOU = 0.1  # with where it was last
NEAR = 0.4
SEARCH_EVERY = 3  # frames from one search to the next while a lost face is remembered
FULL = 3  # so many times more rarely is a frame searched while as many faces are followed as are wanted
REHEARSAL_PX = 128


@dataclass(frozen=True, slots=True)
class TrackSettings:
    """Set how faces are found and followed."""

    max_faces: int = 5
    detect_every: int = 10
    min_presence: float = 0.5  # of a new face; half is enough to go on: it has been a face until now
    smooth: bool = True
    pose: bool = False
    blink: bool = False
    uncertainty: bool = False


@dataclass(slots=True, eq=False)
class _Track:
    id: int
    look: Look  # as the network says: the next crop must not lag behind the face
    box: Box  # of the face; see LandmarkModel.box_of
    motion: Motion  # stands still while another face is near: it then tells whose landmarks went astray
    score: float
    detection: Detection | None
    smoother: OneEuro | None
    blink: Blink
    state: str = "new"
    shared: int = 0  # frames for which it has followed the same face as another track
    doubt: str = ""  # "jump" or "cut": the detector must confirm it
    seen_ns: int = 0  # when its landmarks showed a face last


class Tracker:
    """Turn frames into faces."""

    def __init__(self, detector: FaceDetector, landmarks: LandmarkFinder, settings: TrackSettings) -> None:
        self.slowdown = 1  # so many times more rarely does the detector run; for a hot board
        self._detector = detector
        self._landmarks = landmarks
        self._first_look = FirstLook(landmarks, settings.min_presence)
        self._is_cut = CutWatch()
        self._settings = settings
        self._head_pose = HeadPose(landmarks.schema) if settings.pose else None
        self._openness = FaceOpenness(landmarks.schema) if settings.blink else None
        self._tracks: list[_Track] = []
        self._lost: list[_Track] = []
        self._still = False
        self._next_id = 0
        self._time_ns = 0
        self._search_next()  # the first frame

    def __call__(self, frame: Frame) -> tuple[tuple[Face, ...], dict[str, float]]:
        """Give the faces of a frame, largest first, and the milliseconds of the stages."""
        self._time_ns = frame.time_ns
        self._lost = [t for t in self._lost if frame.time_ns - t.motion.time_ns <= KEEP_S * 1e9]
        if self._is_cut(frame.image):
            self._begin_scene()
        start, crop_ns = time.perf_counter_ns(), self._landmarks.crop_ns
        detections, detect_ms = self._detect(frame.image)
        if self._follow(frame.image) and detections is None:
            detections, detect_ms = self._detect(frame.image)
        if detections is not None:
            self._match(frame.image, detections)
        self._settle()
        self._tracks = sorted(self._tracks, key=lambda t: -t.box.area)[: self._settings.max_faces]
        self._still = False
        faces = tuple(self._face(track) for track in self._tracks if not track.shared)
        crop_ms, all_ms = (self._landmarks.crop_ns - crop_ns) / 1e6, (time.perf_counter_ns() - start) / 1e6
        return faces, {"detect": detect_ms, "crop": crop_ms, "landmarks": all_ms - detect_ms}

    def take_models(self, other: Tracker) -> None:
        """Go on with another tracker's models and settings; keep the faces if the points mean the same."""
        before, after = self._landmarks.schema, other._landmarks.schema
        self._detector, self._landmarks, self._settings = other._detector, other._landmarks, other._settings
        self._first_look = other._first_look
        self._head_pose, self._openness = other._head_pose, other._openness
        if (before.name, before.names) != (after.name, after.names):  # a schema of one's own may change under its name
            self.reset()

    def rehearse(self) -> None:
        """Run both models once on a grey picture.

        Raises:
            ModelError: the answer is no number.

        """
        grey = np.full((REHEARSAL_PX, REHEARSAL_PX, 3), 127, np.uint8)
        self._detector(grey)
        points5 = np.array([[40, 40], [88, 40], [64, 64], [45, 88], [83, 88]], np.float32)
        somewhere = Detection(Box(30, 5, 98, 95), 1.0, points5)
        look = self._landmarks(grey, self._landmarks.crop_of_detection(somewhere))
        told = () if look.uncertainty is None else look.uncertainty
        if not np.isfinite(look.points).all() or not np.isfinite(look.presence) or not np.isfinite(told).all():
            raise ModelError("the landmark model answers a grey picture with no numbers; convert it again")

    def reset(self) -> None:
        """Forget all tracks, and where no face was: the next frame is another picture, perhaps the last."""
        self._tracks, self._lost, self._still = [], [], True
        self._first_look.forget()
        self._search_next()

    def _begin_scene(self) -> None:
        """After a cut, forget the lost and where no face was; the detector must confirm the others at once."""
        self._lost = []
        self._first_look.forget()
        for track in self._tracks:
            track.doubt = "cut"
        self._search_next()

    def _search_next(self) -> None:
        self._since_detection = np.inf

    def _detect(self, image: Image) -> tuple[list[Detection] | None, float]:
        """Search the frame when it is due, or when nothing is followed; else give None."""
        self._since_detection += 1
        if self._since_detection < self._search_every() * self.slowdown:
            return None, 0.0
        self._since_detection = 0
        self._first_look.begin(self._time_ns, still=self._still)
        start = time.perf_counter_ns()
        detections = self._detector(image)
        return detections, (time.perf_counter_ns() - start) / 1e6

    def _search_every(self) -> int:
        every = self._settings.detect_every
        if not self._tracks:
            return 1
        if len(self._tracks) >= self._settings.max_faces:
            return every * FULL
        return min(every, SEARCH_EVERY) if self._lost else every

    def _follow(self, image: Image) -> bool:
        """Find each track's landmarks around its last ones; let go of those that show no face, and say if any does."""
        before = len(self._tracks)
        for track in list(self._tracks):
            look = self._landmarks(image, self._landmarks.crop_of_landmarks(track.look.points))
            track.state, track.detection = "tracked", None
            if not self._shows_face(look):
                self._lose(track)
                continue
            box = self._landmarks.box_of(look.points)
            if Motion.of(track.box, self._time_ns).distance_from_last(box) > JUMP:
                track.doubt = "jump"
                self._search_next()
            track.look, track.box, track.seen_ns = look, box, self._time_ns
        return len(self._tracks) < before

    def _shows_face(self, look: Look) -> bool:
        return look.presence >= self._settings.min_presence * HALF

    def _lose(self, track: _Track) -> None:
        """Let a track go, remember it unless it is of another scene, and look for its face at once."""
        self._tracks.remove(track)
        if track.doubt != "cut":
            self._lost.append(track)
        self._search_next()

    def _match(self, image: Image, detections: Sequence[Detection]) -> None:
        """Give detections and tracks to each other; a detection that overlaps none goes on with one or starts one."""
        for detection, track in _couples([d for d in detections if not d.faint], self._tracks, MATCH_IOU):
            track.detection, track.score, track.doubt = detection, detection.score, ""
        # The others are a second box on a face that has its own.
        fresh = [d for d in detections if all(d.box.iou(t.box) < MATCH_IOU for t in self._tracks)]
        fresh = self._go_on(image, fresh)
        sure = sorted((d for d in fresh if not d.faint), key=lambda d: -d.box.area)
        for detection in sure[: 2 * self._settings.max_faces]:
            self._start(image, detection)
        for track in [t for t in self._tracks if t.doubt]:
            self._lose(track)
        for detection in self._first_look.due([d for d in fresh if d.faint]):
            if len(self._tracks) < self._settings.max_faces and not self._start(image, detection):
                self._first_look.was_vain(detection)

    def _go_on(self, image: Image, detections: Sequence[Detection]) -> list[Detection]:
        """Follow faces again that were lost of late and that the detector still sees; give the other detections."""
        lost = [t for t in self._lost if self._time_ns - t.seen_ns <= UNSEEN_S * 1e9]
        couples = _couples([d for d in detections if d.score >= CONFIRMS], lost, TOUCH_IOU)
        taken = {id(detection) for detection, track in couples if self._resume(image, track, detection)}
        return [d for d in detections if id(d) not in taken]

    def _resume(self, image: Image, track: _Track, detection: Detection) -> bool:
        """Take a lost track up again where this detection can be its face, seen or not; say whether it is."""
        first = self._landmarks(image, self._landmarks.crop_of_detection(detection))
        look = look_again(self._landmarks, image, first)
        box, seen = self._landmarks.box_of(look.points), self._shows_face(look)
        if self._distance(track, box) > (REVIVE if seen else NEAR) or self._is_followed(box):
            return False
        self._lost.remove(track)
        self._tracks.append(track)
        track.look, track.box, track.doubt = look, box, ""
        track.detection, track.score = detection, detection.score
        if seen:
            track.seen_ns = self._time_ns
        return True

    def _is_followed(self, box: Box) -> bool:
        return any(box.iou(t.box) > SAME_IOU for t in self._tracks)

    def _start(self, image: Image, detection: Detection) -> bool:
        """Begin to follow a detected face, or go on with a lost one that it must be; say whether it is a face."""
        look = self._first_look(image, detection)
        if look is None:
            return False
        box = self._landmarks.box_of(look.points)
        if self._is_followed(box):
            return False
        smoother = OneEuro() if self._settings.smooth else None
        motion = Motion.of(box, self._time_ns)
        track = _Track(self._next_id, look, box, motion, detection.score, detection, smoother, Blink())
        track.seen_ns = self._time_ns
        if (lost := self._nearest_lost(box)) is not None:
            self._lost.remove(lost)
            track.id, track.state = lost.id, "tracked"
        else:
            self._next_id += 1
        self._tracks.append(track)
        return True

    def _nearest_lost(self, box: Box) -> _Track | None:
        """Give the lost track that this face continues."""
        near = [(self._distance(track, box), track) for track in self._lost]
        distance, track = min(near, key=lambda item: item[0], default=(np.inf, None))
        return track if distance < REVIVE else None

    def _distance(self, track: _Track, box: Box) -> float:
        """Give how far a box lies from where the track's face was, or would be by now."""
        return min(track.motion.distance(box, self._time_ns), track.motion.distance_from_last(box))

    def _settle(self) -> None:
        """Part tracks that have come to follow one face; move each on that no other face disturbs."""
        pairs = [(a, b, a.box.iou(b.box)) for a, b in combinations(sorted(self._tracks, key=lambda t: t.id), 2)]
        for older, newer, iou in pairs:
            if iou > SAME_IOU and older in self._tracks and newer in self._tracks:
                self._part(older, newer)
        sharing = {newer.id for _, newer, iou in pairs if iou > SAME_IOU}
        disturbed = {track.id for *pair, iou in pairs if iou >= APART_IOU for track in pair}
        for track in self._tracks:
            track.shared = track.shared if track.id in sharing else 0
            if track.id not in disturbed and not track.doubt:
                track.motion = track.motion.moved_to(track.box, self._time_ns)

    def _part(self, older: _Track, newer: _Track) -> None:
        """Of two tracks on one face, keep the one on its own course: the other's face is hidden behind this one."""
        astray = older.motion.distance(older.box, self._time_ns) - newer.motion.distance(newer.box, self._time_ns)
        newer.shared += 1
        if abs(astray) > TELLING:
            self._lose(older if astray > 0 else newer)
            newer.shared = 0
        elif newer.shared > AMBIGUOUS_FRAMES:
            self._tracks.remove(newer)

    def _face(self, track: _Track) -> Face:
        look, size = track.look, max(track.box.width, track.box.height)
        points = look.points
        if track.smoother is not None:
            points = track.smoother(points, self._time_ns, size, look.uncertainty)
        pose = self._head_pose(points) if self._head_pose is not None else None
        # Of the raw points: a blink is over before a filter has followed it.
        seen = track.seen_ns == self._time_ns
        openness = self._openness(look.points) if self._openness is not None and seen else None
        blink = openness is not None and track.blink(openness)
        told = look.uncertainty if self._settings.uncertainty else None
        return Face(
            track.id,
            track.state,
            track.score,
            look.presence,
            points,
            track.detection,
            pose,
            openness,
            blink,
            told,
            track.box,
        )


def _couples(
    detections: Sequence[Detection], tracks: Sequence[_Track], min_iou: float
) -> list[tuple[Detection, _Track]]:
    """Give detections and tracks to each other, each once, best overlap first."""
    pairs = [(iou, d, t) for d in detections for t in tracks if (iou := d.box.iou(t.box)) >= min_iou]
    couples: dict[int, tuple[Detection, _Track]] = {}
    taken: set[int] = set()
    for _, detection, track in sorted(pairs, key=lambda pair: -pair[0]):
        if id(detection) not in couples and id(track) not in taken:
            couples[id(detection)] = detection, track
            taken.add(id(track))
    return list(couples.values())
