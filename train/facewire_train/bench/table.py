"""The comparison as text."""

from __future__ import annotations

from typing import Any

WIDTH = 40  # of a row's name; figures have three digits


def table(report: dict[str, Any]) -> str:
    """Give the report as one table below where it was measured and with what."""
    lines = [
        f"{report['machine']}, {report['date']}; {report['clip']}, {report['frames']} frames, one face",
        *(f"{side}: {_versions(found)}" for side, found in report["versions"].items()),
        f"medians of {report['rounds']} rounds in turn; CPU time is that of all threads",
        "",
        f"{'':{WIDTH}s}{'facewire':>10s}{'MediaPipe':>11s}{'ratio':>8s}",
    ]
    return "\n".join(lines + [_row(name, values) for name, values in report["rows"].items()])


def _versions(found: dict[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in found.items())


def _row(name: str, values: dict[str, float]) -> str:
    return f"{name:{WIDTH}s}{values['facewire']:10.3g}{values['mediapipe']:11.3g}{values['ratio']:8.2f}"
