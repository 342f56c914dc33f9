"""Tell which detections are faces by what the landmark model sees in them."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Protocol

import numpy as np

from facewire_edge.geometry import Box, CropTransform
from facewire_edge.schema import LandmarkSchema
from facewire_edge.types import Detection, Image, Look, Points

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
# Where the first crop promises a face, the other is tried at once: a profile in that hall is found in its first frame
# instead of its twelfth.
RETRY_S = 0.15
PLACES = 16  # such places that are remembered, the latest
HALF = 0.5  # of the presence that a new face needs
# Searches running of a video in which a sure detection has so much of it make a face, too: a full profile. While a
# camera pans over 1,508 face-free crops, 9 instead of 8 (`face_far` 35 instead of 30) show a face for it (2026-11-23).
INSISTS, INSISTING = 3, 0.6
SAME_PLACE_IOU, STILL_THERE_IOU = 0.25, 0.5


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


def presence_needed(detection: Detection, min_presence: float) -> tuple[tuple[float, float], tuple[float, float]]:
    """Give the presence that the first and the second look at a detection must have, for each attempt."""
    first = (PLAUSIBLE, max(CERTAIN, min_presence)) if detection.faint else (0.0, min_presence)
    return first, (PLAUSIBLE_AGAIN, max(CERTAIN, min_presence))


def look_again(landmarks: LandmarkFinder, image: Image, first: Look) -> Look:
    """Look once more from what was found: a first crop is only as good as a coarse detection."""
    return landmarks(image, landmarks.crop_of_landmarks(first.points))


class FirstLook:
    """Look at detections, and remember from search to search where no face was, and where almost one."""

    def __init__(self, landmarks: LandmarkFinder, min_presence: float) -> None:
        self._landmarks = landmarks
        self._min_presence = min_presence
        self._crops = landmarks.crop_of_detection, landmarks.crop_of_box
        self._time_ns, self._still = 0, False
        self._in_vain: deque[tuple[int, int, Box]] = deque(maxlen=PLACES)  # when, which attempt first, where
        self._insisting: list[tuple[int, Box]] = []  # of this search: in how many running, where
        self._insisting_before: list[tuple[int, Box]] = []

    def forget(self) -> None:
        """Forget the places: the next picture is another one."""
        self._in_vain.clear()
        self._insisting = []

    def begin(self, time_ns: int, *, still: bool) -> None:
        """Begin a search of a frame, or of a picture that no other follows."""
        self._time_ns, self._still = time_ns, still
        self._insisting_before, self._insisting = self._insisting, []

    def due(self, detections: Sequence[Detection]) -> list[Detection]:
        """Give the faint detections to be looked at, those that wait longest first.

        In a video a few, and none where the last look was in vain just now.
        """
        tries = sorted(((self._last_try(d)[0], d) for d in detections), key=lambda item: item[0])
        due = [d for time_ns, d in tries if self._time_ns - time_ns >= RETRY_S * 1e9]
        return due if self._still else due[:FAINT_LOOKS]

    def __call__(self, image: Image, detection: Detection) -> Look | None:
        """Give what the landmark model sees in a detection, None where it sees no face.

        A faint one in a video has the one crop or the other in turn unless the first is promising: it goes on.
        """
        needed = presence_needed(detection, self._min_presence)
        for attempt in self._attempts(detection):
            plausible, enough = needed[attempt]
            first = self._landmarks(image, self._crops[attempt](detection))
            look = look_again(self._landmarks, image, first) if first.presence >= plausible else None
            if look is not None and (look.presence >= enough or self._insists(detection, look)):
                return look
            promising = look is not None and look.presence >= self._min_presence
            if detection.faint and not self._still and not promising:
                break
        return None

    def was_vain(self, detection: Detection) -> None:
        """Leave the place of a detection alone for a while."""
        self._in_vain.append((self._time_ns, self._attempts(detection)[0], detection.box))

    def _attempts(self, detection: Detection) -> tuple[int, int]:
        last = self._last_try(detection)[1] if detection.faint else ATTEMPTS[-1]
        return 1 - last, last

    def _last_try(self, detection: Detection) -> tuple[float, int]:
        """Give when the last look at this place was in vain, and which attempt it was."""
        tries = ((time, attempt) for time, attempt, box in self._in_vain if detection.box.iou(box) >= SAME_PLACE_IOU)
        return max(tries, default=(-np.inf, ATTEMPTS[-1]))

    def _insists(self, detection: Detection, look: Look) -> bool:
        """Say whether a sure detection has shown enough of a face in so many searches running as make one."""
        if detection.faint or self._still or look.presence < self._min_presence * INSISTING:
            return False
        before = (times for times, box in self._insisting_before if detection.box.iou(box) >= STILL_THERE_IOU)
        times = 1 + max(before, default=0)
        self._insisting.append((times, detection.box))
        return times >= INSISTS
