"""End on SIGTERM and SIGINT: first politely, between two frames, then by interruption."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

GRACE_S = 0.5  # for the turn of the loop that is under way; the whole end takes less than a second


@contextmanager
def stoppable() -> Iterator[Callable[[], bool]]:
    """Give the question whether a signal asked for the end; a second signal, or a turn that takes long, interrupts.

    A terminal that goes is such a signal where it ends the command at all, but twice is once: kernel and shell say it.
    Use it in the main thread.
    """
    asked = False

    def ask(*_: object) -> None:
        nonlocal asked
        if asked:
            raise KeyboardInterrupt
        asked = True
        signal.setitimer(signal.ITIMER_REAL, GRACE_S)

    def hang_up(*_: object) -> None:
        if not asked:
            ask()

    handlers = {number: signal.signal(number, ask) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGALRM)}
    if signal.getsignal(signal.SIGHUP) == handlers[signal.SIGTERM]:  # else it is ignored, or loads the models again
        handlers[signal.SIGHUP] = signal.signal(signal.SIGHUP, hang_up)
    try:
        yield lambda: asked
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in handlers.items():
            signal.signal(number, handler)
