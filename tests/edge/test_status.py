"""What the monitor tells of the loop."""

from typing import Any

import pytest
from facewire_edge.live import Link
from facewire_edge.notify import ServiceManager
from facewire_edge.status import Monitor


class Manager(ServiceManager):
    """Keep what it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[str] = []

    def tell(self, *assignments: str) -> None:
        self.told += assignments

    def alive(self) -> None:
        self.tell("WATCHDOG=1")


@pytest.fixture
def published() -> list[dict[str, Any]]:
    return []


@pytest.fixture
def manager() -> Manager:
    return Manager()


@pytest.fixture
def monitor(published: list[dict[str, Any]], manager: Manager) -> Monitor:
    return Monitor(published.append, manager)


AWAY = Link("no-camera", "the plug is out", 0, 4)


def test_each_change_is_published_and_logged_once(
    monitor: Monitor, published: list[dict[str, Any]], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO"):
        monitor.ready()
        for link in (Link("running"), Link("running"), AWAY, AWAY, AWAY, Link("running", "", 1, 4)):
            monitor.turn(link)
        monitor.stopping()
    assert [m["state"] for m in published] == ["starting", "running", "no-camera", "running", "stopping"]
    assert published[2] == {"state": "no-camera", "reason": "the plug is out", "reconnects": 0, "dropped": 4}
    assert [r.levelname for r in caplog.records] == ["INFO", "INFO", "WARNING", "INFO", "INFO"]


def test_end_after_a_loss_is_only_an_end(monitor: Monitor, manager: Manager) -> None:
    for link in (Link("running"), AWAY, Link("running", "the plug is out", 1, 4)):
        monitor.turn(link)
    monitor.stopping()
    assert [t for t in manager.told if t.startswith("STATUS=")][-2:] == [
        "STATUS=running again, after 1 losses; the last: the plug is out",
        "STATUS=stopping",
    ]


def test_loss_too_short_to_be_seen_is_counted_and_published(monitor: Monitor, published: list[dict[str, Any]]) -> None:
    monitor.turn(Link("running"))
    monitor.turn(Link("running", "the stream ended", 1))
    assert [m["reconnects"] for m in published] == [0, 1]


def test_state_is_repeated_for_readers_that_come_late(
    monitor: Monitor, published: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("facewire_edge.status.HEARTBEAT_S", 0.0)
    for _ in range(3):
        monitor.turn(Link("running"))
    assert len(published) == 3


def test_watchdog_is_fed_without_a_camera_and_withheld_from_one_that_hangs(monitor: Monitor, manager: Manager) -> None:
    monitor.turn(AWAY)
    assert manager.told.count("WATCHDOG=1") == 1
    monitor.turn(Link("no-camera", "hangs", hung=True))
    assert manager.told.count("WATCHDOG=1") == 1


def test_manager_learns_each_state_in_words(monitor: Monitor, manager: Manager) -> None:
    monitor.ready()
    monitor.turn(AWAY)
    assert "READY=1" in manager.told
    assert "STATUS=no-camera: the plug is out" in manager.told


def test_weakness_of_the_machine_degrades_a_camera_that_runs(published: list[dict[str, Any]], manager: Manager) -> None:
    monitor = Monitor(published.append, manager, lambda: "no Edge TPU: the models run on the CPU")
    monitor.turn(Link("running"))
    monitor.turn(AWAY)
    assert [(m["state"], m["reason"][:11]) for m in published] == [
        ("degraded", "no Edge TPU"),
        ("no-camera", "the plug is"),
    ]
