"""What is done between two frames: take new models, heed the board's heat, tell how board and sinks are."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from facewire_edge.config import EdgeConfig
from facewire_edge.message import Origin
from facewire_edge.publish import Sink, dropped
from facewire_edge.reload import Loaded, ModelWatch, Stamp, reload_on_hangup
from facewire_edge.throttle import BoardWatch
from facewire_edge.track import Tracker

log = logging.getLogger(__name__)


class Upkeep:
    """Be called before each frame; nothing here waits."""

    def __init__(self, board: BoardWatch, models: ModelWatch, sinks: Sequence[Sink], tell: Callable[[], None]) -> None:
        """Watch from now on.

        Args:
            board: its heat slows the detector down.
            models: gives new models when they are ready.
            sinks: whose losses are told.
            tell: is called when a ``status`` message should not wait for its time.

        """
        self._board, self._models, self._sinks, self._tell = board, models, sinks, tell
        self._slowdown = 1
        self._replaced: Origin | None = None

    def __call__(self, tracker: Tracker, origin: Origin) -> Origin:
        """Do what is due; give the origin of the messages from now on."""
        tracker.slowdown = self._board.slowdown
        if (loaded := self._models.take()) is not None:
            origin = _replace(tracker, origin, loaded)
            self._replaced = origin
        if loaded is not None or tracker.slowdown != self._slowdown:
            self._slowdown = tracker.slowdown
            self._tell()
        return origin

    @property
    def device(self) -> str | None:
        """Give what the models that were taken run on, None while those of the start run."""
        return None if self._replaced is None else self._replaced.device

    def facts(self) -> dict[str, Any]:
        """Give what a ``status`` message says of board, sinks and a model that was replaced."""
        new = {} if self._replaced is None else {"model": self._replaced.model, "device": self._replaced.device}
        return {"board": self._board.values(), "sink_drops": dropped(self._sinks), **new}


def _replace(tracker: Tracker, before: Origin, loaded: Loaded) -> Origin:
    fresh, origin = loaded
    tracker.take_models(fresh)
    log.info("model %s is replaced by %s", before.model, origin.model)
    return origin


def model_files(config: EdgeConfig) -> list[Path]:
    """Give the files that are watched."""
    return [Path(config.detector), Path(config.model)]


@contextmanager
def open_upkeep(
    config: EdgeConfig,
    sinks: Sequence[Sink],
    load: Callable[[], Loaded],
    tell: Callable[[], None],
    running: Stamp | None = None,
) -> Iterator[Upkeep]:
    """Watch the board and the model files for as long as the block lasts; see :class:`ModelWatch`."""
    watch = ModelWatch(model_files(config), load, running=running)
    with closing(watch) as models, closing(BoardWatch()) as board, reload_on_hangup(models):
        yield Upkeep(board, models, sinks, tell)
