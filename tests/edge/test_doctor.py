"""What doctor says of the wire and of the board."""

import pytest
from facewire_edge import doctor
from facewire_edge.throttle import Reading


def test_missing_library_of_a_sink_is_a_note_with_its_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "STREAM_LIBRARIES", ("json", "no_such.library"))
    check = doctor._streams()
    assert check.ok
    assert "no_such.library" in check.problem
    assert check.remedy == "pip install 'facewire[stream]'"


@pytest.mark.parametrize(
    ("reading", "found", "remedy"),
    [
        (Reading(), "no sensor", ""),
        (Reading(54.2, 0x50000), "54 degrees", ""),
        (Reading(54.2, 0b0001), "54 degrees", "a stronger power supply"),
        (Reading(82.0, 0b0100), "82 degrees", "a heat sink or a fan"),
    ],
)
def test_board_that_is_hot_or_starved_is_told(
    reading: Reading, found: str, remedy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "read_board", lambda: reading)
    check = doctor._board()
    assert (check.found, check.remedy, check.ok) == (found, remedy, True)


@pytest.mark.parametrize(("spec", "remedy"), [("/dev/video99", "facewire-edge cameras"), ("nowhere.mp4", "")])
def test_input_that_gives_no_frame_is_told_with_what_helps(spec: str, remedy: str) -> None:
    check = doctor._camera(spec)
    assert (check.ok, check.remedy) == (False, remedy)
    assert spec in check.problem
