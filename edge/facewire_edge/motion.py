"""Where a face will be: its box, moved on at its own speed."""

from __future__ import annotations

from dataclasses import dataclass
from math import hypot, log

from facewire_edge.geometry import Box

FARTHEST_S = 0.5  # of foresight: a head does not keep its speed for longer
SPEED_WEIGHT = 0.3  # of the newest frame in the speed: it settles within five frames


@dataclass(frozen=True, slots=True)
class Motion:
    """Hold where a face was, how large, and how fast it moved, in pixels and seconds."""

    x: float
    y: float
    size: float
    time_ns: int
    speed_x: float = 0.0
    speed_y: float = 0.0

    @classmethod
    def of(cls, box: Box, time_ns: int) -> Motion:
        """Begin at rest."""
        return cls(*box.centre, _size(box), time_ns)

    def moved_to(self, box: Box, time_ns: int) -> Motion:
        """Take the next place in."""
        x, y = box.centre
        dt = (time_ns - self.time_ns) / 1e9
        if dt <= 0:
            return self
        speed_x = self.speed_x + SPEED_WEIGHT * ((x - self.x) / dt - self.speed_x)
        speed_y = self.speed_y + SPEED_WEIGHT * ((y - self.y) / dt - self.speed_y)
        return Motion(x, y, _size(box), time_ns, speed_x, speed_y)

    def distance(self, box: Box, time_ns: int) -> float:
        """Give how far a box lies from where the face is expected, in face sizes; a change of size counts too."""
        x, y = box.centre
        ahead_s = min((time_ns - self.time_ns) / 1e9, FARTHEST_S)
        away = hypot(x - self.x - ahead_s * self.speed_x, y - self.y - ahead_s * self.speed_y)
        return away / self.size + abs(log(_size(box) / self.size))

    def distance_from_last(self, box: Box) -> float:
        """Give how far a box lies from where the face was seen last, likewise."""
        return self.distance(box, self.time_ns)


def _size(box: Box) -> float:
    return max(box.width, box.height, 1.0)
