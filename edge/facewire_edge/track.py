"""Follow faces: detect every N frames, crop from the last landmarks in between, keep ids over short losses."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Protocol

import numpy as np

from facewire_edge.detect import FaceDetector
from facewire_edge.errors import ModelError
from facewire_edge.geometry import Box, CropTransform
from facewire_edge.motion import Motion
from facewire_edge.openness import Blink, FaceOpenness
from facewire_edge.pose import HeadPose
from facewire_edge.schema import LandmarkSchema
from facewire_edge.smooth import OneEuro
from facewire_edge.types import Detection, Face, Frame, Image, Look, Points

# A face box (forehead to chin) and the landmark box of the same face overlap by 0.5 to 0.7; of neighbours by less.
MATCH_IOU = 0.25
SAME_IOU = 0.5  # two tracks whose landmark boxes overlap by more follow one face
APART_IOU = 0.05  # below it two faces do not disturb each other's landmarks
THUMBNAIL_ROWS = 16
GREEN = 1
# Difference of two thumbnails by their brightness: 0.7 to 0.8 at cuts in a dark hall, whose moving camera and waving
# hands stay below 0.4; other clips below 0.2 (2026-11-21).
CUT = 0.5
DARK = 32.0  # of 255: darker than this, noise and one lamp make such differences
# Distances are in face sizes; see Motion.distance.
TELLING = 0.1  # of two tracks on one face, the one that is farther by this from its own course has gone astray
AMBIGUOUS_FRAMES = 5  # with no telling difference, before the newer of the two is let go
JUMP = 0.5  # a track that goes so far in one frame must be confirmed by the detector
REVIVE = 1.0  # a face that appears so near to where a lost one was, or would be by now, is the lost one
# A detection below the detector's threshold is a face if a first look at it has some presence, and a second, from what
# the first found, is certain: profiles in a dark hall, at 0.3 to 0.5 of a score, have little at the first, whose crop
# is as good as a coarse detection. Where a detection is tried a second time, by its box alone, the first look must have
# more. In stills, whose faint detections are all tried in both ways, 85.0 % of WIDER's faces of 32 px and more are
# found (`face_far` 89.7 %), up to 20 a picture; of 1,508 face-free crops 5 show a face (8), 4 of them a drawn one. With
# 0.99 instead of 0.995 6 (12) do (2026-11-23).
PLAUSIBLE, PLAUSIBLE_AGAIN, CERTAIN = 0.3, 0.6, 0.995
FAINT_LOOKS = 3  # at most so many of them in a search of a video: each costs an inference
ATTEMPTS = 0, 1  # of a detection: the crop by its points and its box; that by its box alone
# Until a place is looked at again where a faint detection was no face. A dark hall has 1.54 faces a frame with it, 1.43
# with 0.5 s, for a tenth more inferences; on clips without faint faces nothing changes (2026-11-23).
RETRY_S = 0.15
PLACES = 16  # such places that are remembered, the latest
FOLLOWED = 0.5  # of the presence that a new face needs is enough to go on: it has been a face until now
KEEP_S = 2.0  # how long a lost face is remembered
SEARCH_EVERY = 3  # frames from one search to the next while a lost face is remembered
FULL = 3  # so many times more rarely is a frame searched while as many faces are followed as are wanted
REHEARSAL_PX = 128


class LandmarkFinder(Protocol):
    """Find the landmarks of a face; see :class:`facewire_edge.landmarks.LandmarkModel`."""

    schema: LandmarkSchema
    crop_ns: int  # spent on cutting crops since start

    def crop_of_detection(self, detection: Detection) -> CropTransform:
        """Give the crop of a detected face."""

    def crop_of_box(self, detection: Detection) -> CropTransform:
        """Give another crop of a detected face, where the first shows none."""

    def crop_of_landmarks(self, points: Points) -> CropTransform:
        """Give the crop of the last frame's landmarks."""

    def box_of(self, points: Points) -> Box:
        """Give the box by which a face is told from others."""

    def __call__(self, image: Image, crop: CropTransform) -> Look:
        """Give the landmarks and what else the model says of the crop."""


