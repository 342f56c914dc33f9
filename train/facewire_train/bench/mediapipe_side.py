"""MediaPipe's side of the comparison: FaceMesh on a video, one face. Runs in MediaPipe's own environment."""

from __future__ import annotations

import json
import platform
import sys
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facewire_train.bench.jitter import COMMON, Points
from facewire_train.bench.side import WARM_UP, Ahead, Play, Source, Watch, report

MESH = tuple(COMMON.values())


class Capture:
    """Read a clip as MediaPipe's examples do."""

    def __init__(self, clip: str) -> None:
        import cv2

        self._capture = cv2.VideoCapture(clip)

    def read(self) -> NDArray[np.uint8] | None:
        """Give the next frame (H, W, 3) RGB, None at the end."""
        import cv2

        good, image = self._capture.read()
        return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), dtype=np.uint8) if good else None


def main(arguments: list[str]) -> None:
    """Print the figures of ``CLIP FRAMES`` as one line of JSON; with 0 frames end after the first result."""
    clip, frames = arguments[0], int(arguments[1])
    if frames:
        figures = report(partial(play, clip, frames), _versions())
        print(json.dumps({**figures, "raw_jitter_percent": figures["jitter_percent"]}))  # FaceMesh does not smooth
    else:
        with open_mesh() as mesh:
            points = find(mesh, Capture(clip).read())
            print(json.dumps({"found": points is not None}), flush=True)


def open_mesh() -> Any:
    """Give FaceMesh in video mode."""
    import mediapipe

    return mediapipe.solutions.face_mesh.FaceMesh(static_image_mode=False, max_num_faces=1)


def play(clip: str, frames: int, ahead: bool) -> Play:
    """Take a clip through FaceMesh."""
    watch, points = Watch(), list[Points | None]()
    source: Source = Ahead(Capture(clip), watch) if ahead else Capture(clip)
    with open_mesh() as mesh:
        for number in range(frames):
            if number == WARM_UP:
                watch.start()
            if (image := source.read()) is None:
                break
            points.append(find(mesh, image))
        watch.stop()
    return Play(points, watch)


def find(mesh: Any, image: NDArray[np.uint8] | None) -> Points | None:
    """Give the common landmarks (C, 2) in pixels, None without a face."""
    assert image is not None
    image.flags.writeable = False  # spares MediaPipe a copy
    faces = mesh.process(image).multi_face_landmarks
    if not faces:
        return None
    height, width = image.shape[:2]
    return np.array([(p.x * width, p.y * height) for p in map(faces[0].landmark.__getitem__, MESH)], np.float32)


def _versions() -> dict[str, str]:
    import cv2
    import mediapipe

    return {
        "mediapipe": mediapipe.__version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "opencv": cv2.__version__,
    }


if __name__ == "__main__":
    main(sys.argv[1:])
