"""Follow faces: detect every N frames, crop from the last landmarks in between, keep ids."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from facewire_edge.detect import FaceDetector
from facewire_edge.geometry import Box, CropTransform
from facewire_edge.smooth import OneEuro
from facewire_edge.types import Detection, Face, Frame, Image, Points

# A face box (forehead to chin) and the landmark box of the same face overlap by 0.5 to 0.7; of neighbours by less.
MATCH_IOU = 0.25
SAME_IOU = 0.5  # two tracks whose landmark boxes overlap by more are one face


class LandmarkFinder(Protocol):
    """Find the landmarks of a face; see :class:`facewire_edge.landmarks.LandmarkModel`."""

    crop_ns: int  # spent on cutting crops since start

    def crop_of_points5(self, points5: Points) -> CropTransform:
        """Give the crop of five detected points."""

    def crop_of_landmarks(self, points: Points) -> CropTransform:
        """Give the crop of the last frame's landmarks."""

    def __call__(self, image: Image, crop: CropTransform) -> tuple[Points, float]:
        """Give the landmarks in frame pixels and the presence."""


@dataclass(frozen=True, slots=True)
class TrackSettings:
    """Set how faces are found and followed."""

    max_faces: int = 5
    detect_every: int = 10
    min_presence: float = 0.5
    smooth: bool = True


@dataclass(slots=True, eq=False)
class _Track:
    id: int
    points: Points  # as the network says: the next crop must not lag behind the face
    score: float
    presence: float = 1.0
    state: str = "new"
    detection: Detection | None = None
    smoother: OneEuro | None = None

    @property
    def box(self) -> Box:
        return Box.around(self.points)


class Tracker:
    """Turn frames into faces."""

    def __init__(self, detector: FaceDetector, landmarks: LandmarkFinder, settings: TrackSettings) -> None:
        self._detector = detector
        self._landmarks = landmarks
        self._settings = settings
        self._tracks: list[_Track] = []
        self._next_id = 0
        self._since_detection = settings.detect_every  # so that the first frame is searched

    def __call__(self, frame: Frame) -> tuple[tuple[Face, ...], dict[str, float]]:
        """Give the faces of a frame, largest first, and the milliseconds of the stages."""
        detections, detect_ms = self._detect(frame.image)
        start, crop_ns = time.perf_counter_ns(), self._landmarks.crop_ns
        before = len(self._tracks)
        self._follow(frame.image)
        self._match(frame.image, detections)
        self._drop_doubles()
        self._tracks = sorted(self._tracks, key=lambda t: -t.box.area)[: self._settings.max_faces]
        if len(self._tracks) < before:  # lost one: look for it in the next frame
            self._since_detection = self._settings.detect_every
        faces = tuple(self._face(track, frame.time_ns) for track in self._tracks)
        ms = {"crop": self._landmarks.crop_ns - crop_ns, "landmarks": time.perf_counter_ns() - start}
        return faces, {"detect": detect_ms, **{stage: value / 1e6 for stage, value in ms.items()}}

    def reset(self) -> None:
        """Forget all tracks: the next frame is another picture."""
        self._tracks = []
        self._since_detection = self._settings.detect_every

    def _detect(self, image: Image) -> tuple[list[Detection], float]:
        """Search the frame when it is due, or when nothing is followed."""
        self._since_detection += 1
        if self._tracks and self._since_detection < self._settings.detect_every:
            return [], 0.0
        self._since_detection = 0
        start = time.perf_counter_ns()
        detections = self._detector(image)
        return detections, (time.perf_counter_ns() - start) / 1e6

    def _follow(self, image: Image) -> None:
        for track in self._tracks:
            track.points, track.presence = self._landmarks(image, self._landmarks.crop_of_landmarks(track.points))
            track.state, track.detection = "tracked", None
        self._tracks = [t for t in self._tracks if t.presence >= self._settings.min_presence]

    def _match(self, image: Image, detections: Sequence[Detection]) -> None:
        """Give each detection, largest first, to the track that it overlaps best; start one where there is none."""
        taken: set[int] = set()
        for detection in sorted(detections, key=lambda d: -d.box.area)[: 2 * self._settings.max_faces]:
            track = max(self._tracks, key=lambda t: detection.box.iou(t.box), default=None)
            if track is None or detection.box.iou(track.box) < MATCH_IOU:
                self._start(image, detection)
            elif track.id not in taken:  # else a second box on the same face
                track.detection, track.score = detection, detection.score
                taken.add(track.id)

    def _start(self, image: Image, detection: Detection) -> None:
        points, _ = self._landmarks(image, self._landmarks.crop_of_points5(detection.points5))
        # Once more from what was found: a first crop is only as good as five coarse points.
        points, presence = self._landmarks(image, self._landmarks.crop_of_landmarks(points))
        if presence < self._settings.min_presence:
            return
        smoother = OneEuro() if self._settings.smooth else None
        track = _Track(self._next_id, points, detection.score, presence, "new", detection, smoother)
        self._tracks.append(track)
        self._next_id += 1

    def _drop_doubles(self) -> None:
        """Keep the oldest of tracks that have come to follow the same face."""
        kept: list[_Track] = []
        for track in sorted(self._tracks, key=lambda t: t.id):
            if all(track.box.iou(other.box) < SAME_IOU for other in kept):
                kept.append(track)
        self._tracks = kept

    def _face(self, track: _Track, time_ns: int) -> Face:
        size = max(track.box.width, track.box.height)
        points = track.points if track.smoother is None else track.smoother(track.points, time_ns, size)
        return Face(track.id, track.state, track.score, track.presence, points, track.detection)
