"""Where messages go."""

from __future__ import annotations

import logging
import os
import select
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any, Protocol, runtime_checkable

from facewire_edge.addresses import Address, file_of, parse_sink
from facewire_edge.config import EdgeConfig
from facewire_edge.datagrams import Datagrams
from facewire_edge.errors import OutputError, UsageError
from facewire_edge.geometry import Box
from facewire_edge.jsonl import JsonlSink
from facewire_edge.message import to_datagrams, to_line
from facewire_edge.types import Image

log = logging.getLogger(__name__)

MEGABYTE = 1_000_000
# Sinks that need a library of the extra `stream`: kind -> module, each with open_sink(address, config).
STREAMS = {"ws": "web", "mqtt": "mqtt", "mqtts": "mqtt", "osc": "osc"}


class Sink(Protocol):
    """Take messages; never keep the loop of a live camera waiting for a reader."""

    def publish(self, message: dict[str, Any]) -> None:
        """Send one message; it is shared between sinks: read it only."""

    def close(self) -> None:
        """Send what is left and release what is held."""


@runtime_checkable
class Counted(Protocol):
    """Count what a sink's reader, disk or network did not take."""

    name: str

    @property
    def dropped(self) -> int:
        """Give the number since start."""


@runtime_checkable
class Viewer(Protocol):
    """Look at the picture too, for a preview."""

    def look(self, image: Image, boxes: Sequence[Box]) -> None:
        """Take a frame and the boxes of its faces, in its pixels; at once, and without changing it."""


def open_sink(spec: str, config: EdgeConfig | None = None, live: bool = False) -> Sink:
    """Open what ``--sink`` names.

    Behind a live camera, standard output and files get a queue and a thread: a reader that sleeps or a full disk
    costs messages, not frames. A file's or folder's messages all count: there the loop waits for them to be written.

    Raises:
        UsageError: the name cannot be meant, or needs a library that is not installed.
        OutputError: the file or the address cannot be used.

    """
    address, config = parse_sink(spec), config or EdgeConfig()
    if address.kind == "udp":
        return UdpSink(address)
    if address.kind in STREAMS:
        return import_stream(address)(address, config)
    sink = StdoutSink() if address.kind == "stdout" else _open_file(address, config)
    if not live:
        return sink
    from facewire_edge.queued import Queued

    return Queued(sink, str(address))


def close_all(sinks: Sequence[Sink]) -> None:
    """Close sinks side by side: each may wait a moment for its reader. Of several errors the first is raised."""
    if not sinks:
        return
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(len(sinks)) as pool:
        ends = [end.exception() for end in [pool.submit(sink.close) for sink in sinks]]
    errors = [error for error in ends if error is not None]
    for error in errors[1:]:
        log.error("%s", error)
    if errors:
        raise errors[0]


def dropped(sinks: Sequence[Sink]) -> dict[str, int]:
    """Give how many messages each sink has lost since start."""
    return {sink.name: sink.dropped for sink in sinks if isinstance(sink, Counted)}


def _open_file(address: Address, config: EdgeConfig) -> JsonlSink:
    megabytes = config.stream.max_file_mb
    max_bytes = None if megabytes is None else round(megabytes * MEGABYTE)
    return JsonlSink(file_of(address), max_bytes, config.stream.keep_files)


def import_stream(address: Address) -> Callable[[Address, EdgeConfig], Sink]:
    """Give what opens a sink that needs a library of the extra ``stream``.

    Raises:
        UsageError: the library is not installed, or cannot be imported.

    """
    try:
        module = import_module(f"facewire_edge.{STREAMS[address.kind]}")
    except ImportError as error:
        raise UsageError(f"{address} needs a library: {error}; run: pip install 'facewire[stream]'") from error
    opener: Callable[[Address, EdgeConfig], Sink] = module.open_sink
    return opener


class StdoutSink:
    """Print one whole line a message; a reader that goes away ends the run."""

    def __init__(self) -> None:
        self._lead = b""

    def publish(self, message: dict[str, Any]) -> None:
        """Print at once, past Python's buffer: its lock would be held by a thread that a sleeping reader blocks.

        Raises:
            OutputError: the disk does not take the line.
            BrokenPipeError: the reader is gone.

        """
        data, target, done = self._lead + (to_line(message) + "\n").encode(), sys.stdout.fileno(), 0
        try:
            while done < len(data):
                done += _write(target, data[done:])
        except BrokenPipeError:
            raise
        except OSError as error:
            if done and not _take_back(target, done):
                self._lead = b"\n"  # the next line must not continue this one
            what = f"cannot write standard output: {error.strerror or error}"
            raise OutputError(f"{what}; free the disk or choose another sink") from error
        self._lead = b""

    def close(self) -> None:
        """Leave standard output to the process."""


def _write(target: int, data: bytes) -> int:
    """Write what is taken; wait where the other end of a pipe or terminal has set it not to."""
    try:
        return os.write(target, data)
    except BlockingIOError:
        select.select([], [target], [])
        return 0


def _take_back(target: int, count: int) -> bool:
    """Remove the last bytes that were written; say whether it could be done: of a file that nobody wrote to since."""
    try:
        end = os.lseek(target, 0, os.SEEK_CUR)
        if end != os.fstat(target).st_size:
            return False
        os.ftruncate(target, end - count)
        os.lseek(target, -count, os.SEEK_CUR)
    except OSError:  # a pipe, a terminal
        return False
    return True


class UdpSink:
    """Send one datagram a face."""

    def __init__(self, address: Address) -> None:
        self.name = str(address)
        self._datagrams = Datagrams(address)

    @property
    def dropped(self) -> int:
        """Give how many datagrams the network did not take."""
        return self._datagrams.lost

    def publish(self, message: dict[str, Any]) -> None:
        """Send the message's datagrams."""
        for datagram in to_datagrams(message):
            self._datagrams.send(datagram)

    def close(self) -> None:
        """Close the socket."""
        self._datagrams.close()
