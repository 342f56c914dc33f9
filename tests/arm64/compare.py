"""Compare the messages of two runs over the same clip: python compare.py EXPECTED.jsonl FOUND.jsonl MEAN_PX POINT_PX.

Frames, faces and ids must be the same, the points of a face within MEAN_PX on average, every one within POINT_PX; else
one line says where not, and the exit code is 5.
"""

import sys
from pathlib import Path

import numpy as np
from facewire_edge.errors import FacewireError, GateError
from facewire_edge.message import decode
from facewire_edge.types import Face, Result


def main(arguments: list[str]) -> int:
    """Compare two files; give the exit code."""
    if len(arguments) != 4:
        print("usage: compare.py EXPECTED.jsonl FOUND.jsonl MEAN_PX POINT_PX", file=sys.stderr)
        return 2
    expected, found, mean_px, point_px = arguments
    try:
        print(compare(read(Path(expected)), read(Path(found)), float(mean_px), float(point_px)))
    except FacewireError as error:
        print(f"compare: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def read(path: Path) -> list[Result]:
    """Give the results in a file of messages."""
    return [message.result for line in path.read_text().splitlines() if (message := decode(line)) is not None]


def compare(expected: list[Result], found: list[Result], mean_px: float, point_px: float) -> str:
    """Say how near the results are to each other.

    Raises:
        GateError: they are not the same faces in the same frames, or a point is off.

    """
    frames = [[result.index for result in results] for results in (expected, found)]
    if frames[0] != frames[1]:
        raise GateError(f"{len(found)} frames, expected {len(expected)}, or others")
    pairs = [pair for both in zip(expected, found, strict=True) for pair in _faces(*both)]
    distances = [_checked(*pair, mean_px, point_px) for pair in pairs]
    if not distances:
        raise GateError(f"no face in {len(expected)} frames; nothing was compared")
    mean, worst = (max(values) for values in zip(*distances, strict=True))
    return (
        f"{len(frames[0])} frames, {len(distances)} faces: a face's points within {mean:.2f} px on average, at most "
        f"{mean_px}; every point within {worst:.2f} px, at most {point_px}"
    )


def _faces(expected: Result, found: Result) -> list[tuple[int, Face, Face]]:
    """Pair a frame's faces."""
    ids = [sorted(face.id for face in result.faces) for result in (expected, found)]
    if ids[0] != ids[1]:
        raise GateError(f"frame {expected.index}: faces {ids[1]}, expected {ids[0]}")
    there = {face.id: face for face in found.faces}
    return [(expected.index, face, there[face.id]) for face in expected.faces]


def _checked(frame: int, expected: Face, found: Face, mean_px: float, point_px: float) -> tuple[float, float]:
    """Give a face's mean and largest distance between points."""
    distance = np.linalg.norm(found.landmarks - expected.landmarks, axis=1)
    mean, worst = float(distance.mean()), int(distance.argmax())
    where = f"frame {frame}, face {expected.id}"
    if distance[worst] > point_px:
        raise GateError(f"{where}: point {worst} is {distance[worst]:.2f} px off, at most {point_px}")
    if mean > mean_px:
        raise GateError(f"{where}: its points are {mean:.2f} px off on average, at most {mean_px}")
    return mean, float(distance[worst])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
