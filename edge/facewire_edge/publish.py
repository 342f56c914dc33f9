"""Where messages go."""

from __future__ import annotations

import errno
import logging
import os
import socket
import sys
from pathlib import Path
from typing import Any, Protocol

from facewire_edge.errors import OutputError, UsageError
from facewire_edge.message import to_datagrams, to_line

log = logging.getLogger(__name__)


class Sink(Protocol):
    """Take messages; never keep the loop waiting for a reader."""

    def publish(self, message: dict[str, Any]) -> None:
        """Send one message."""

    def close(self) -> None:
        """Send what is left and release what is held."""


def open_sink(spec: str) -> Sink:
    """Open what ``--sink`` names.

    Raises:
        UsageError: the name cannot be meant.
        OutputError: the file or the address cannot be used.

    """
    if spec == "stdout":
        return StdoutSink()
    if spec.startswith("jsonl:") and len(spec) > len("jsonl:"):
        return JsonlSink(Path(spec.removeprefix("jsonl:")))
    if spec.startswith("udp://"):
        host, separator, port = spec.removeprefix("udp://").rpartition(":")
        if separator and host and port.isdigit() and 0 < int(port) < 65536:
            return UdpSink(host.strip("[]"), int(port))
    raise UsageError(f"unknown sink {spec!r}; expected stdout, jsonl:FILE or udp://HOST:PORT")


class StdoutSink:
    """Print one line a message; a reader that goes away ends the run."""

    def publish(self, message: dict[str, Any]) -> None:
        """Print at once: a pipe is otherwise filled in blocks of 8 kB."""
        sys.stdout.write(to_line(message) + "\n")
        sys.stdout.flush()

    def close(self) -> None:
        """Leave standard output to the process."""


class JsonlSink:
    """Append whole lines to a file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
            self._lead = b"\n" if _ends_within_line(path) else b""
        except OSError as error:
            raise self._refused(error) from error

    def publish(self, message: dict[str, Any]) -> None:
        """Append a line; where the disk takes only a part of it, take the part back.

        Raises:
            OutputError: the disk does not take the line.

        """
        data = self._lead + to_line(message).encode() + b"\n"
        try:
            size = os.fstat(self._file).st_size
            if os.write(self._file, data) < len(data):
                os.ftruncate(self._file, size)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            raise self._refused(error) from error
        self._lead = b""

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)

    def _refused(self, error: OSError) -> OutputError:
        reason = error.strerror or str(error)
        return OutputError(f"cannot write {self._path}: {reason}; free the disk or choose another file")


def _ends_within_line(path: Path) -> bool:
    """Say whether a file's last line was cut off, as by a power cut: the next line must not continue it."""
    if not path.is_file() or not path.stat().st_size:
        return False
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) != b"\n"


class UdpSink:
    """Send one datagram a face; what the network does not take at once is counted and forgotten."""

    def __init__(self, host: str, port: int) -> None:
        self.failed = 0
        try:
            family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
        except OSError as error:
            raise OutputError(f"udp://{host}:{port}: unknown address ({error}); check the name") from error
        self._address = address
        self._socket = socket.socket(family, kind, protocol)
        self._socket.setblocking(False)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)

    def publish(self, message: dict[str, Any]) -> None:
        """Send the message's datagrams."""
        for datagram in to_datagrams(message):
            try:
                self._socket.sendto(datagram, self._address)
            except OSError as error:  # a full buffer, an unreachable host: the next frame is more useful than this one
                self._count(error)

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def _count(self, error: OSError) -> None:
        """Count a lost datagram; say so for the first, not for thirty a second."""
        self.failed += 1
        if self.failed == 1:
            log.warning("udp: a datagram to %s port %d is lost: %s", *self._address[:2], error.strerror or error)
