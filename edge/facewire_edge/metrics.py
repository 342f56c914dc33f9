"""Count messages for Prometheus."""

from __future__ import annotations

from math import nan
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from facewire_edge.health import NOT_READY

SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.035, 0.05, 0.1, 0.2, 0.5, 1.0, 5.0)  # a frame at 30 a second: 0.033
STATES = ("starting", "running", "no-camera", "degraded", "stopping")


class Metrics:
    """Fold the messages of one run."""

    def __init__(self) -> None:
        self._registry = registry = CollectorRegistry()
        self._frames = Counter("facewire_frames", "Messages of faces", registry=registry)
        self._faces = Gauge("facewire_faces", "Faces in the last frame, NaN while none come", registry=registry)
        self._faces.set(nan)  # as Prometheus has it where 0 would mislead
        self._errors = Counter("facewire_errors", "Messages of type error", registry=registry)
        self._dropped = Growing(Counter("facewire_frames_dropped", "Frames that were not processed", registry=registry))
        self._age = Histogram("facewire_frame_age_seconds", "Capture to publish", buckets=SECONDS, registry=registry)
        self._stage = Histogram(
            "facewire_stage_seconds", "Time of a stage", ["stage"], buckets=SECONDS, registry=registry
        )
        self._state = Gauge("facewire_state", "1 for the state of the loop", ["state"], registry=registry)
        self._temperature = Gauge("facewire_temperature_celsius", "Of the processor", registry=registry)
        self._slowdown = Gauge("facewire_detector_slowdown", "1: the detector runs as configured", registry=registry)
        self._throttled = Gauge("facewire_throttled", "1 for what the firmware reports", ["flag"], registry=registry)
        self._sinks = Counter("facewire_sink_dropped", "Messages that a sink lost", ["sink"], registry=registry)
        self._sink_totals: dict[str, Growing] = {}
        self._clients = Gauge("facewire_clients", "Readers of this server", registry=registry)

    def take(self, message: dict[str, Any]) -> None:
        """Take a message in."""
        if message["type"] == "faces":
            self._take_faces(message)
        elif message["type"] == "status":
            self._take_status(message)
        elif message["type"] == "error":
            self._errors.inc()

    def text(self, clients: int) -> bytes:
        """Give the metrics as Prometheus reads them."""
        self._clients.set(clients)
        return generate_latest(self._registry)

    def _take_faces(self, message: dict[str, Any]) -> None:
        self._frames.inc()
        self._faces.set(len(message["faces"]))
        self._dropped.set(message["dropped"])
        self._age.observe(max(0.0, message["t_publish"] - message["t_capture"]))
        for stage, value in message["ms"].items():
            if value > 0:  # 0: the stage did not run
                self._stage.labels(stage).observe(value / 1000)

    def _take_status(self, message: dict[str, Any]) -> None:
        if "state" in message:
            if message["state"] in NOT_READY:
                self._faces.set(nan)
            for state in {*STATES, str(message["state"])}:
                self._state.labels(state).set(state == message["state"])
        for name, count in message.get("sink_drops", {}).items():
            self._sink_totals.setdefault(name, Growing(self._sinks.labels(name))).set(count)
        if board := message.get("board"):
            self._take_board(board)

    def _take_board(self, board: dict[str, Any]) -> None:
        self._slowdown.set(board["slowdown"])
        if "temperature_c" in board:
            self._temperature.set(board["temperature_c"])
        for flag, is_set in board.get("throttled", {}).items():
            self._throttled.labels(flag).set(is_set)


class Growing:
    """Bring a counter to a total that is known."""

    def __init__(self, counter: Counter) -> None:
        self._counter, self._total = counter, 0

    def set(self, total: int) -> None:
        """Count up to the total; one that is smaller began anew."""
        self._counter.inc(total - self._total if total >= self._total else total)
        self._total = total
