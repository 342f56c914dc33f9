"""Compare the messages of two runs over the same clip: python compare.py EXPECTED.jsonl FOUND.jsonl LIMIT_PX.

Frames, faces and ids must be the same, and every point within the limit; else one line says where not, and the exit
code is 5.
"""

import sys
from pathlib import Path

import numpy as np
from facewire_edge.errors import FacewireError, GateError
from facewire_edge.message import decode
from facewire_edge.types import Face, Result


def main(arguments: list[str]) -> int:
    """Compare two files; give the exit code."""
    if len(arguments) != 3:
        print("usage: compare.py EXPECTED.jsonl FOUND.jsonl LIMIT_PX", file=sys.stderr)
        return 2
    expected, found, limit_px = arguments
    try:
        print(compare(read(Path(expected)), read(Path(found)), float(limit_px)))
    except FacewireError as error:
        print(f"compare: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def read(path: Path) -> list[Result]:
    """Give the results in a file of messages."""
    return [message.result for line in path.read_text().splitlines() if (message := decode(line)) is not None]


def compare(expected: list[Result], found: list[Result], limit_px: float) -> str:
    """Say how near the results are to each other.

    Raises:
        GateError: they are not the same faces in the same frames, or a point is off.

    """
    frames = [[result.index for result in results] for results in (expected, found)]
    if frames[0] != frames[1]:
        raise GateError(f"{len(found)} frames, expected {len(expected)}, or others")
    distances = [_frame_px(*pair, limit_px) for pair in zip(expected, found, strict=True)]
    faces = sum(len(result.faces) for result in expected)
    if not faces:
        raise GateError(f"no face in {len(expected)} frames; nothing was compared")
    return f"{len(frames[0])} frames, {faces} faces: points within {max(distances):.2f} px, at most {limit_px}"


def _frame_px(expected: Result, found: Result, limit_px: float) -> float:
    """Give the largest distance of two points in a frame."""
    ids = [sorted(face.id for face in result.faces) for result in (expected, found)]
    if ids[0] != ids[1]:
        raise GateError(f"frame {expected.index}: faces {ids[1]}, expected {ids[0]}")
    there = {face.id: face for face in found.faces}
    return max((_face_px(face, there[face.id], expected.index, limit_px) for face in expected.faces), default=0.0)


def _face_px(expected: Face, found: Face, frame: int, limit_px: float) -> float:
    distance = np.linalg.norm(found.landmarks - expected.landmarks, axis=1)
    worst = int(distance.argmax())
    if distance[worst] > limit_px:
        raise GateError(
            f"frame {frame}, face {expected.id}: point {worst} is {distance[worst]:.2f} px off, at most {limit_px}"
        )
    return float(distance[worst])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
