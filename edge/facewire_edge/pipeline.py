"""The straight line of the device: camera, faces, messages."""

from __future__ import annotations

import logging
import time
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from facewire_edge.addresses import hide_password, parse_sink
from facewire_edge.camera import Camera, StillError, is_live, open_camera
from facewire_edge.card import require_uncertainty
from facewire_edge.config import EdgeConfig
from facewire_edge.delegate import CPU, require_compiled
from facewire_edge.detect import FaceDetector
from facewire_edge.detectors import open_detector
from facewire_edge.errors import DataError, HardwareError
from facewire_edge.interpreter import load_model
from facewire_edge.landmarks import LandmarkModel
from facewire_edge.live import Lapse, Link, LiveCamera
from facewire_edge.message import Origin, encode, encode_event
from facewire_edge.notify import ServiceManager, service_manager
from facewire_edge.publish import Sink, Viewer, close_all, open_sink
from facewire_edge.reload import stamp
from facewire_edge.status import Monitor
from facewire_edge.stop import stoppable
from facewire_edge.track import Tracker, TrackSettings
from facewire_edge.types import Frame, Result
from facewire_edge.upkeep import Upkeep, model_files, open_upkeep

log = logging.getLogger(__name__)

LATEST = 4096  # frames of which the times are kept: all of them would be 0.5 GB after a day
CLOCK_TRIES = 3
CLOCK_GAP_NS = 100_000  # a message gives times to 0.1 ms


@dataclass(slots=True)
class Stats:
    """Count what a run did; ``ms`` holds the milliseconds of the latest frames by stage."""

    frames: int = 0
    unreadable: int = 0
    faces: int = 0
    dropped: int = 0
    ms: defaultdict[str, deque[float]] = field(default_factory=lambda: defaultdict(partial(deque, maxlen=LATEST)))

    def add(self, stages: dict[str, float]) -> None:
        """Take a frame's stage times in."""
        for name, value in stages.items():
            self.ms[name].append(value)


def run(config: EdgeConfig) -> Stats:
    """Run the loop until the input ends, ``config.frames`` messages are out or a signal asks for the end.

    A live camera that is lost does not end it.

    Raises:
        FacewireError: a model, camera or sink cannot be opened, or a sink is lost.

    """
    with ExitStack() as stack:
        loaded = stamp(model_files(config))  # before: what is copied while the camera opens is newer
        tracker, origin = open_tracker(config)
        manager = stack.enter_context(closing(service_manager()))
        camera = stack.enter_context(closing(open_input(config)))
        live = camera.live or config.realtime
        sinks: list[Sink] = []
        stack.callback(close_all, sinks)
        for spec in config.sink:  # one by one: a later one may be refused
            sinks.append(open_sink(spec, config, live))
        load = partial(open_tracker, config)
        upkeep = None
        if live:
            upkeep = stack.enter_context(open_upkeep(config, sinks, load, lambda: monitor.repeat(), loaded))
        monitor = open_monitor(config, camera, sinks, origin, manager, upkeep)
        stop = stack.enter_context(stoppable())
        log.info("%s -> %s", hide_password(config.input), ", ".join(str(parse_sink(spec)) for spec in config.sink))
        monitor.ready()
        stats = loop(camera, tracker, sinks, origin, config.frames, monitor, stop, upkeep)
        monitor.stopping()
        if stats.unreadable and not stats.frames and not stop():
            raise DataError(
                f"none of the {stats.unreadable} images of {config.input} can be read; the messages say why"
            )
        log.info("ended: %d frames, %d faces, %d dropped", stats.frames, stats.faces, stats.dropped)
        return stats


def open_tracker(config: EdgeConfig) -> tuple[Tracker, Origin]:
    """Load both models and build what turns frames into faces."""
    detector, landmarks = load_models(config, faint=config.min_score is None)
    presence = landmarks.card.min_presence if config.min_presence is None else config.min_presence
    if config.uncertainty:
        require_uncertainty(landmarks.card, config.model)
    options = (config.smooth, config.pose, config.blink, config.uncertainty)
    settings = TrackSettings(config.max_faces, config.detect_every, presence, *options)
    device = " and ".join(sorted({detector.device, landmarks.device}))
    origin = Origin(config.source, landmarks.schema.name, landmarks.card.title, device)
    return Tracker(detector, landmarks, settings), origin


def load_models(config: EdgeConfig, *, faint: bool = False) -> tuple[FaceDetector, LandmarkModel]:
    """Load both models onto the device, or onto the CPU where it is missing.

    Args:
        config: names them.
        faint: let the detector also give what is below its threshold; see :class:`facewire_edge.detect.Int8Detector`.

    Raises:
        HardwareError: it is missing and required.
        ModelError: a model cannot be run there.

    """
    try:
        models = _load_models(config, config.device, faint)
    except HardwareError as error:
        if config.device_required:
            raise
        log.warning("%s; the models run on the CPU", error)
        return _load_models(config, CPU, faint)
    devices = {config.detector: models[0].device, config.model: models[1].device}
    for path, device in devices.items():
        require_compiled(path, device == config.device or not config.device_required)
    return models