@dataclass(frozen=True, slots=True)
class TrackSettings:
    """Set how faces are found and followed."""

    max_faces: int = 5
    detect_every: int = 10
    min_presence: float = 0.5  # of a new face; see FOLLOWED
    smooth: bool = True
    pose: bool = False
    blink: bool = False
    uncertainty: bool = False


def presence_needed(detection: Detection, min_presence: float) -> tuple[tuple[float, float], tuple[float, float]]:
    """Give the presence that the first and the second look at a detection must have, for each attempt."""
    first = (PLAUSIBLE, max(CERTAIN, min_presence)) if detection.faint else (0.0, min_presence)
    return first, (PLAUSIBLE_AGAIN, max(CERTAIN, min_presence))


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


class Tracker:
    """Turn frames into faces."""

    def __init__(self, detector: FaceDetector, landmarks: LandmarkFinder, settings: TrackSettings) -> None:
        self.slowdown = 1  # so many times more rarely does the detector run; for a hot board
        self._detector = detector
        self._landmarks = landmarks
        self._settings = settings
        self._head_pose = HeadPose(landmarks.schema) if settings.pose else None
        self._openness = FaceOpenness(landmarks.schema) if settings.blink else None
        self._tracks: list[_Track] = []
        self._lost: list[_Track] = []
        self._in_vain: deque[tuple[int, int, Box]] = deque(maxlen=PLACES)  # when, which attempt, where
        self._still = False
        self._next_id = 0
        self._time_ns = 0
        self._thumbnail, self._brightness = np.zeros((0, 0), np.uint8), 0.0
        self._search_next()  # the first frame

    def __call__(self, frame: Frame) -> tuple[tuple[Face, ...], dict[str, float]]:
        """Give the faces of a frame, largest first, and the milliseconds of the stages."""
        self._time_ns = frame.time_ns
        self._lost = [t for t in self._lost if frame.time_ns - t.motion.time_ns <= KEEP_S * 1e9]
        self._watch_for_cut(frame.image)
        detections, detect_ms = self._detect(frame.image)
        start, crop_ns = time.perf_counter_ns(), self._landmarks.crop_ns
        self._follow(frame.image)
        if detections is not None:
            self._match(frame.image, detections)
        self._settle()
        self._tracks = sorted(self._tracks, key=lambda t: -t.box.area)[: self._settings.max_faces]
        self._still = False
        faces = tuple(self._face(track) for track in self._tracks if not track.shared)
        ms = {"crop": self._landmarks.crop_ns - crop_ns, "landmarks": time.perf_counter_ns() - start}
        return faces, {"detect": detect_ms, **{stage: value / 1e6 for stage, value in ms.items()}}

    def take_models(self, other: Tracker) -> None:
        """Go on with another tracker's models and settings; keep the faces if the points mean the same."""
        before, after = self._landmarks.schema, other._landmarks.schema
        self._detector, self._landmarks, self._settings = other._detector, other._landmarks, other._settings
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
        self._in_vain.clear()
        self._search_next()

    def _watch_for_cut(self, image: Image) -> None:
        """After a cut, forget the lost and where no face was; the detector must confirm the others at once."""
        import cv2

        step = max(1, image.shape[0] // THUMBNAIL_ROWS)
        thumbnail = image[::step, ::step, GREEN].copy()
        before, self._thumbnail = self._thumbnail, thumbnail
        brightness, self._brightness = self._brightness, cv2.norm(thumbnail, cv2.NORM_L1)
        cut = before.shape != thumbnail.shape or (
            cv2.norm(thumbnail, before, cv2.NORM_L1) > CUT * max(brightness, DARK * before.size)
        )
        if cut:
            self._lost = []
            self._in_vain.clear()
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

    def _follow(self, image: Image) -> None:
        """Find each track's landmarks around its last ones; let go of those that show no face."""
        for track in list(self._tracks):
            before = Motion.of(track.box, self._time_ns)
            track.look = self._landmarks(image, self._landmarks.crop_of_landmarks(track.look.points))
            track.box, track.state, track.detection = self._landmarks.box_of(track.look.points), "tracked", None
            if track.look.presence < self._settings.min_presence * FOLLOWED:
                self._lose(track)
            elif before.distance_from_last(track.box) > JUMP:
                track.doubt = "jump"
                self._search_next()

    def _lose(self, track: _Track) -> None:
        """Let a track go, remember it unless it is of another scene, and look for its face in the next frame."""
        self._tracks.remove(track)
        if track.doubt != "cut":
            self._lost.append(track)
        self._search_next()

    def _match(self, image: Image, detections: Sequence[Detection]) -> None:
        """Give detections and tracks to each other, best overlap first; a detection that overlaps none starts one."""
        pairs = [(d.box.iou(t.box), d, t) for d in detections for t in self._tracks]
        taken: set[int] = set()
        for iou, detection, track in sorted(pairs, key=lambda pair: -pair[0]):
            free = id(detection) not in taken and track.detection is None
            if iou >= MATCH_IOU and free and not detection.faint:
                track.detection, track.score, track.doubt = detection, detection.score, ""
                taken.add(id(detection))
        near = {id(d) for iou, d, _ in pairs if iou >= MATCH_IOU}  # a second box on a face that has its own
        fresh = [d for d in detections if id(d) not in near]
        sure = sorted((d for d in fresh if not d.faint), key=lambda d: -d.box.area)
        for detection in sure[: 2 * self._settings.max_faces]:
            self._start(image, detection, ATTEMPTS)
        for track in [t for t in self._tracks if t.doubt]:
            self._lose(track)
        self._start_faint(image, [d for d in fresh if d.faint])

    def _start_faint(self, image: Image, detections: Sequence[Detection]) -> None:
        """Look at what the detector is not sure of, while there is room: where no look was in vain of late.

        In a video at a few places, and at each in turn with the one crop and the other: it goes on.
        """
        tries = sorted(((*self._last_try(d), d) for d in detections), key=lambda item: item[0])
        due = [(last, d) for time_ns, last, d in tries if self._time_ns - time_ns >= RETRY_S * 1e9]
        for last, detection in due if self._still else due[:FAINT_LOOKS]:
            attempts = ATTEMPTS if self._still else (1 - last,)
            if len(self._tracks) < self._settings.max_faces and not self._start(image, detection, attempts):
                self._in_vain.append((self._time_ns, attempts[-1], detection.box))

    def _last_try(self, detection: Detection) -> tuple[float, int]:
        """Give when the last look at this place was in vain, and which attempt it was."""
        tries = ((time, attempt) for time, attempt, box in self._in_vain if detection.box.iou(box) >= MATCH_IOU)
        return max(tries, default=(-np.inf, ATTEMPTS[-1]))

    def _start(self, image: Image, detection: Detection, attempts: Sequence[int]) -> bool:
        """Begin to follow a detected face, or go on with a lost one that it must be; say whether it is a face."""
        look = self._look_at(image, detection, attempts)
        if look is None:
            return False
        box = self._landmarks.box_of(look.points)
        if any(box.iou(t.box) > SAME_IOU for t in self._tracks):
            return False
        smoother = OneEuro() if self._settings.smooth else None
        motion = Motion.of(box, self._time_ns)
        track = _Track(self._next_id, look, box, motion, detection.score, detection, smoother, Blink())
        if (lost := self._nearest_lost(box)) is not None:
            self._lost.remove(lost)
            track.id, track.state = lost.id, "tracked"
        else:
            self._next_id += 1
        self._tracks.append(track)
        return True

    def _look_at(self, image: Image, detection: Detection, attempts: Sequence[int]) -> Look | None:
        """Give what the landmark model sees in a detection, None where it sees no face."""
        crops = self._landmarks.crop_of_detection, self._landmarks.crop_of_box
        needed = presence_needed(detection, self._settings.min_presence)
        for attempt in attempts:
            first = self._landmarks(image, crops[attempt](detection))
            if first.presence < needed[attempt][0]:
                continue
            # Once more from what was found: a first crop is only as good as a coarse detection.
            second = self._landmarks(image, self._landmarks.crop_of_landmarks(first.points))
            if second.presence >= needed[attempt][1]:
                return second
        return None

    def _nearest_lost(self, box: Box) -> _Track | None:
        """Give the lost track that this face continues."""

        def distance(track: _Track) -> float:
            return min(track.motion.distance(box, self._time_ns), track.motion.distance_from_last(box))

        nearest = min(self._lost, key=distance, default=None)
        return nearest if nearest is not None and distance(nearest) < REVIVE else None

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
        openness = self._openness(look.points) if self._openness is not None else None
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
