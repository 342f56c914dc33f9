"""Read how hot the board is, and slow the detector down before the kernel slows everything down."""

from __future__ import annotations

import logging
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread
from typing import Any

log = logging.getLogger(__name__)

PERIOD_S = 5.0  # a Pi under full load warms by less than 1 degree in this time
TOOL_TIMEOUT_S = 2.0
JOIN_S = TOOL_TIMEOUT_S + 1
# The firmware lowers the clock from 80 degrees on, and again at 85.
# Source: raspberrypi.com/documentation/computers/raspberry-pi.html, "Frequency management and thermal control"
STEPS = ((80.0, 8), (75.0, 4), (70.0, 2))  # degrees Celsius from which the detector runs so many times more rarely
HYSTERESIS_C = 3.0
# Name -> bit, of now; 16 bits higher: since the start. Source: Raspberry Pi documentation, "vcgencmd get_throttled".
FLAGS = {"under-voltage": 0, "frequency-capped": 1, "throttled": 2, "soft-temperature-limit": 3}
LOWERED = ("frequency-capped", "throttled")  # the clock: by heat, or by a weak power supply (0x50005 is usual)


@dataclass(frozen=True, slots=True)
class Reading:
    """Hold what the board says of itself; None where it says nothing."""

    temperature_c: float | None = None
    flags: int | None = None  # of the firmware's get_throttled

    def throttled(self) -> dict[str, bool]:
        """Give the firmware's flags of now by name; nothing where there is no such firmware."""
        return {} if self.flags is None else {name: bool(self.flags >> bit & 1) for name, bit in FLAGS.items()}


def read_board(root: Path = Path("/sys")) -> Reading:
    """Read the sensors; a board that has none gives an empty reading."""
    millidegrees = _read(root / "class/thermal/thermal_zone0/temp")
    temperature_c = None if millidegrees is None else _number(millidegrees, 10)
    node = next(root.glob("devices/platform/soc*/soc*:firmware/get_throttled"), None)
    flags = _ask_firmware() if node is None else _read(node)
    return Reading(
        None if temperature_c is None else temperature_c / 1000, None if flags is None else _number(flags, 16)
    )


def slowdown(before: int, reading: Reading) -> int:
    """Give how many times more rarely the detector runs: rises at once, falls only when it is clearly cooler."""
    if _is_held_back(reading.throttled()):
        return STEPS[0][1]
    if reading == Reading():  # a sensor that is asleep for a moment
        return before
    if reading.temperature_c is None:
        return 1
    wanted = _step(reading.temperature_c)
    return wanted if wanted > before else min(before, _step(reading.temperature_c + HYSTERESIS_C))


def _is_held_back(flags: dict[str, bool]) -> bool:
    """Say whether the firmware lowers the clock for heat."""
    lowered = any(flags.get(name) for name in LOWERED) and not flags["under-voltage"]
    return lowered or flags.get("soft-temperature-limit", False)


def _step(temperature_c: float) -> int:
    return next((factor for limit_c, factor in STEPS if temperature_c >= limit_c), 1)


class BoardWatch:
    """Read the board in a thread of its own, now and then."""

    def __init__(self, root: Path = Path("/sys"), period_s: float = PERIOD_S) -> None:
        self.slowdown = 1
        self._root, self._period_s = root, period_s
        self._reading = read_board(root)
        self._stop = Event()
        self._thread = Thread(target=self._watch, name="board", daemon=True)
        if self._reading != Reading():
            self._thread.start()

    def values(self) -> dict[str, Any]:
        """Give the last reading as a status message has it."""
        values: dict[str, Any] = {"slowdown": self.slowdown}
        if self._reading.temperature_c is not None:
            values["temperature_c"] = round(self._reading.temperature_c, 1)
        if flags := self._reading.throttled():
            values["throttled"] = flags
        return values

    def close(self) -> None:
        """End the thread."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(JOIN_S)

    def _watch(self) -> None:
        while not self._stop.wait(self._period_s):
            self._take(read_board(self._root))

    def _take(self, reading: Reading) -> None:
        before, self.slowdown, self._reading = self.slowdown, slowdown(self.slowdown, reading), reading
        if self.slowdown != before:
            flags = [name for name, is_set in reading.throttled().items() if is_set]
            level = logging.WARNING if self.slowdown > before else logging.INFO
            what = f"the detector runs {self.slowdown} times more rarely" if self.slowdown > 1 else "full rate again"
            warmth = [] if reading.temperature_c is None else [f"{reading.temperature_c:.1f} C"]
            log.log(level, "%s: %s", ", ".join(warmth + flags) or "no reading", what)


def _read(path: Path) -> str | None:
    try:
        return path.read_text().strip()
    except (OSError, UnicodeDecodeError):  # no such sensor, or one that is asleep
        return None


def _ask_firmware() -> str | None:
    tool = shutil.which("vcgencmd")
    if tool is None:
        return None
    try:
        done = subprocess.run([tool, "get_throttled"], capture_output=True, text=True, timeout=TOOL_TIMEOUT_S)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip().removeprefix("throttled=")


def _number(text: str, base: int) -> int | None:
    try:
        return int(text, base)
    except ValueError:
        return None
