"""Tell from the messages of a run whether it lives and whether faces can be had."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

ALIVE_S = 25.0  # without any message; a loop that waits for its camera tells its state every 10 s
READY_S = 5.0  # without a message of faces
NOT_READY = frozenset({"starting", "no-camera", "stopping"})  # states


@dataclass(slots=True)
class Health:
    """Fold messages; times are seconds of a monotonic clock."""

    heard_s: float  # the start, then the last message
    faces_s: float | None = None  # the last message of faces
    state: str | None = None  # as the last status message with a state said

    def take(self, message: dict[str, Any], now_s: float) -> None:
        """Take a message in."""
        self.heard_s = now_s
        if message["type"] == "faces":
            self.faces_s = now_s
        elif message["type"] == "status" and "state" in message:
            self.state = str(message["state"])

    def is_alive(self, now_s: float) -> bool:
        """Say whether the loop turns: it speaks, also while it waits for a camera."""
        return now_s - self.heard_s <= ALIVE_S

    def obstacle(self, now_s: float) -> str | None:
        """Say why no faces can be had now, nothing if they can."""
        if self.state in NOT_READY:
            return self.state
        if self.faces_s is None:
            return "no frame yet"
        silent_s = now_s - self.faces_s
        return f"no frame for {silent_s:.0f} s" if silent_s > READY_S else None
