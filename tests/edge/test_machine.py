from pathlib import Path

import pytest
from facewire_edge.machine import device_name, temperature_c, throttling


def put(root: Path, name: str, text: str) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_board_is_named_by_its_device_tree(tmp_path: Path) -> None:
    put(tmp_path, "proc/device-tree/model", "Raspberry Pi 5 Model B Rev 1.0\0")
    put(tmp_path, "proc/cpuinfo", "model name : something else\n")
    assert device_name(tmp_path) == "Raspberry Pi 5 Model B Rev 1.0"


def test_warmest_sensor_counts_and_a_dead_one_does_not(tmp_path: Path) -> None:
    for number, text in enumerate(("41200\n", "55300\n", "broken")):
        put(tmp_path, f"sys/class/thermal/thermal_zone{number}/temp", text)
    assert temperature_c(tmp_path) == 55.3


def test_machine_without_sensors_says_so(tmp_path: Path) -> None:
    assert temperature_c(tmp_path) is None
    assert throttling(tmp_path) is None


@pytest.mark.parametrize("soc", ["soc", "soc@107c000000"])
def test_throttling_is_told_in_words(tmp_path: Path, soc: str) -> None:
    told = f"sys/devices/platform/{soc}/{soc}:firmware/get_throttled"
    put(tmp_path, told, "50005\n")
    assert throttling(tmp_path) == [
        "under-voltage now",
        "throttled now",
        "under-voltage since start",
        "throttled since start",
    ]
    put(tmp_path, told, "0")
    assert throttling(tmp_path) == []
