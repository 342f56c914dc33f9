"""The values that flow through the edge loop."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from facewire_edge.geometry import Box

Points = NDArray[np.float32]  # (N, 2), x then y, pixel centres at integers
Image = NDArray[np.uint8]  # (H, W, 3), RGB


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """Hold one picture of a camera."""

    image: Image
    index: int  # count of the frames read from the camera, from 0; gaps are dropped frames
    time_ns: int  # monotonic clock, when the picture was taken
    name: str | None = None  # file name, for a folder of stills


@dataclass(frozen=True, slots=True, eq=False)
class Detection:
    """Hold one detected face, in frame pixels."""

    box: Box  # face convention: forehead to chin, ear to ear
    score: float
    points5: Points  # (5, 2), the order of the points5 schema
    faint: bool = False  # below the detector's threshold: a face only if the landmark model is very sure of it


class Pose(NamedTuple):
    """Hold the angles of a head, in degrees."""

    yaw: float  # > 0 when the subject turns towards the image's right
    pitch: float  # > 0 up
    roll: float  # > 0 clockwise on the screen


class Openness(NamedTuple):
    """Hold height by width: an open eye has 0.25 to 0.4, a closed mouth 0."""

    right_eye: float
    left_eye: float
    mouth: float


class Look(NamedTuple):
    """Hold what a landmark model says of one crop, in frame pixels."""

    points: Points  # (N, 2)
    presence: float  # in [0, 1]: is this a face
    uncertainty: NDArray[np.float32] | None = None  # (N,) distance from the truth to expect, where the model tells it


@dataclass(frozen=True, slots=True, eq=False)
class Face:
    """Hold one face of one frame, in frame pixels."""

    id: int
    state: str  # "new" or "tracked"
    score: float  # of the last detection
    presence: float
    landmarks: Points  # (N, 2)
    detection: Detection | None = None  # when the detector ran on this frame
    pose: Pose | None = None  # where it is asked for
    openness: Openness | None = None  # where blink is asked for, and the landmarks show a face
    blink: bool = False  # the eyes are closed, on the average of both
    uncertainty: NDArray[np.float32] | None = None  # (N,) distance from the truth to expect, where it is asked for
    whole: Box | None = None  # of the face, where landmarks may be of a part of it

    @property
    def box(self) -> Box:
        """Give the tight box of the landmarks."""
        return Box.around(self.landmarks)


@dataclass(frozen=True, slots=True, eq=False)
class Result:
    """Hold all faces of one frame, ready to be published."""

    index: int
    time_ns: int  # monotonic, capture
    width: int
    height: int
    faces: tuple[Face, ...]
    dropped: int = 0  # frames lost since start
    ms: dict[str, float] = field(default_factory=dict)  # stage -> milliseconds
    image: str | None = None  # file name, for a folder of stills
