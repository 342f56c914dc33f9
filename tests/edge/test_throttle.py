"""A hot board slows the detector down before the kernel slows everything."""

import logging
import time
from contextlib import closing
from pathlib import Path

import pytest
from facewire_edge.throttle import BoardWatch, Reading, read_board, slowdown

TEMPERATURE = "class/thermal/thermal_zone0/temp"
THROTTLED = "devices/platform/soc/soc:firmware/get_throttled"


def write(root: Path, name: str, text: str) -> None:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / "new").write_text(text)  # at once, as the kernel's files are
    (root / "new").replace(root / name)


@pytest.fixture(autouse=True)
def _no_tool(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")


def test_board_is_read_from_the_kernels_files(tmp_path: Path) -> None:
    write(tmp_path, TEMPERATURE, "61300\n")
    write(tmp_path, THROTTLED, "50005\n")
    reading = read_board(tmp_path)
    assert reading == Reading(61.3, 0x50005)
    flags = {"under-voltage": True, "frequency-capped": False, "throttled": True, "soft-temperature-limit": False}
    assert reading.throttled() == flags


def test_firmware_is_asked_where_the_kernel_has_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool = tmp_path / "bin" / "vcgencmd"
    write(tmp_path, "bin/vcgencmd", "#!/bin/sh\n/bin/echo throttled=0x8\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tool.parent))
    assert read_board(tmp_path).throttled()["soft-temperature-limit"]


@pytest.mark.parametrize("text", ["", "hot", "\udcff"])
def test_sensor_that_says_nonsense_is_no_sensor(tmp_path: Path, text: str) -> None:
    for name in (TEMPERATURE, THROTTLED):
        write(tmp_path, name, "")
        (tmp_path / name).write_bytes(text.encode(errors="surrogateescape"))
    assert read_board(tmp_path) == Reading()


def test_board_without_sensors_is_never_slowed(tmp_path: Path) -> None:
    with closing(BoardWatch(tmp_path)) as watch:
        assert watch.slowdown == 1
        assert watch.values() == {"slowdown": 1}


@pytest.mark.parametrize(
    ("before", "reading", "after"),
    [
        (1, Reading(69.0), 1),
        (1, Reading(70.0), 2),
        (1, Reading(90.0), 8),
        (4, Reading(73.0), 4),  # within the hysteresis below 75
        (4, Reading(71.9), 2),
        (8, Reading(60.0), 1),
        (2, Reading(68.0), 2),
        (1, Reading(50.0, 0b0100), 8),  # the firmware knows better
        (1, Reading(50.0, 0b0001), 1),  # under-voltage is no heat
        (1, Reading(45.0, 0x50005), 1),  # nor is what the firmware does about it
        (8, Reading(45.0, 0x50005), 1),
        (1, Reading(76.0, 0x50007), 4),
        (1, Reading(60.0, 0b1001), 8),  # starved and warm: the soft limit is heat alone
        (1, Reading(50.0, 0b0100 << 16), 1),  # was throttled since the start, is not now
        (8, Reading(None), 8),
        (8, Reading(None, 0), 1),
    ],
)
def test_slowdown_rises_at_once_and_falls_when_it_is_clearly_cooler(before: int, reading: Reading, after: int) -> None:
    assert slowdown(before, reading) == after


def test_watch_follows_the_sensor_and_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    write(tmp_path, TEMPERATURE, "50000")
    with closing(BoardWatch(tmp_path, period_s=0.01)) as watch:
        for temperature, expected in (("76000", 4), ("40000", 1)):
            write(tmp_path, TEMPERATURE, temperature)
            end = time.monotonic() + 5
            while watch.slowdown != expected:
                assert time.monotonic() < end
                time.sleep(0.005)
        assert watch.values()["temperature_c"] == 40.0
    assert "4 times more rarely" in caplog.text
    assert "full rate again" in caplog.text
