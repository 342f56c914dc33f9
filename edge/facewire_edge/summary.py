"""Sum up the messages of the last second or so, for those who want to know the state and not each frame."""

from __future__ import annotations

from typing import Any

from facewire_edge.health import NOT_READY

SEEN = ("present", "faces", "yaw", "age_ms")  # what a frame says: unknown while there is none


class Summary:
    """Fold messages; times are seconds of a monotonic clock."""

    def __init__(self, now_s: float) -> None:
        self._given_s = now_s
        self._frames = 0
        self._values: dict[str, Any] = {"state": None, **dict.fromkeys(SEEN)}
        self._changed = True

    def take(self, message: dict[str, Any], now_s: float) -> None:
        """Take a message in."""
        if message["type"] == "faces":
            self._take_faces(message)
        elif message["type"] == "status":
            self._set("state", message.get("state", self._values["state"]))
            if self._values["state"] in NOT_READY:
                self._values.update(dict.fromkeys(SEEN))
            if "temperature_c" in message.get("board", {}):
                self._values["temperature_c"] = message["board"]["temperature_c"]

    def is_due(self, now_s: float, every_s: float) -> bool:
        """Say whether something that matters has changed, or a while has passed."""
        return self._changed or now_s - self._given_s >= every_s

    def give(self, now_s: float) -> dict[str, Any]:
        """Give the summary and begin the next."""
        seconds = max(now_s - self._given_s, 1e-3)
        self._values["fps"] = round(self._frames / seconds, 1)
        self._given_s, self._frames, self._changed = now_s, 0, False
        return dict(self._values)

    def _take_faces(self, message: dict[str, Any]) -> None:
        self._frames += 1
        faces = message["faces"]
        self._set("faces", len(faces))
        self._set("present", "ON" if faces else "OFF")
        self._values["age_ms"] = round(1000 * (message["t_publish"] - message["t_capture"]), 1)
        self._values["dropped"] = message["dropped"]
        largest = faces[0] if faces else {}
        self._values["yaw"] = largest.get("pose", {}).get("yaw")

    def _set(self, name: str, value: Any) -> None:
        self._changed |= self._values[name] != value
        self._values[name] = value