def _load_models(config: EdgeConfig, device: str, faint: bool) -> tuple[FaceDetector, LandmarkModel]:
    detector = open_detector(Path(config.detector), config.min_score, config.threads, device, faint=faint)
    return detector, LandmarkModel(load_model(Path(config.model), "landmarks", config.threads, device))


def open_input(config: EdgeConfig) -> Camera | LiveCamera:
    """Open the camera; a live one is read in a thread of its own and kept open."""
    opener = partial(
        open_camera,
        config.input,
        width=config.width,
        height=config.height,
        fps=config.fps,
        raw=config.raw,
        realtime=config.realtime,
    )
    return LiveCamera(opener, wait=config.wait_camera) if is_live(config.input) else opener()


def open_monitor(
    config: EdgeConfig,
    camera: Camera | LiveCamera,
    sinks: Sequence[Sink],
    origin: Origin,
    manager: ServiceManager,
    upkeep: Upkeep | None = None,
) -> Monitor:
    """Build what tells of the loop's state; a message of each file's beginning and end would only be in the way."""
    facts = {
        "input": hide_password(config.input),
        "model": origin.model,
        "device": origin.device,
        "sinks": [str(parse_sink(spec)) for spec in config.sink],
    }

    def publish(values: dict[str, Any]) -> None:
        if camera.live:
            more = {} if upkeep is None else upkeep.facts()
            _publish(sinks, _event("status", origin, **{**values, **facts, **more}))

    def weakness() -> str:
        device = origin.device if upkeep is None else upkeep.device or origin.device
        return "" if device == config.device else f"{config.device} was asked for, the models run on {device}"

    return Monitor(publish, manager, weakness)


def loop(
    camera: Camera | LiveCamera,
    tracker: Tracker,
    sinks: Sequence[Sink],
    origin: Origin,
    frames: int | None = None,
    monitor: Monitor | None = None,
    stop: Callable[[], bool] = lambda: False,
    upkeep: Upkeep | None = None,
) -> Stats:
    """Publish a message for every frame until the end of the input or of the wanted number, or until ``stop``."""
    import cv2

    # Pictures are small: OpenCV's other threads cost 0.09 ms of CPU time a frame, and spin while the models run.
    cv2.setNumThreads(1)
    stats = Stats()
    viewers = [sink for sink in sinks if isinstance(sink, Viewer)]  # once: a protocol takes 10 us to ask
    while not stop() and (frames is None or stats.frames < frames):
        if upkeep is not None:
            origin = upkeep(tracker, origin)
        start = time.perf_counter_ns()
        try:
            frame = camera.read()
        except StillError as error:
            stats.unreadable += 1
            _publish(sinks, _event("error", origin, image=error.name, reason=str(error)))
            continue
        if frame is None:
            break
        link = camera.link if isinstance(camera, LiveCamera) else None
        if monitor is not None:
            monitor.turn(link or Link("running"))
        if isinstance(frame, Lapse):
            continue
        captured = time.perf_counter_ns()
        if camera.still:
            tracker.reset()
        stages = _step(frame, tracker, sinks, viewers, origin, stats, link)
        stats.add({"capture": (captured - start) / 1e6, **stages})
    return stats


def _step(
    frame: Frame,
    tracker: Tracker,
    sinks: Sequence[Sink],
    viewers: Sequence[Viewer],
    origin: Origin,
    stats: Stats,
    camera: Link | None,
) -> dict[str, float]:
    """Take one frame to the sinks; give the milliseconds of its stages. A file's frames have no age."""
    start = time.perf_counter_ns()
    faces, stages = tracker(frame)
    found = time.perf_counter_ns()
    height, width = frame.image.shape[:2]
    ms = {**stages, "total": (found - start) / 1e6}
    now, unix_offset = clock()
    if camera is not None:
        stats.dropped = camera.dropped
        ms["age"] = (now - frame.time_ns) / 1e6
    result = Result(frame.index, frame.time_ns, width, height, faces, stats.dropped, ms, frame.name)
    message = encode(result, origin, now, unix_offset)
    _publish(sinks, message)
    for viewer in viewers:
        viewer.look(frame.image, [face.whole or face.box for face in faces])
    stats.frames += 1
    stats.faces += len(faces)
    return {**ms, "publish": (time.perf_counter_ns() - found) / 1e6}


def _event(kind: str, origin: Origin, **values: Any) -> dict[str, Any]:
    now, unix_offset = clock()
    return encode_event(kind, origin.source, now, unix_offset, **values)


def clock() -> tuple[int, int]:
    """Give the monotonic time, and the Unix time minus it; read again if the process was put aside in between."""
    for _ in range(CLOCK_TRIES):
        before, unix, after = time.monotonic_ns(), time.time_ns(), time.monotonic_ns()
        if after - before < CLOCK_GAP_NS:
            break
    return after, unix - (before + after) // 2


def _publish(sinks: Sequence[Sink], message: dict[str, Any]) -> None:
    for sink in sinks:
        sink.publish(message)
