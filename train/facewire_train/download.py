"""Download one file so that an interruption costs only what was not yet received."""

from __future__ import annotations

import logging
import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPException, HTTPResponse
from importlib.metadata import version
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from facewire_edge.errors import DataError, FacewireError, OutputError

from facewire_train.catalogue import PublicFile

log = logging.getLogger(__name__)

Report = Callable[[int, int | None], None]  # bytes received, bytes in all

TIMEOUT_S = 30.0  # of a connection and of each read: a server that is silent for longer has hung
PAUSES_S = (1.0, 2.0, 4.0, 8.0)  # before another attempt; after the last one an attempt must bring something new
BLOCK = 1 << 16  # bytes; what a cut connection can lose
PARTIAL, RANGE_TOO_FAR = 206, 416  # statuses (RFC 9110, 15.3.7 and 15.5.17)
LATER = (408, 429)  # of the statuses below 500 those that ask for another attempt (RFC 9110, 15.5.9; RFC 6585, 4)
CONTENT_RANGE = re.compile(r"bytes (?:(?P<start>\d+)-\d+|\*)/(?P<total>\d+|\*)")  # RFC 9110, 14.4


def download(file: PublicFile, part: Path, report: Report, pause: Callable[[float], None] = time.sleep) -> None:
    """Receive a file into ``part``, which goes on from where an earlier attempt has ended.

    A server that gives no ranges is asked for the whole file again. That the file is still the one that was begun is
    for its checksum to say.

    Args:
        file: what to receive.
        part: kept when this fails, whole when it ends well.
        report: called with what was received so far, and with the whole size where the server tells it.
        pause: waits for so many seconds.

    Raises:
        DataError: the server does not give the file, gives something else, or cannot be reached.
        OutputError: the disk does not take it, or has no room for it.

    """
    furthest, failures = _size(part), 0
    while (reason := _attempt(file, part, report)) is not None:
        failures = 0 if _size(part) > furthest else failures + 1
        furthest = max(furthest, _size(part))
        if failures > len(PAUSES_S):
            raise DataError(f"{file.url}: {reason}; {_size(part):,} bytes are kept, run the command again to go on")
        pause_s = PAUSES_S[max(0, failures - 1)]
        log.info("%s: %s; trying again in %g s", file.name, reason, pause_s)
        pause(pause_s)


def _attempt(file: PublicFile, part: Path, report: Report) -> str | None:
    """Receive what is missing; give why another attempt is worth it, None when the file is whole."""
    have = _size(part)
    if have and have == file.bytes:
        return None
    try:
        with urlopen(_request(file, have), timeout=TIMEOUT_S) as answer:
            return _receive(answer, file, part, report)
    except FacewireError:
        raise
    except HTTPError as error:
        with error:
            return _refused(error, file, part)
    except URLError as error:
        return f"cannot be reached: {error.reason}"
    except (HTTPException, OSError) as error:
        return f"the connection broke: {error or type(error).__name__}"


def _request(file: PublicFile, have: int) -> Request:
    headers = {"User-Agent": f"facewire/{version('facewire')}", "Accept-Encoding": "identity"}
    return Request(file.url, headers=headers | ({"Range": f"bytes={have}-"} if have else {}))


def _receive(answer: HTTPResponse, file: PublicFile, part: Path, report: Report) -> str | None:
    start, total = _place(answer)
    if start not in (0, _size(part)):
        part.unlink(missing_ok=True)
        return "the server went on at another byte than it was asked for"
    _check_offer(answer, file, total)
    _check_room(file, part, start, total)
    _copy(answer, part, start, lambda have: report(have, total))
    return _judge(file, part, total)


def _place(answer: HTTPResponse) -> tuple[int, int | None]:
    """Give the byte where an answer begins, -1 if it does not say, and the whole file's size where it is told."""
    if answer.status == PARTIAL:
        told = CONTENT_RANGE.fullmatch(answer.headers.get("Content-Range", ""))
        if told is None or not told["start"]:
            return -1, None
        return int(told["start"]), None if told["total"] == "*" else int(told["total"])
    length = answer.headers.get("Content-Length", "")
    return 0, int(length) if length.isdigit() else None


def _check_offer(answer: HTTPResponse, file: PublicFile, total: int | None) -> None:
    if answer.headers.get_content_type() == "text/html":
        raise DataError(f"{file.url} gives a web page, expected {file.name}; see the set's homepage for its address")
    if file.bytes and total is not None and total != file.bytes:
        raise DataError(
            f"{file.url} has {total:,} bytes, expected {file.bytes:,}; the set has changed, see its homepage"
        )


def _check_room(file: PublicFile, part: Path, start: int, total: int | None) -> None:
    """Refuse a file for which there is no room; images unpack to about the size of their archive."""
    wanted = (total or file.bytes) * (2 if file.is_archive else 1) - start
    free = shutil.disk_usage(part.parent).free
    if wanted > free:
        raise OutputError(
            f"{file.name} needs {wanted:,} bytes in {part.parent}, {free:,} are free; "
            "free the disk or choose another --out"
        )


def _copy(answer: HTTPResponse, part: Path, start: int, report: Callable[[int], None]) -> None:
    """Write what comes from byte ``start`` on, in place of all that stood there."""
    with _disk(part):
        out = part.open("r+b" if start else "wb")
    with out:
        out.seek(start)
        report(start)
        while block := answer.read(BLOCK):
            with _disk(part):
                out.write(block)
                out.flush()
            report(out.tell())


def _judge(file: PublicFile, part: Path, total: int | None) -> str | None:
    """Compare what was received with what there is; give why another attempt is worth it."""
    have, wanted = _size(part), total or file.bytes
    if have < wanted:
        return f"the connection ended at {have:,} of {wanted:,} bytes"
    if wanted and have > wanted:
        part.unlink()
        raise DataError(f"{file.url} gave {have:,} bytes, expected {wanted:,}; the set has changed, see its homepage")
    return None


def _refused(error: HTTPError, file: PublicFile, part: Path) -> str | None:
    """Judge an answer that is an error; None where it says that the part is whole already."""
    have = _size(part)
    if error.code == RANGE_TOO_FAR and have:
        told = CONTENT_RANGE.fullmatch(error.headers.get("Content-Range", ""))
        if told and told["total"] == str(have) and file.bytes in (0, have):
            return None
        part.unlink()
        return f"the {have:,} bytes of an earlier attempt are more than there are"
    said = f"the server says {error.code} {error.reason}"
    if error.code in LATER or error.code >= 500:
        return said
    raise DataError(f"{file.url}: {said}; see the set's homepage for the file's address")


def _size(part: Path) -> int:
    return part.stat().st_size if part.is_file() else 0


@contextmanager
def _disk(part: Path) -> Iterator[None]:
    """Tell the disk's errors from the network's: both are OSErrors."""
    try:
        yield
    except OSError as error:
        raise OutputError(
            f"cannot write {part}: {error.strerror or error}; free the disk and run the command again to go on"
        ) from error
