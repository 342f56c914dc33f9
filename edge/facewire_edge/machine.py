"""What machine this is, how warm, and whether it holds itself back."""

from __future__ import annotations

import platform
from pathlib import Path

from facewire_edge.throttle import FLAGS, read_board

ROOT = Path("/")


def device_name(root: Path = ROOT) -> str:
    """Give the board's name where there is one, else the machine and its processor."""
    board = root / "proc/device-tree/model"
    if board.is_file():
        return board.read_text().strip("\0\n ")
    info = root / "proc/cpuinfo"
    lines = info.read_text().splitlines() if info.is_file() else []
    model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "")
    return f"{platform.machine()} {model}".strip()


def temperature_c(root: Path = ROOT) -> float | None:
    """Give the warmest sensor's temperature; None where there is none."""
    found = [_number(path) for path in root.glob("sys/class/thermal/thermal_zone*/temp")]
    return max((value / 1000 for value in found if value is not None), default=None)


def throttling(root: Path = ROOT) -> list[str] | None:
    """Give what holds a Raspberry Pi back, now or since its start; None on other machines."""
    bits = read_board(root / "sys").flags
    if bits is None:
        return None
    now = [f"{name} now" for name, bit in FLAGS.items() if bits >> bit & 1]
    return now + [f"{name} since start" for name, bit in FLAGS.items() if bits >> bit + 16 & 1]


def _number(path: Path) -> float | None:
    try:
        return float(path.read_text())
    except (OSError, ValueError):  # a sensor that is switched off gives an error in place of a number
        return None
